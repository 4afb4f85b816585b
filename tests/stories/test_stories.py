"""Every story, in both worlds. ``pytest tests/stories -k s06`` plays one; README.md says how to write one."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.canaries import leaks
from tests.stories.expectations import CHECKS, Seen, check
from tests.stories.operators import operate
from tests.stories.real_world import real_world
from tests.stories.story import HERE, Step, Story, stories
from tests.stories.worlds import World, memory_world

WORLDS = {"memory": memory_world, "real": real_world}
STORIES = stories()
PATIENCE = 20.0  # seconds for everything that a step sets in motion


@pytest.fixture(params=list(WORLDS))
async def world(request: pytest.FixtureRequest, story: Story, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](story, tmp_path) as world:
        yield world


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_story(story: Story, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What the story's title says; and nothing of it that is logged names anybody."""
    for number, step in enumerate(story.steps, 1):
        try:
            await play(world, step)
        except AssertionError as error:
            raise AssertionError(f"{story.title}\nstep {number}, {step.say}: {error}") from None
    printed = capsys.readouterr()
    assert not leaks(f"{world.events.seen} {printed.out} {printed.err}".encode())


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_cites_rules_that_exist_and_expects_what_can_be_checked(story: Story) -> None:
    """Else it would tell of nothing."""
    requirements = HERE.parents[1] / "docs" / "requirements.toml"
    known = {rule for section in tomllib.loads(requirements.read_text("utf-8")).values() for rule in section}
    assert set(story.requirements) - known == set()
    assert {key for step in story.steps for key in step.expect} - set(CHECKS) == set()
    assert any(step.expect for step in story.steps)


async def play(world: World, step: Step) -> None:
    arrivals, events = len(world.arrivals), len(world.events.seen)
    answer = None
    if step.hops is not None:
        world.hops.clear()
        world.hops.update(step.hops)
    if step.store_takes is not None:
        world.store.seconds = step.store_takes
    if step.send is not None:
        answer = await world.send(step.send)
    elif step.pass_ is not None:
        number, unit = step.pass_.split()
        world.clock.pass_(**{unit: float(number)})
    elif step.operator is not None:
        await operate(world, step.operator)
    await settle(world)
    await check(
        world, step.expect, Seen(answer=answer, arrivals=world.arrivals[arrivals:], events=world.events.seen[events:])
    )


async def settle(world: World) -> None:
    """Wait until nothing is due and nothing runs. What is leased looks as if it were not due: so no claim meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while True:
            world.flow.deliverer.wake()
            quiet, claims = world.flow.deliverer.idle and not world.store.claiming, world.store.claims
            due = await world.store.next_due()
            if quiet and claims == world.store.claims and (due is None or due > world.clock.now()):
                return
            await asyncio.sleep(0.002)
