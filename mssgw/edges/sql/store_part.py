"""Where the parts of the store begin."""

from sqlalchemy import Connection

from mssgw.edges.sql.records import Records
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.units import Upkeep


class StorePart:
    """What the parts of a store stand on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._leading_by: Connection | None = None  # a session that led is not one that leads again after another

    @property
    def _records(self) -> Records:
        return self._session.records

    async def leads(self) -> bool:
        """Whether sweeping is this process's task: one node does it for all."""
        leads: bool = await self._session.writer.ask(Upkeep(self._leading))
        return leads

    def _leading(self, connection: Connection) -> bool:
        with connection.begin():
            leads = self._session.database.leads(connection)
        self._leading_by = connection if leads else None
        return leads
