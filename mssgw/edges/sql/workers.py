"""The two threads of a store: one writes, one reads. The event loop never waits for the disk.

The writer commits whatever queued up during the last commit (group commit, no timer): under load a hundred letters
share one fsync, an idle store commits one at once.
"""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.metering import UNMETERED
from mssgw.edges.sql.dialects import Database, StoreDamaged
from mssgw.edges.sql.units import Apart, Batch, Unit, Upkeep, Work
from mssgw.ports import Meter, Question

_WAKE_EVERY = 0.2  # seconds
_TRIES = 8  # of a transaction that meets another node's
MOST_AT_ONCE = 256  # units in one transaction: bounds how long one commit holds the write lock


@dataclass(slots=True)
class _Job:
    what: Any
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = field(default=None, repr=False)


class Worker(ABC):
    """A thread with a connection of its own. ``perform`` answers a batch of jobs, each with a result or an error."""

    def __init__(self, name: str, engine: Engine, database: Database) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._engine = engine
        self._database = database
        self._connection: Connection | None = None
        self._closed = False
        self._doubtful = False  # an error that was answered already may have broken the connection
        self._thread = Thread(target=self._run, name=f"mssgw-{name}", daemon=True)
        self._thread.start()

    async def ask(self, what: Any) -> Any:
        """Queue a job and wait for its outcome. Raises what the job raised, or StoreUnavailable."""
        return await self.put(what)

    def put(self, what: Any) -> asyncio.Future[Any]:
        """Queue a job; the future is its outcome. Raises StoreUnavailable when the store is closed."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        job = _Job(what, self._loop.create_future())
        self._jobs.put(job)
        return job.future

    async def close(self) -> None:
        """Finish what is queued, then end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    @abstractmethod
    def perform(self, connection: Connection, jobs: Sequence[_Job]) -> None:
        """Give each job its result or its error."""

    def _run(self) -> None:
        ending = False
        while not ending:
            jobs, ending = self._next_batch()
            if jobs:
                try:
                    self.perform(self._connected(), jobs)
                except Exception as error:
                    self._fail(jobs, error)
                if self._doubtful:
                    self._forsake()
                self._loop.call_soon_threadsafe(_resolve, jobs)
        self._disconnect()

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take all that came meanwhile."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        try:
            while job is not None:
                jobs.append(job)
                if len(jobs) == MOST_AT_ONCE:
                    return jobs, False
                job = self._jobs.get_nowait()
        except Empty:
            return jobs, False
        return jobs, True

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fail(self, jobs: Sequence[_Job], error: Exception) -> None:
        """Nothing of these was kept. Connect anew: after a failed fsync this connection is not to be trusted."""
        broken = isinstance(error, (*self._database.errors, OSError))
        for job in jobs:  # each its own exception: many tasks raise them at once
            job.result, job.error = None, self._database.failure(error) if broken else error
        self._forsake()
        if broken:
            self._bury()

    def _forsake(self) -> None:
        self._doubtful = False
        with contextlib.suppress(Exception):  # it had failed already
            self._disconnect()

    def _bury(self) -> None:  # noqa: B027 - a reader has nothing to bury
        """See to it that nothing of what failed comes back."""


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():  # whoever asked was cancelled; what was committed stays committed
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


class Writer(Worker):
    """Commits units. ``admit`` runs first in every transaction and raises to stop all of it."""

    def __init__(
        self, engine: Engine, database: Database, admit: Callable[[Connection], None], meter: Meter = UNMETERED
    ) -> None:
        self._admit, self._meter = admit, meter
        self._woke = float("-inf")
        super().__init__("writer", engine, database)

    def perform(self, connection: Connection, jobs: Sequence[_Job]) -> None:
        units = [job for job in jobs if isinstance(job.what, Unit)]
        started = time.monotonic()
        try:
            self._again_if_conflicted(lambda: self._commit(connection, units))
        except Apart:
            for position, job in enumerate(units):
                try:
                    self._alone(connection, job)
                except self._database.errors as error:  # those before it are committed, those after it cannot be
                    upkeep = [job for job in jobs if isinstance(job.what, Upkeep)]
                    self._fail([*units[position:], *upkeep], error)
                    return
        if any(job.what.wakes and job.error is None for job in units):
            self._wake(connection)
        if units:
            self._meter.observe("commit.seconds", time.monotonic() - started)
            self._meter.observe("commit.units", len(units))
            self._meter.count("commit", "kept")
        for job in jobs:
            if isinstance(job.what, Upkeep):
                self._outside(connection, job)

    def _wake(self, connection: Connection) -> None:
        """Once for all that was committed together, and not too often: whoever does not hear of it polls."""
        now = time.monotonic()
        if now < self._woke + _WAKE_EVERY:
            return
        self._woke = now
        try:
            self._database.wake(connection)
        except self._database.errors:
            self._doubtful = True  # what was committed stays committed

    def _bury(self) -> None:
        """A commit whose fsync failed is in the page cache: who recovers the database after a crash would read it.

        Its sender was told 451, and sends the letter again. So another commit takes its place before anybody is told,
        durable or not; while the disk takes no writes at all there is nothing to bury, or nothing to be done.
        """
        if not self._database.may_resurrect:
            return
        try:
            self._database.bury(self._connected())
        except Exception:  # the thread must go on, whatever it is
            with contextlib.suppress(Exception):
                self._disconnect()

    def _again_if_conflicted(self, transaction: Callable[[], None]) -> None:
        for _ in range(_TRIES - 1):
            try:
                return transaction()
            except self._database.errors as error:
                if not self._database.conflicted(error):
                    raise
        return transaction()

    def _fail(self, jobs: Sequence[_Job], error: Exception) -> None:
        self._meter.count("commit", "failed")
        super()._fail(jobs, error)

    def _outside(self, connection: Connection, job: _Job) -> None:
        """Units of the same batch are committed: whatever happens here is not theirs."""
        try:
            job.result = job.what.work(connection)
        except self._database.errors as error:
            job.error = self._database.failure(error)
            self._doubtful = True
        except Exception as error:
            job.error = error

    def _commit(self, connection: Connection, jobs: Sequence[_Job]) -> None:
        if not jobs:
            return
        with connection.begin():
            self._admit(connection)
            batch = Batch(self._database.integrity_errors)
            for job in jobs:
                for step in job.what.steps:
                    batch.add(step)
                if job.what.work is not None:
                    batch.flush(connection)
                    job.result = self._work(connection, job.what.work)
            batch.flush(connection)

    def _work(self, connection: Connection, work: Work[Any]) -> Any:
        try:
            return work(connection)
        except self._database.integrity_errors:
            raise Apart from None
        except self._database.errors:
            raise
        except StoreUnavailable:
            raise
        except Exception:
            raise Apart from None

    def _alone(self, connection: Connection, job: _Job) -> None:
        """One unit in its own transaction. A refusal is its own; a failing disk goes up and fails the rest too."""
        job.result = None
        try:
            self._again_if_conflicted(lambda: self._commit_alone(connection, job))
        except self._database.integrity_errors as error:
            job.error = self._database.failure(error)
        except self._database.errors:
            raise
        except Exception as error:
            job.error = error

    def _commit_alone(self, connection: Connection, job: _Job) -> None:
        with connection.begin():
            self._admit(connection)
            for step in job.what.steps:
                if step.rows.run(connection, [step.row]) != 1 and step.otherwise is not None:
                    raise step.otherwise
            if job.what.work is not None:
                job.result = job.what.work(connection)


class Reader(Worker):
    """Answers from one snapshot a batch, taken after the last of its jobs was asked."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        know: Callable[[Connection, Sequence[Any]], Any],
        name: str = "reader",
    ) -> None:
        super().__init__(name, engine, database)
        self._know = know

    def perform(self, connection: Connection, jobs: Sequence[_Job]) -> None:
        try:
            self._answer(connection, jobs)
        except self._database.errors as error:
            if not isinstance(self._database.failure(error), StoreDamaged):
                raise
            for job in jobs:  # only the one that asks for the damaged page shall hear of it
                self._alone(job)

    def _alone(self, job: _Job) -> None:
        job.result = job.error = None
        try:
            self._answer(self._connected(), [job])
        except Exception as error:
            self._fail([job], error)

    def _answer(self, connection: Connection, jobs: Sequence[_Job]) -> None:
        with connection.begin():
            asked = [job for job in jobs if isinstance(job.what, Question)]
            if asked:
                answers = self._know(connection, [job.what for job in asked])
                for job, answer in zip(asked, answers, strict=True):
                    job.result = answer
            for job in jobs:
                if not isinstance(job.what, Question):
                    self._read(connection, job)

    def _read(self, connection: Connection, job: _Job) -> None:
        try:
            job.result = job.what(connection)
        except self._database.errors:
            raise
        except Exception as error:
            job.error = error
