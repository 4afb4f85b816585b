"""The twin in memory and the real store never drift apart."""

import asyncio
import itertools
import shutil
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mssgw.core.closing import Silence
from mssgw.core.conversation import Event, Pair, State, after
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.edges.sql import open_store
from mssgw.edges.sql.accepting import UNCONDITIONAL
from mssgw.ports import Conflict, ConversationRow, Question
from tests.contract.conftest import KEY, wipe
from tests.contract.letters import DOCTOR, OTHER_PATIENT, PATIENT, SECRETARIAT, Place, letter
from tests.peers.postgresql import PostgresServer

PAIRS = tuple(Pair(patient, bal) for patient in (PATIENT, OTHER_PATIENT) for bal in (DOCTOR, SECRETARIAT))
STEPS = st.one_of(
    st.tuples(st.just("letter"), st.sampled_from(PAIRS), st.sampled_from(Event)),
    st.tuples(st.just("state"), st.sampled_from(PAIRS), st.sampled_from(State)),
    st.tuples(st.just("block"), st.sampled_from(PAIRS), st.booleans()),
    st.tuples(st.just("block-all"), st.sampled_from(PAIRS), st.booleans()),
    st.tuples(st.just("silence"), st.sampled_from(PAIRS), st.integers(min_value=1, max_value=5)),
    st.tuples(st.just("forget"), st.sampled_from(PAIRS), st.integers(min_value=1, max_value=5)),
)
_names = itertools.count()


async def play(place: Place, steps: list[tuple[str, Pair, object]], name: str) -> list[object]:
    """Everything that can be seen from outside after these steps."""
    refused = []
    for number, (kind, pair, what) in enumerate(steps):
        now = place.clock.pass_(minutes=1)
        match kind, what:
            case "letter", Event():
                try:
                    await place.keep(
                        f"{name}L{number}", moves=(what,), pair=pair, letters=(letter(f"<{number}>", pair=pair),)
                    )
                except Conflict:
                    refused.append(number)
            case "state", State():
                await place.desk.set_state([(pair, what, now)], operator="root", only_absent=False)
            case "block", bool():
                await place.desk.set_block(pair.patient, pair.bal, blocked=what, operator="root", now=now)
            case "block-all", bool():
                await place.desk.set_block(pair.patient, None, blocked=what, operator="root", now=now)
            case "silence", int():
                silence = Silence(bal=pair.bal, before=now - timedelta(minutes=what), lasted=timedelta(days=what))
                await place.store.close_silent([silence], now=now)
            case "forget", int():
                await place.store.forget(before=now.replace(minute=max(0, now.minute - what)))
    threads = tuple(f"<{number}>" for number in range(len(steps)))
    known = [list(await place.store.know(Question(pairs=PAIRS, thread=(thread,)))) for thread in threads]
    journal = [await place.desk.trace(address=patient, limit=99) for patient in (PATIENT, OTHER_PATIENT)]
    lines = [(entry.event, entry.detail, entry.sender, entry.recipient) for entries in journal for entry in entries]
    rows = await place.desk.conversations(limit=99)  # of one moment they may come in any order: keys are random
    return [refused, known, sorted(rows, key=_since_and_whose), lines]


def _since_and_whose(row: ConversationRow) -> tuple[str, str, str]:
    return str(row.since), row.patient.key, row.bal.key if row.bal else ""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
def test_any_course_of_events_ends_alike_in_memory_and_in_sqlite(
    migrated: Path, tmp_path: Path, steps: list[tuple[str, Pair, object]]
) -> None:
    name = str(next(_names))

    async def both() -> None:
        twin = MemoryStore(clock := FixedClock())
        expected = await play(Place(twin, twin, clock), steps, name)
        path = tmp_path / f"{name}.db"
        shutil.copy(migrated, path)
        async with open_store(f"sqlite:///{path}", KEY, clock=(clock := FixedClock()), upgrade=False) as opened:
            assert await play(Place(opened.store, opened.desk, clock), steps, name) == expected

    asyncio.run(both())


@settings(max_examples=8, deadline=None)
@given(steps=st.lists(STEPS, max_size=12))
def test_any_course_of_events_ends_alike_in_memory_and_in_postgres(
    server: PostgresServer, steps: list[tuple[str, Pair, object]]
) -> None:
    name = str(next(_names))
    wipe(server)

    async def both() -> None:
        twin = MemoryStore(clock := FixedClock())
        expected = await play(Place(twin, twin, clock), steps, name)
        url = server.url("contract")
        async with open_store(url, KEY, clock=(clock := FixedClock()), upgrade=False) as opened:
            assert await play(Place(opened.store, opened.desk, clock), steps, name) == expected

    asyncio.run(both())


def test_a_move_says_where_it_leads_from_every_state() -> None:
    """The SQL store upserts without knowing the present state: that holds only while the table allows it."""
    for event, target in UNCONDITIONAL.items():
        assert {after(state, event) for state in State} == {target}
    assert set(Event) - set(UNCONDITIONAL) == {Event.PATIENT_WROTE}
