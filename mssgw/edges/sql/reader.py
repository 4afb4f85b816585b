"""The thread that reads: one snapshot answers all that was asked before it was taken."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine

from mssgw.core.errors import StoreDamaged, StoreUnavailable
from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.worker import Job, Worker
from mssgw.ports import Meter, Question


class Reader(Worker):
    """Answers from one snapshot a batch, taken after the last of its jobs was asked."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        know: Callable[[Connection, Sequence[Any]], Any],
        name: str = "reader",
        meter: Meter | None = None,
    ) -> None:
        """``meter``: hears whether letters can be answered; None where no letter waits."""
        self._know, self._meter = know, meter
        super().__init__(name, engine, database)

    def is_awaited(self) -> bool:
        return self._meter is not None

    def perform(self, connection: Connection, jobs: Sequence[Job]) -> None:
        try:
            self._answer(connection, jobs)
            self._tell("kept")
        except self.database.errors as error:
            if not isinstance(self.database.failure(error), StoreDamaged):
                raise
            for job in jobs:  # only the one that asks for the damaged page shall hear of it
                self._alone(job)

    def fail(self, jobs: Sequence[Job], error: Exception) -> None:
        super().fail(jobs, error)
        if any(isinstance(job.error, StoreUnavailable) and not isinstance(job.error, StoreDamaged) for job in jobs):
            self._tell("failed")

    def _tell(self, kind: str) -> None:
        if self._meter is not None:
            self._meter.count("read", kind)

    def _alone(self, job: Job) -> None:
        job.result = job.error = None
        try:
            self._answer(self.connected(), [job])
            self._tell("kept")
        except Exception as error:
            self.fail([job], error)

    def _answer(self, connection: Connection, jobs: Sequence[Job]) -> None:
        with self._snapshot(connection, jobs):
            asked = [job for job in jobs if isinstance(job.what, Question)]
            if asked:
                answers = self._know(connection, [job.what for job in asked])
                for job, answer in zip(asked, answers, strict=True):
                    job.result = answer
            for job in jobs:
                if not isinstance(job.what, Question):
                    self._read(connection, job)

    def _snapshot(self, connection: Connection, jobs: Sequence[Job]) -> AbstractContextManager[Any]:
        """Around all statements that answer these jobs; where they are one, and the database allows, none."""
        one = all(isinstance(job.what, Question) and job.what.is_about_pairs_alone for job in jobs)
        return nullcontext() if one and self.database.reads_in_autocommit else connection.begin()

    def _read(self, connection: Connection, job: Job) -> None:
        try:
            job.result = job.what(connection)
        except self.database.errors:
            raise
        except Exception as error:
            job.error = error
