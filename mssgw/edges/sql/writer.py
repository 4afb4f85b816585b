"""The thread that writes: it commits whatever queued up during the last commit.

Group commit, no timer: under load a hundred letters share one fsync, an idle store commits one at once.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from mssgw.core.errors import CommitInDoubt, StoreFull, StoreUnavailable
from mssgw.edges.metering import UNMETERED
from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.units import Apart, Batch, Unit, Upkeep, Work
from mssgw.edges.sql.worker import Job, Worker
from mssgw.ports import Meter

_WAKE_EVERY = 0.2  # seconds
_MOST_LOCKED = 5  # units of a batch that may wait for a lock each: then it is no row, but a table
_HURRY = 60.0  # seconds in which a lock that was waited for in vain is taken to be there still
_TRIES = 8  # of a transaction that meets another node's

NO_STANDBY = "no standby confirms a COMMIT: see synchronous_standby_names"


class Unconfirmed(StoreUnavailable):
    """Commits are in doubt since one was: nothing was kept."""


class Writer(Worker):
    """Commits units. ``admit`` runs first in every transaction and raises to stop all of it.

    After a commit in doubt nothing is kept until one is confirmed: who hears that a letter may not have been kept sends
    it again, and each attempt would leave a copy more, all to be delivered when the standby is back.
    """

    def __init__(
        self, engine: Engine, database: Database, admit: Callable[[Connection], None], meter: Meter = UNMETERED
    ) -> None:
        self._admit, self._meter = admit, meter
        self._woke = float("-inf")
        self._hurried = float("-inf")
        self._in_doubt = False  # COMMIT was sent, and no answer has come
        self._unconfirmed = False  # the last COMMIT was in doubt
        super().__init__("writer", engine, database)

    def is_awaited(self) -> bool:
        """For all of it: what is put meanwhile waits behind upkeep, too."""
        return True

    def perform(self, connection: Connection, jobs: Sequence[Job]) -> None:
        units = [job for job in jobs if isinstance(job.what, Unit)]
        started = time.monotonic()
        if units:
            self.database.is_in_place()
        try:
            self._again_if_conflicted(lambda: self._commit(connection, units))
        except Apart:
            locked = 0
            ends_all: tuple[type[Exception], ...] = (*self.database.errors, Unconfirmed)
            for position, job in enumerate(units):
                try:
                    locked += self._alone(connection, job, may_wait=locked < _MOST_LOCKED)
                except ends_all as error:  # those before it are committed, those after it cannot be
                    upkeep = [job for job in jobs if isinstance(job.what, Upkeep)]
                    self.fail([*units[position:], *upkeep], error)
                    return
        if any(job.what.wakes and job.error is None for job in units):
            self._wake(connection)
        if units:
            self._in_doubt = True
            self.database.is_in_place()  # or it was taken away meanwhile, and may come back
            self._in_doubt = False
            self._meter.observe("commit.seconds", time.monotonic() - started)
            self._meter.observe("commit.units", len(units))
            self._meter.count("commit", "kept")
        self.database.under_way.begin()  # upkeep takes time of its own
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
            self.database.wake(connection)
        except self.database.errors:
            self.doubtful = True  # what was committed stays committed

    def bury(self) -> None:
        """A commit whose fsync failed is in the page cache: who recovers the database after a crash would read it.

        Its sender was told 451, and sends the letter again. So another commit takes its place before anybody is told,
        durable or not; while the disk takes no writes at all there is nothing to bury, or nothing to be done.
        """
        if not self.database.may_resurrect:
            return
        try:
            self.database.bury(self.connected())
            self._in_doubt = False
        except Exception:  # the thread must go on, whatever it is
            with contextlib.suppress(Exception):
                self.disconnect()

    def _again_if_conflicted(self, transaction: Callable[[], None]) -> None:
        for _ in range(_TRIES - 1):
            try:
                return transaction()
            except self.database.errors as error:
                if not self.database.conflicted(error):
                    raise
        return transaction()

    def fail(self, jobs: Sequence[Job], error: Exception) -> None:
        self._meter.count("commit", "failed")
        super().fail(jobs, error)
        if self._in_doubt:
            self._in_doubt, self._unconfirmed = False, True
            for job in jobs:
                if isinstance(job.error, StoreUnavailable) and not isinstance(job.error, StoreFull):
                    job.error = CommitInDoubt(str(job.error))

    def _outside(self, connection: Connection, job: Job) -> None:
        """Units of the same batch are committed: whatever happens here is not theirs."""
        try:
            job.result = job.what.work(connection)
        except self.database.errors as error:
            job.error = self.database.failure(error)
            self.doubtful = True
        except Exception as error:
            job.error = error

    def _commit(self, connection: Connection, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        with self._transaction(connection):
            if time.monotonic() < self._hurried + _HURRY:
                self.database.wait_briefly(connection)
            try:
                self._perform_all(connection, jobs)
            except self.database.errors as error:
                if not self.database.waited(error):
                    raise
                self._hurried = time.monotonic()
                if len(jobs) == 1:
                    raise
                raise Apart from None  # somebody keeps a lock on what one of them needs

    def _perform_all(self, connection: Connection, jobs: Sequence[Job]) -> None:
        batch = Batch(self.database.integrity_errors)
        for job in jobs:
            for step in job.what.steps:
                batch.add(step)
            if job.what.work is not None:
                batch.flush(connection)
                job.result = self._work(connection, job.what.work)
        batch.flush(connection)

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[None]:
        self._in_doubt = False
        if self._unconfirmed:
            self.database.unconfirmed = not self.database.confirms(connection)
            if self.database.unconfirmed:
                raise Unconfirmed(NO_STANDBY)
            self._unconfirmed = False
        with connection.begin():
            self._admit(connection)
            yield
            self.database.committing(connection)
            self._in_doubt = True
        if not self.database.committed(connection):
            self._unconfirmed = True
            raise CommitInDoubt("it is committed, but perhaps on no standby: a failover may lose it")
        self._in_doubt = False

    def _work(self, connection: Connection, work: Work[Any]) -> Any:
        try:
            return work(connection)
        except self.database.integrity_errors:
            raise Apart from None
        except self.database.errors:
            raise
        except StoreUnavailable:
            raise
        except Exception:
            raise Apart from None

    def _alone(self, connection: Connection, job: Job, *, may_wait: bool) -> bool:
        """One unit in its own transaction. A refusal is its own; a failing disk goes up and fails the rest too.

        So does a lock that it waits for, unless it ``may_wait``. Returns whether that was its trouble.
        """
        job.result = None
        try:
            self._again_if_conflicted(lambda: self._commit_alone(connection, job))
        except self.database.integrity_errors as error:
            job.error = self.database.failure(error)
        except self.database.errors as error:
            if not (may_wait and self.database.waited(error)):
                raise
            job.error = self.database.failure(error)
            return True
        except Unconfirmed:
            raise
        except Exception as error:
            job.error = error
        return False

    def _commit_alone(self, connection: Connection, job: Job) -> None:
        with self._transaction(connection):
            self.database.wait_briefly(connection)
            for step in job.what.steps:
                if step.rows.run(connection, [step.row]) != 1 and step.otherwise is not None:
                    raise step.otherwise
            if job.what.work is not None:
                job.result = job.what.work(connection)
