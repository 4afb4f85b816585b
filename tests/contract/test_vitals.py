"""ports.Vitals: alike in memory and in SQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.edges.sql import open_store
from mssgw.ports import Census, Vitals
from tests.contract.conftest import KEY
from tests.contract.letters import DOCTOR, PATIENT, Place

AGES = (10.0, 100.0)


class Commits:
    """A Meter that remembers."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.values: dict[str, list[float]] = {}

    def observe(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def count(self, name: str, kind: str) -> None:
        assert name == "commit"
        self.kinds.append(kind)


@asynccontextmanager
async def opened(kind: str, database: Path) -> AsyncIterator[tuple[Place, Vitals]]:
    clock = FixedClock()
    if kind == "memory":
        twin = MemoryStore(clock)
        yield Place(twin, twin, clock), twin
        return
    async with open_store(f"sqlite:///{database}", KEY, clock=clock, upgrade=False) as store:
        yield Place(store.store, store.desk, clock), store.vitals


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_the_census_counts_what_is_open(kind: str, database: Path) -> None:
    """By state, and by age; what is delivered does not count."""
    async with opened(kind, database) as (place, vitals):
        assert await vitals.census(now=place.clock.now(), ages=AGES) == Census(younger=(0, 0))
        done = await place.keep("done", lease=place.lease())
        await place.keep("sending", recipients=(PATIENT, DOCTOR), lease=place.lease())
        await place.deliver(done)
        place.clock.pass_(seconds=50)
        await place.keep("waiting")
        await place.keep("held")
        await place.desk.hold(["held"], operator="anne", now=place.clock.now())
        place.clock.pass_(seconds=10)
        seen = await vitals.census(now=place.clock.now(), ages=AGES)
        assert seen == Census(waiting=1, sending=2, held=1, younger=(2, 4), oldest=60.0, total_age=140.0)
        place.clock.pass_(hours=1)  # leases lapse
        seen = await vitals.census(now=place.clock.now(), ages=AGES)
        assert (seen.waiting, seen.sending, seen.held, seen.younger) == (3, 0, 1, (0, 0))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_store_that_is_well_answers_and_keeps(kind: str, database: Path) -> None:
    """And a probe changes nothing that can be seen."""
    async with opened(kind, database) as (place, vitals):
        await place.keep("one")
        before = await place.desk.queue(limit=10)
        await vitals.answers()
        await vitals.probe()
        assert await place.desk.queue(limit=10) == before


async def test_the_writer_measures_its_commits(database: Path) -> None:
    """How long, how much at once, and whether it was kept."""
    meter, clock = Commits(), FixedClock()
    async with open_store(f"sqlite:///{database}", KEY, clock=clock, upgrade=False, meter=meter) as store:
        await Place(store.store, store.desk, clock).keep("one")
        await store.vitals.probe()
        await store.vitals.answers()  # no commit
    assert meter.kinds == ["kept", "kept"]
    assert meter.values["commit.units"] == [1, 1]
    assert all(value > 0 for value in meter.values["commit.seconds"])
