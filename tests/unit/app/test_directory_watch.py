"""The age of the directory is shown, and told before patients' first letters wait for a new one."""

from datetime import timedelta

import pytest

from mssgw.app.eyes.directory import DirectoryWatch
from mssgw.app.telemetry.metrics import Metrics
from mssgw.core.directory import Edition
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from tests.wire.running import samples

WEEK = timedelta(days=7)
DAY = 24 * 60  # minutes


class Ears:
    """ports.Telemetry in a list."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool, object]] = []

    def event(self, name: str, *, alarm: bool = False, failure: BaseException | None = None, **fields: object) -> None:
        self.heard.append((name, alarm, fields.get("hours")))


class World:
    def __init__(self) -> None:
        self.clock, self.ears, self.metrics = FixedClock(), Ears(), Metrics()
        self.store = MemoryStore(self.clock)
        self.watch = DirectoryWatch(self.metrics, self.ears)
        self.watch.max_age = WEEK

    async def load(self) -> None:
        now = self.clock.now()
        generation = await self.store.begin(now)
        edition = Edition(made_at=now, imported_at=now, mailboxes=12)
        await self.store.adopt(generation, edition, operator="root", detail="import")

    async def look(self) -> list[tuple[str, bool, object]]:
        """What is said at this look."""
        before = len(self.ears.heard)
        await self.watch.look(self.store, self.clock)
        return self.ears.heard[before:]

    def shown(self) -> tuple[float, float]:
        told = samples(self.metrics.exposition().decode())
        return told["mssgw_directory_age_seconds"], told["mssgw_directory_mailboxes"]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_directory_is_missed_aged_and_renewed(world: World) -> None:
    """Half-way to being too old there is time to do something about it."""
    assert await world.look() == [("directory.missing", True, None)]
    assert world.shown() == (-1, 0)
    await world.load()
    assert await world.look() == [("directory.taken", False, None)]
    world.clock.pass_(minutes=3 * DAY)
    assert await world.look() == []
    assert world.shown() == (3 * 86_400, 12)
    world.clock.pass_(minutes=DAY)
    assert await world.look() == [("directory.stale", True, 96)]
    assert await world.look() == []
    world.clock.pass_(minutes=4 * DAY)
    assert await world.look() == [("directory.expired", True, 192)]
    await world.load()
    assert await world.look() == [("directory.taken", False, None)]


async def test_what_goes_on_is_told_again_a_day_later(world: World) -> None:
    told = [await world.look() for _ in range(DAY + 2)]
    assert [number for number, each in enumerate(told) if each] == [0, DAY]


async def test_who_has_no_directory_configured_hears_nothing(world: World) -> None:
    """Its age is shown all the same."""
    world.watch.max_age = None
    assert await world.look() == []
    await world.load()
    world.clock.pass_(minutes=90 * DAY)
    assert await world.look() == []
    assert world.shown() == (90 * 86_400, 12)
