"""The store's part for exchanges that close by themselves (FIN-4)."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from mssgw.core.addresses import Address
from mssgw.core.closing import Silence
from mssgw.core.conversation import State
from mssgw.core.errors import GatewayError
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.codec import micros
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import conversations, letters
from mssgw.edges.sql.units import Unit

_AT_ONCE = 500  # exchanges that one transaction closes, so that letters get in between


class Closing(StorePart):
    """Says in SQL what core.closing.is_silent says of one exchange."""

    async def close_silent(self, silences: Sequence[Silence], *, now: datetime) -> int:
        if not silences or not await self.leads():
            return 0
        return sum([await self._close_all(silence, now) for silence in silences])

    async def _close_all(self, silence: Silence, now: datetime) -> int:
        is_silent = _is_silent(self._records.address(silence.bal), micros(silence.before))
        wanted = select(conversations.c.pair).where(is_silent)
        found: list[bytes] = await self._session.surveyor.ask(
            lambda connection: sorted(connection.execute(wanted).scalars())
        )
        closed = 0
        for start in range(0, len(found), _AT_ONCE):
            some = and_(conversations.c.pair.in_(found[start : start + _AT_ONCE]), is_silent)
            closed += await self._session.write(Unit(work=partial(self._close, some=some, silence=silence, now=now)))
        return closed

    def _close(self, connection: Connection, *, some: ColumnElement[bool], silence: Silence, now: datetime) -> int:
        """Those among them that are silent still."""
        # Another node may be about to keep a professional's letter on one of these pairs, under a lock on its row: wait
        # for that, so that the look at the letters below sees it. SQLite has no other writer now.
        connection.execute(
            select(conversations.c.pair).where(some).order_by(conversations.c.pair).with_for_update()
        ).all()
        rows = connection.execute(
            update(conversations)
            .where(some)
            .values(state=State.CLOSED.value, since=micros(now))
            .returning(conversations.c.patient, conversations.c.pair, conversations.c.sealed_patient)
        ).all()
        statements = self._session.statements
        statements.close_letters.run(connection, sorted((row.patient, row.pair) for row in rows))  # req: SD-3
        statements.journal.run(connection, [self._line(row, silence, now) for row in rows])
        return len(rows)

    def _line(self, row: Any, silence: Silence, now: datetime) -> Any:
        patient: Address | None = None
        with contextlib.suppress(GatewayError, ValueError):  # damaged: it closes all the same, once
            patient = self._records.unsealed_address(row.sealed_patient)
        event = JournalEvent.CONVERSATION
        entry = Entry(at=now, event=event, sender=silence.bal, recipient=patient, detail=silence.detail)
        return self._records.entry(entry)


def _is_silent(bal: bytes, before: int) -> ColumnElement[bool]:
    spoken = select(letters.c.id).where(
        letters.c.patient == conversations.c.patient,
        letters.c.pair == conversations.c.pair,
        letters.c.seen_at >= before,
    )
    return and_(
        conversations.c.bal == bal,
        conversations.c.state == State.OPEN.value,
        conversations.c.since < before,
        ~spoken.exists(),
    )
