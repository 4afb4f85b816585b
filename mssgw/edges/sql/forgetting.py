"""The store's part for what has been kept long enough: letters, journal, closed exchanges and the like (TRC-2)."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from mssgw.edges.codec import micros
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import collected, conversations, journal, letters, strikes, unopened
from mssgw.edges.sql.units import Unit

_AT_ONCE = 500  # rows that one transaction forgets, so that letters get in between
_SPAN = 100_000  # letters that one statement looks at


class Forgetting(StorePart):
    """Some at a time, by the one process that sweeps."""

    async def forget(self, *, before: datetime) -> int:
        if not await self.leads():
            return 0
        limit = micros(before)
        closed = and_(conversations.c.state == "closed", conversations.c.since < limit)
        old: list[tuple[Any, Any]] = [
            (journal.c.id, journal.c.at < limit),
            (conversations.c.pair, closed),  # an open pair never expires (SD-9)
        ]
        forgotten = await self._forget_letters(limit)
        for key, condition in old:
            while gone := await self._delete_some(key, condition):
                forgotten += gone
        while await self._delete_some(strikes.c.message_id, strikes.c.at < limit):
            pass
        await self._forget_collected(limit)
        while await self._delete_some(unopened.c.spool_id, unopened.c.delivered_at < limit):
            pass
        return forgotten

    async def _forget_letters(self, before: int) -> int:
        """An index by time would cost every letter more than this look at all of them, once a day, costs a reader.

        Some at a time: of a year of a region's letters no statement would come to an end in the time that it has.
        """
        ends = select(*(select(end(letters.c.id)).scalar_subquery() for end in (func.min, func.max)))
        first, last = await self._session.surveyor.ask(lambda connection: connection.execute(ends).one())
        gone = 0
        for start in range(first or 0, (last or -1) + 1, _SPAN):
            of = letters.c.id
            old = select(of).where(of >= start, of < start + _SPAN, letters.c.seen_at < before)
            ids: list[int] = await self._session.surveyor.ask(partial(_scalars, statement=old))
            for some in range(0, len(ids), _AT_ONCE):
                these = delete(letters).where(of.in_(ids[some : some + _AT_ONCE]))
                await self._delete(these)
            gone += len(ids)
        return gone

    async def _forget_collected(self, before: int) -> None:
        """What has not been seen in its folder since."""
        old = collected.c.seen_at < before
        some = select(collected.c.content).where(old).limit(_AT_ONCE)
        while await self._delete(delete(collected).where(old, collected.c.content.in_(some))):
            pass

    async def _delete_some(self, key: Any, condition: Any) -> int:
        return await self._delete(delete(key.table).where(key.in_(select(key).where(condition).limit(_AT_ONCE))))

    async def _delete(self, statement: Any) -> int:
        """How many rows went."""
        gone: int = await self._session.write(Unit(work=lambda connection: connection.execute(statement).rowcount))
        return gone


def _scalars(connection: Connection, *, statement: Any) -> list[Any]:
    return list(connection.execute(statement).scalars())
