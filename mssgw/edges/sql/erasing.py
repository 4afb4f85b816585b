"""The store's part for letters that are done: deleted, then made unreadable on disk."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, delete

from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import body_segments, data_keys, deliveries, messages
from mssgw.edges.sql.units import Unit
from mssgw.edges.sql.waiting import finished

_AT_ONCE = 50  # letters: some milliseconds


class Erasing(StorePart):
    """A scrub is owed from the first deletion on until one has come to its end."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._erased: list[str] = []  # deleted, not yet told
        self._scrubbed = False
        self._led: Connection | None = None  # by which session this process led when it last looked

    async def erase_finished(self, *, now: datetime) -> Sequence[str]:
        if not await self.leads():
            return []
        if self._led is not self._leading_by:  # whoever led before may have died between deleting and scrubbing
            self._led, self._scrubbed = self._leading_by, False
        done: list[str] = await self._session.reader.ask(
            lambda connection: list(connection.execute(finished()).scalars())
        )
        for start in range(0, len(done), _AT_ONCE):
            some = done[start : start + _AT_ONCE]
            self._scrubbed = False  # before: a commit may succeed although its answer is lost
            self._erased += await self._session.write(Unit(work=partial(self._erase, ids=some, now=now)))
        if not self._scrubbed:
            self._scrubbed = await self._session.scrub()
        erased, self._erased = self._erased, []
        return erased

    def _erase(self, connection: Connection, *, ids: Sequence[str], now: datetime) -> list[str]:
        """The ids that were still there: another process may have been faster."""
        gone = delete(messages).where(messages.c.spool_id.in_(ids)).returning(messages.c.spool_id)
        with self._session.database.keyless(connection):
            there = list(connection.execute(gone).scalars())
        # Of a letter whose row went with a damaged page, too: all its deliveries are final, and stay so.
        ended = delete(deliveries).where(deliveries.c.spool_id.in_(ids)).returning(deliveries.c.spool_id)
        there = sorted({*there, *connection.execute(ended).scalars()})
        bodies = (body_segments,) if self._session.database.keeps_bodies else ()
        for table in (data_keys, *bodies):
            connection.execute(delete(table).where(table.c.spool_id.in_(there)))
        entries = [Entry(at=now, event=JournalEvent.ERASED, spool_id=spool_id) for spool_id in there]
        self._session.statements.journal.run(connection, [self._records.entry(entry) for entry in entries])
        return there
