"""Alive, ready, and back again by itself."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mssgw.app.eyes import health as health_room
from mssgw.app.eyes.disk import FULL, Disk
from mssgw.app.eyes.health import Health, StoreWatch
from mssgw.app.eyes.sampling import status_line
from mssgw.core.errors import StoreFull, StoreUnavailable
from mssgw.edges.metering import UNMETERED
from mssgw.edges.smtpd_intake import Intake
from mssgw.ports import Census


class Told:
    """A Telemetry that remembers names, alarms marked with "!"."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.errors: list[str] = []

    def event(self, name: str, *, alarm: bool = False, failure: BaseException | None = None, **fields: Any) -> None:
        self.names.append(f"{name}!" if alarm else name)
        self.errors += [fields["error"]] if "error" in fields else []


class Store:
    """A Vitals that fails as it is told, and tells its meter of each commit as the writer does."""

    def __init__(self) -> None:
        self.meter: StoreWatch | None = None
        self.trouble: StoreUnavailable | None = None
        self.stuck = False

    async def answers(self) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble

    async def probe(self) -> None:
        assert self.meter is not None
        self.meter.count("commit", "failed" if self.trouble else "kept")
        if self.trouble is not None:
            raise self.trouble

    async def census(self, **_asked: Any) -> Census:
        return Census()


class Listener:
    up = True


def made(
    tmp_path: Path, listeners: Sequence[Any] = (Listener(),), reserve: int = 0
) -> tuple[Health, Store, Disk, Told]:
    told, store = Told(), Store()
    watch = StoreWatch(UNMETERED, told)
    store.meter = watch
    disk = Disk(tmp_path, reserve, intake=Intake(), telemetry=told)
    return Health(vitals=store, store=watch, disk=disk, listeners=lambda: listeners), store, disk, told


def failing(health: Health) -> list[str]:
    return [check.name for check in health.checks() if not check.ok]


async def test_a_writer_that_hangs_is_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a restart helps then."""
    monkeypatch.setattr(health_room, "ALIVE_WITHIN", 0.01)
    health, store, _, _ = made(tmp_path)
    assert await health.alive()
    store.stuck = True
    assert not await health.alive()


async def test_a_database_that_is_away_does_not_call_for_a_restart(tmp_path: Path) -> None:
    """Nothing would come of it but the loss of what waits in memory."""
    health, store, _, _ = made(tmp_path)
    store.trouble = StoreUnavailable("the database was taken away")
    assert await health.alive()


async def test_a_failed_commit_is_not_ready_until_one_is_kept_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sends to a gateway that is not ready: so it tries by itself, and says once what changed."""
    monkeypatch.setattr(health_room, "TRY_EVERY", 0.001)
    health, store, _, told = made(tmp_path)
    assert store.meter is not None
    store.trouble = StoreFull()
    store.meter.count("commit", "failed")
    assert failing(health) == ["store"]
    running = asyncio.create_task(store.meter.run(store))
    async with asyncio.timeout(10):
        while not told.names:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.002)
        assert not health.ready
        store.trouble = None
        while len(told.names) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    running.cancel()
    assert health.ready
    assert told.names == ["store.not_writable!", "store.writable_again"]
    assert told.errors == [str(StoreFull())]


async def test_a_listener_that_is_down_is_not_ready(tmp_path: Path) -> None:
    """Nor is a gateway that has none yet."""
    down = Listener()
    health, *_ = made(tmp_path, (Listener(), down))
    assert health.ready
    down.up = False
    assert failing(health) == ["listeners"]
    assert failing(made(tmp_path, ())[0]) == ["listeners"]


async def test_stopping_is_not_ready(tmp_path: Path) -> None:
    """A load balancer sends the next letters elsewhere while we drain."""
    health, *_ = made(tmp_path)
    health.stopping = True
    assert failing(health) == ["serving"]
    assert status_line(health, Census(waiting=2, oldest=3.4)).startswith("NOT READY (serving): 2 waiting, ")


async def test_below_the_reserve_data_is_refused_until_there_is_room_to_spare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one alarm, and without opening and closing for every letter at the border."""
    free = 1_000
    monkeypatch.setattr("mssgw.app.eyes.disk.FULL", 0)
    monkeypatch.setattr("mssgw.app.eyes.disk._free_space", lambda path: free)
    health, _, disk, told = made(tmp_path, reserve=1_000)
    intake = disk._intake
    await disk.look()
    assert (health.ready, intake.refusal) == (True, None)
    free = 999
    for _ in range(3):
        await disk.look()
    assert failing(health) == ["disk"]
    assert str(intake.refusal).startswith("452 4.3.1 ")
    free = 1_049
    await disk.look()
    assert intake.refusal is not None
    free = 1_050
    await disk.look()
    assert (health.ready, intake.refusal) == (True, None)
    assert told.names == ["disk.reserve_reached!", "disk.reserve_restored"]


async def test_without_a_reserve_a_full_disk_is_not_ready_and_letters_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a short write succeeds in the room that the store's files have."""
    free = FULL - 1
    monkeypatch.setattr("mssgw.app.eyes.disk._free_space", lambda path: free)
    health, _, disk, told = made(tmp_path)
    await disk.look()
    assert failing(health) == ["disk"]
    assert (disk._intake.refusal, told.names) == (None, [])
    free = FULL
    await disk.look()
    assert health.ready


async def test_a_disk_that_does_not_say_changes_nothing(tmp_path: Path) -> None:
    """Writing to it will tell."""
    health, _, disk, told = made(tmp_path / "gone", reserve=1)
    await disk.look()
    assert health.ready
    assert told.names == []
