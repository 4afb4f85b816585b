"""ports.Vitals: alike in memory and in SQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.edges.sql import open_store
from mssgw.ports import Census, Vitals
from tests.contract.conftest import KEY, wipe
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
        self.kinds.append(f"{name} {kind}")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Place, Vitals]]:
    """A store that is empty, and its vitals."""
    clock = FixedClock()
    if request.param == "memory":
        twin = MemoryStore(clock)
        yield Place(twin, twin, clock), twin
        return
    if request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('database')}"
    else:
        server = request.getfixturevalue("server")
        wipe(server)
        url = server.url("contract")
    async with open_store(url, KEY, clock=clock, upgrade=False) as store:
        yield Place(store.store, store.desk, clock), store.vitals


async def test_the_census_counts_what_is_open(both: tuple[Place, Vitals]) -> None:
    """By state, and by age; what is delivered does not count."""
    place, vitals = both
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


async def test_a_store_that_is_well_answers_and_keeps(both: tuple[Place, Vitals]) -> None:
    """And a probe changes nothing that can be seen."""
    place, vitals = both
    await place.keep("one")
    before = await place.desk.queue(limit=10)
    await vitals.answers()
    await vitals.probe()
    assert await place.desk.queue(limit=10) == before
    assert vitals.stalled_for == 0.0


async def test_the_writer_measures_its_commits(database: Path) -> None:
    """How long, how much at once, and whether it was kept. A probe asks the reader, too."""
    meter, clock = Commits(), FixedClock()
    async with open_store(f"sqlite:///{database}", KEY, clock=clock, upgrade=False, meter=meter) as store:
        await Place(store.store, store.desk, clock).keep("one")
        await store.vitals.probe()
        await store.vitals.answers()  # no commit
    assert meter.kinds == ["commit kept", "commit kept", "read kept"]
    assert meter.values["commit.units"] == [1, 1]
    assert all(value > 0 for value in meter.values["commit.seconds"])
