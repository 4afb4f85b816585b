"""The store's part for what one node does for all (ports.LeaseBook)."""

from collections.abc import Collection, Set
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from mssgw.core.delivery import Lease
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import leases
from mssgw.edges.sql.units import Unit


class SqlLeases(StorePart):
    """One row a name."""

    async def take_leases(self, names: Collection[str], lease: Lease, *, node: str, now: datetime) -> Set[str]:
        def work(connection: Connection) -> set[str]:
            self._session.database.alone(connection, leases)
            held = {row.name: row for row in connection.execute(select(leases)).all()}
            mine = {name for name in names if _is_free(held.get(name), node, now)}
            for name in sorted(mine):
                given = {"token": lease.token, "until": micros(lease.until)}
                new = self._session.database.insert(leases).values(name=name, **given)
                connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=given))
            return mine

        mine: set[str] = await self._session.write(Unit(work=work))
        return mine

    async def leave_leases(self, token: str) -> None:
        mine = delete(leases).where(leases.c.token == token)
        await self._session.write(Unit(work=lambda connection: connection.execute(mine).rowcount))


def _is_free(row: Any, node: str, now: datetime) -> bool:
    """Nobody's, lapsed, or this node's: its name, and what tells its lives apart, which has no further dot."""
    return row is None or moment(row.until) <= now or row.token.rpartition(".")[0] == node
