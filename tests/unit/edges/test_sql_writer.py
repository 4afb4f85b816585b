"""A failing disk in the middle of a batch: who is told what, and what is left behind."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from mssgw.core.errors import CommitInDoubt, MalformedMatricule, StoreFull, StoreUnavailable
from mssgw.edges.sql.dialects import Database, database
from mssgw.edges.sql.units import Unit, Upkeep
from mssgw.edges.sql.worker import Job
from mssgw.edges.sql.writer import Writer


@pytest.fixture
def place(tmp_path: Path) -> Database:
    return database(f"sqlite:///{tmp_path / 'mssgw.db'}")


@pytest.fixture
async def writer(place: Database) -> AsyncIterator[Writer]:
    writer = Writer(place.engine(writing=True), place, lambda connection: None)
    await writer.ask(Unit(work=lambda connection: connection.exec_driver_sql("CREATE TABLE kept (id INTEGER)")))
    yield writer
    await writer.close()


def keep(number: int) -> Unit[int]:
    def work(connection: Connection) -> int:
        connection.exec_driver_sql("INSERT INTO kept VALUES (?)", (number,))
        return number

    return Unit(work=work)


def fail(error: Exception) -> Unit[None]:
    def work(connection: Connection) -> None:
        raise error

    return Unit(work=work)


def kept(connection: Connection) -> list[int]:
    return list(connection.exec_driver_sql("SELECT id FROM kept ORDER BY id").scalars())


async def in_one_batch(writer: Writer, *jobs: Any) -> list[Any]:
    """Hold the writer up until all of these wait; their results or errors."""
    free = threading.Event()
    waiting = [writer.put(Unit(work=lambda connection: free.wait(10)))]
    await asyncio.sleep(0.05)
    waiting += [writer.put(job) for job in jobs]
    free.set()
    return (await asyncio.gather(*waiting, return_exceptions=True))[1:]


async def test_the_writer_does_not_interrupt_the_loop_that_wakes_it(writer: Writer) -> None:
    assert await writer.ask(Unit(work=lambda connection: os.sched_getscheduler(0))) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


async def test_a_disk_that_fails_between_two_units_fails_those_that_follow_and_no_earlier_one(writer: Writer) -> None:
    """A unit that was committed must not hear of another's trouble: its letter would be sent again."""
    disk = sqlite3.OperationalError("disk I/O error")
    told = await in_one_batch(writer, fail(ValueError()), keep(1), fail(disk), keep(2), Upkeep(lambda connection: 7))
    assert [type(each) for each in told] == [ValueError, int, StoreUnavailable, StoreUnavailable, StoreUnavailable]
    assert await writer.ask(keep(3)) == 3
    assert await writer.ask(Unit(work=kept)) == [1, 3]


@pytest.mark.parametrize(
    "error",
    [
        StoreFull("full"),
        MalformedMatricule("cle fausse"),
        InvalidRequestError("closed"),
        DBAPIError("SELECT 1", {}, ValueError("x"), hide_parameters=True, connection_invalidated=True),
        sqlite3.OperationalError("disk I/O error"),
    ],
)
async def test_each_job_of_a_batch_that_failed_hears_an_exception_of_its_own(writer: Writer, error: Exception) -> None:
    """Tasks that raise one object write into each other's traceback."""
    loop = asyncio.get_running_loop()
    jobs = [Job(None, loop.create_future()) for _ in range(3)]
    await writer.ask(Upkeep(lambda connection: writer.fail(jobs, error)))
    errors = [job.error for job in jobs]
    assert len({id(each) for each in errors}) == 3
    [told] = {(type(each), str(each), getattr(each, "reply", None)) for each in errors}
    if not isinstance(error, writer.database.errors):
        assert told == (type(error), str(error), getattr(error, "reply", None))


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), RuntimeError()])
async def test_upkeep_that_fails_is_no_trouble_of_the_units_beside_it(writer: Writer, error: Exception) -> None:
    def upkeep(connection: Connection) -> None:
        raise error

    told = await in_one_batch(writer, keep(1), Upkeep(upkeep))
    assert told[0] == 1
    assert isinstance(told[1], StoreUnavailable | RuntimeError)


async def test_upkeep_on_a_disk_that_hangs_is_seen_to_hang(writer: Writer, place: Database) -> None:
    """All letters wait behind it: taken for a thread that died, it would have the gateway restarted for nothing."""
    free = threading.Event()
    waits = writer.put(Upkeep(lambda connection: free.wait(10)))
    await asyncio.sleep(0.1)
    assert 0.05 < place.under_way.longest < 5.0
    free.set()
    await waits
    assert place.under_way.longest == 0.0


async def test_a_burial_that_fails_does_not_end_the_writer(
    writer: Writer, place: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk takes nothing, nothing can be buried; afterwards the writer goes on."""

    def cannot(connection: Connection) -> None:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(place, "bury", cannot)
        with pytest.raises(StoreUnavailable):
            await writer.ask(fail(sqlite3.OperationalError("disk I/O error")))
    assert await writer.ask(keep(1)) == 1


async def test_what_is_buried_is_written_each_time(writer: Writer, place: Database, tmp_path: Path) -> None:
    """SQLite leaves out pages that did not change; the frames of the failed commit would stay."""
    wal = tmp_path / "mssgw.db-wal"
    bury: Callable[[Connection], None] = place.bury
    for _ in range(3):
        before = wal.stat().st_size
        await writer.ask(Upkeep(bury))
        assert wal.stat().st_size > before


@pytest.mark.parametrize("buried", [True, False])
async def test_a_commit_that_failed_is_in_doubt_until_it_is_buried(
    writer: Writer, place: Database, monkeypatch: pytest.MonkeyPatch, buried: bool
) -> None:
    """Who recovers the database after a crash may read it; what failed before COMMIT is gone for certain."""

    def cannot(connection: Connection) -> None:
        raise OSError

    def no_commit(connection: Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    if not buried:
        monkeypatch.setattr(place, "bury", cannot)
    with pytest.raises(StoreUnavailable) as told:
        await writer.ask(fail(sqlite3.OperationalError("disk I/O error")))
    assert not isinstance(told.value, CommitInDoubt)
    event.listen(writer._engine, "commit", no_commit, once=True)
    with pytest.raises(StoreUnavailable) as told:
        await writer.ask(keep(1))
    assert isinstance(told.value, CommitInDoubt) is not buried
