"""The store's part for collectors (ports.CollectedLetters)."""

from collections.abc import Collection, Set
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, select, update

from mssgw.edges.codec import micros
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import collected
from mssgw.edges.sql.units import Unit
from mssgw.ports.collecting import Collected

_AT_ONCE = 500  # numbers in one IN list
_AGAIN = timedelta(hours=12)  # what is seen again so long after is remembered anew


class SqlCollecting(StorePart):
    """Letters themselves come by Store.accept()."""

    async def already_collected(
        self, place: str, uid_validity: int, uids: Collection[int], *, now: datetime
    ) -> Set[int]:
        where = self._records.place(place)
        folder = and_(collected.c.place == where, collected.c.uid_validity == uid_validity)
        wanted, found, fading = sorted(uids), set[int](), micros(now - _AGAIN)
        for start in range(0, len(wanted), _AT_ONCE):
            those = and_(folder, collected.c.uid.in_(wanted[start : start + _AT_ONCE]))
            rows = await self._session.reader.ask(_rows(select(collected.c.uid, collected.c.seen_at).where(those)))
            found |= {row.uid for row in rows}
            if any(row.seen_at < fading for row in rows):
                await self._do(update(collected).where(those).values(seen_at=micros(now)))
        return found

    async def alike_collected(self, message: Collected) -> bool:
        records = self._records
        id_ = records.message_id(message.message_id) if message.message_id else None
        alike = and_(collected.c.content == records.content(message), collected.c.message_id.is_not_distinct_from(id_))
        rows = await self._session.reader.ask(_rows(select(collected.c.uid).where(alike).limit(1)))
        return bool(rows)

    async def recognise(self, message: Collected, *, now: datetime) -> None:
        row, statement = self._records.collected(message, micros(now)), self._session.statements.collected
        await self._session.write(Unit(work=lambda connection: statement.run(connection, [row])))

    async def _do(self, statement: Any) -> int:
        touched: int = await self._session.write(Unit(work=lambda connection: connection.execute(statement).rowcount))
        return touched


def _rows(statement: Any) -> Any:
    return lambda connection: connection.execute(statement).all()
