"""A thread of a store, with what it is asked: the event loop never waits for the disk."""

import asyncio
import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.scheduling import do_not_preempt
from mssgw.edges.sql.dialects import Database

MOST_AT_ONCE = 256  # units in one transaction: bounds how long one commit holds the write lock


@dataclass(slots=True)
class Job:
    """What is asked, and what came of it: a result or an error."""

    what: Any
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = field(default=None, repr=False)


class Worker(ABC):
    """A thread with a connection of its own. ``perform`` answers a batch of jobs, each with a result or an error."""

    def __init__(self, name: str, engine: Engine, database: Database) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._engine = engine
        self.database = database
        self._connection: Connection | None = None
        self._closed = False
        self.doubtful = False  # an error that was answered already may have broken the connection
        self._thread = Thread(target=self._run, name=f"mssgw-{name}", daemon=True)
        self._thread.start()

    async def ask(self, what: Any) -> Any:
        """Queue a job and wait for its outcome. Raises what the job raised, or StoreUnavailable."""
        return await self.put(what)

    def put(self, what: Any) -> asyncio.Future[Any]:
        """Queue a job; the future is its outcome. Raises StoreUnavailable when the store is closed."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        job = Job(what, self._loop.create_future())
        self._jobs.put(job)
        return job.future

    async def close(self) -> None:
        """Finish what is queued, then end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    @abstractmethod
    def perform(self, connection: Connection, jobs: Sequence[Job]) -> None:
        """Give each job its result or its error."""

    def is_awaited(self) -> bool:
        """Whether letters wait for what it does."""
        return False

    def _run(self) -> None:
        do_not_preempt()
        ending = False
        while not ending:
            jobs, ending = self._next_batch()
            if jobs:
                if self.is_awaited():
                    self.database.under_way.begin()
                try:
                    self.perform(self.connected(), jobs)
                except Exception as error:
                    self.fail(jobs, error)
                self.database.under_way.end()
                if self.doubtful:
                    self.forsake()
                self._loop.call_soon_threadsafe(_resolve, jobs)
        self.disconnect()

    def _next_batch(self) -> tuple[list[Job], bool]:
        """Wait for a job, then take all that came meanwhile."""
        jobs: list[Job] = []
        while (job := self._jobs.get()) is not None:  # it blocks for the first only: nobody else takes any
            jobs.append(job)
            if len(jobs) == MOST_AT_ONCE or self._jobs.empty():
                return jobs, False
        return jobs, True

    def connected(self) -> Connection:
        """The connection, made when there is none."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def fail(self, jobs: Sequence[Job], error: Exception) -> None:
        """Nothing of these was kept. Connect anew: after a failed fsync this connection is not to be trusted."""
        broken = isinstance(error, (*self.database.errors, OSError))
        for job in jobs:  # each its own exception: many tasks raise them at once
            job.result, job.error = None, self.database.failure(error) if broken else _another(error)
        self.forsake()
        if broken:
            self.bury()

    def forsake(self) -> None:
        """Connect anew for the next batch."""
        self.doubtful = False
        with contextlib.suppress(Exception):  # it had failed already
            self.disconnect()

    def bury(self) -> None:  # noqa: B027 - a reader has nothing to bury
        """See to it that nothing of what failed comes back."""


def _another(error: Exception) -> Exception:
    """The same again: whoever raises an exception writes into it."""
    try:
        return copy.copy(error).with_traceback(error.__traceback__)
    except Exception:  # a class that cannot be made from its arguments: better one for all than another error
        return error


def _resolve(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.future.done():  # whoever asked was cancelled; what was committed stays committed
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
