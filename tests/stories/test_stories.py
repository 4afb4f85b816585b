"""Every story, in both worlds. ``pytest tests/stories -k s06`` plays one; README.md says how to write one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.journal import Entry
from mssgw.core.verdict import Hold
from tests.stories.real_world import real_world
from tests.stories.story import Step, Story, stories
from tests.stories.worlds import Answer, World, memory_world

WORLDS = {"memory": memory_world, "real": real_world}
PATIENCE = 10.0  # seconds for everything that a step sets in motion


@pytest.fixture(params=list(WORLDS))
async def world(request: pytest.FixtureRequest, story: Story, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](story, tmp_path) as world:
        yield world


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.name)
async def test_story(story: Story, world: World) -> None:
    for number, step in enumerate(story.steps, 1):
        try:
            await play(world, step)
        except AssertionError as error:
            raise AssertionError(f"{story.title}\nstep {number}, {step.say}: {error}") from error


async def play(world: World, step: Step) -> None:
    arrived_before = len(world.arrivals)
    answer = None
    if step.hops is not None:
        world.hops.clear()
        world.hops.update(step.hops)
    if step.send is not None:
        answer = await world.send(step.send)
    elif step.pass_ is not None:
        world.clock.pass_(**{step.pass_.split()[1]: float(step.pass_.split()[0])})
    elif step.operator is not None:
        await operate(world, dict(step.operator))
    await settle(world)
    await check(world, step.expect, answer, arrived_before)


async def settle(world: World) -> None:
    """Wait until nothing is due and nothing runs."""
    async with asyncio.timeout(PATIENCE):
        while True:
            world.flow.deliverer.wake()
            await asyncio.sleep(0)
            due = await world.store.next_due()
            if (due is None or due > world.clock.now()) and world.flow.deliverer.idle:
                return
            await asyncio.sleep(0.005)


async def operate(world: World, what: dict[str, Any]) -> None:
    """An operator's command, as ``mssgw conversation`` and ``mssgw queue`` give it."""
    do, now = what.pop("do"), world.clock.now()
    patient = Address.parse(what["patient"]) if "patient" in what else None
    bal = Address.parse(what["bal"]) if "bal" in what else None
    match do:
        case "close" | "reopen":
            assert patient is not None
            assert bal is not None
            state = State.CLOSED if do == "close" else State.OPEN
            await world.desk.set_state([(Pair(patient, bal), state, now)], operator="test", only_absent=False)
        case "import":
            assert patient is not None
            assert bal is not None
            row = (Pair(patient, bal), State(what["state"]), now)
            await world.desk.set_state([row], operator="test", only_absent=True)
        case "block" | "unblock":
            assert patient is not None
            await world.desk.set_block(patient, bal, blocked=do == "block", operator="test", now=now)
        case "release":
            (row,) = await world.desk.queue(limit=2, state="held")
            verdict = (await world.store.load(row.delivery.spool_id)).verdict
            moves = verdict.withheld if isinstance(verdict, Hold) else ()
            await world.desk.release(row.delivery.spool_id, operator="test", now=now, moves=moves)
        case _:
            raise ValueError(f"no operator does {do}")


async def check(world: World, expect: dict[str, Any], answer: Answer | None, arrived_before: int) -> None:
    known = {"answer", "at", "says", "refused", "arrives", "conversation", "trace", "events", "contains"}
    assert not set(expect) - known, f"unknown expectations {set(expect) - known}"
    if "answer" in expect:
        assert answer is not None
        assert answer.text.startswith(expect["answer"]), answer
    if "at" in expect:
        assert answer is not None
        assert answer.stage == expect["at"], answer
    if "says" in expect:
        assert answer is not None
        assert expect["says"] in answer.text, answer
    for recipient, reply in expect.get("refused", {}).items():
        assert answer is not None
        assert answer.refused.get(recipient, "accepted").startswith(reply), answer
    new = world.arrivals[arrived_before:]
    if "arrives" in expect:
        assert sorted(f"{a.sender} -> {a.recipient}" for a in new) == sorted(expect["arrives"])
    for text in expect.get("contains", []):
        assert any(text.encode() in a.content for a in new), f"no arrival contains {text!r}"
    for row in expect.get("conversation", []):
        await check_conversation(world, row)
    for line in expect.get("trace", []):
        await check_trace(world, line)
    for name in expect.get("events", []):
        assert name in {seen for seen, _ in world.events.seen}, f"{name} not among the events"


async def check_conversation(world: World, row: dict[str, Any]) -> None:
    patient, bal = Address.parse(row["patient"]), Address.parse(row["bal"])
    rows = await world.desk.conversations(limit=10, patient=patient, bal=bal)
    states = [found.state for found in rows if found.bal is not None]
    assert states == ([] if row["state"] == "absent" else [State(row["state"])]), f"{row['bal']}: {states}"


async def check_trace(world: World, line: dict[str, Any]) -> None:
    """``of``: Message-ID, or an address; ``events``: the journal's events in order; more fields: on some entry."""
    wanted = dict(line)
    of = wanted.pop("of")
    if of.startswith("<"):
        entries = await world.desk.trace(message_id=of, limit=100)
    else:
        entries = await world.desk.trace(address=Address.parse(of), limit=100)
    if (events := wanted.pop("events", None)) is not None:
        assert [entry.event.value for entry in entries] == events
    for name, value in wanted.items():
        assert any(_shows(entry, name, value) for entry in entries), f"trace of {of} shows no {name} {value!r}"


def _shows(entry: Entry, name: str, value: str) -> bool:
    match name:
        case "finding":
            return any(finding.rule == value for finding in entry.findings)
        case "finding_detail":
            return any(finding.detail == value for finding in entry.findings)
        case "person" | "detail" | "operator" | "client":
            return bool(getattr(entry, name) == value)
        case _:
            raise ValueError(f"trace cannot show {name}")
