"""The Vitals port over SQL: is the store alive, does it keep what it is given, how much waits in it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from mssgw.edges.codec import micros
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.tables import deliveries, store_secret, unopened
from mssgw.edges.sql.units import Unit, Upkeep
from mssgw.edges.sql.waiting import FINAL, HELD
from mssgw.ports import Census

_SECOND = 1_000_000  # in microseconds


class SqlVitals:
    """See ports.Vitals. Made by ``open_store``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        #: What a probe asks besides: whether bodies are taken and given, where they rest.
        self.probe_bodies: Callable[[], Awaitable[None]] | None = None

    @property
    def stalled_for(self) -> float:
        return self._session.database.under_way.longest

    async def answers(self) -> None:
        await self._session.writer.ask(Upkeep(lambda _: None))

    async def probe(self) -> None:
        # A row that is set to what it is: nothing changes, but a page is written and synced like any other.
        same = update(store_secret).values(key_id=store_secret.c.key_id)
        await self._session.write(Unit(work=lambda connection: connection.execute(same).rowcount))
        await self._session.reader.ask(lambda connection: connection.execute(select(store_secret.c.id)).scalar())
        if self.probe_bodies is not None:
            await self.probe_bodies()

    async def census(self, *, now: datetime, ages: Sequence[float]) -> Census:
        statement = _count(micros(now), ages)

        def read(connection: Connection) -> Census:
            row = connection.execute(statement).one()
            count = row.open
            return Census(
                waiting=count - row.held - row.sending,
                sending=row.sending,
                held=row.held,
                younger=tuple(row[3 : 3 + len(ages)]),
                oldest=max(0.0, (micros(now) - row.first) / _SECOND) if count else 0.0,
                total_age=max(0.0, float(row.behind) / _SECOND) if count else 0.0,
            )

        census: Census = await self._session.surveyor.ask(read)
        return census

    async def receipts_waiting(self) -> int:
        count = select(func.count()).select_from(unopened)
        waiting: int = await self._session.surveyor.ask(lambda connection: connection.execute(count).scalar_one())
        return waiting


def _count(now: int, ages: Sequence[float]) -> Any:
    """All in one pass over the deliveries that are not final."""
    created = deliveries.c.created_at

    def those(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    return select(
        func.count().label("open"),
        those(deliveries.c.state == HELD).label("held"),
        those((deliveries.c.state != HELD) & (deliveries.c.lease_until > now)).label("sending"),
        *(those(created >= now - int(age * _SECOND)) for age in ages),
        func.min(created).label("first"),
        func.sum(now - created).label("behind"),
    ).where(deliveries.c.state.not_in(FINAL))
