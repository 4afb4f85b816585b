"""An open store: its threads, its keys, its statements."""

import asyncio
from typing import TypeVar

from sqlalchemy import Connection, select

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import SteadyClock
from mssgw.edges.metering import UNMETERED
from mssgw.edges.sql.accepting import Accepting
from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.knowledge import know
from mssgw.edges.sql.reader import Reader
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.statements import Statements
from mssgw.edges.sql.tables import store_secret
from mssgw.edges.sql.units import Unit, Upkeep
from mssgw.edges.sql.writer import Writer
from mssgw.edges.vault import Vault
from mssgw.ports import Meter

_SCRUB_TRIES = 100  # about twenty seconds

T = TypeVar("T")


class Session:
    """What SqlStore and SqlDesk share."""

    def __init__(
        self, database: Database, vault: Vault, clock: SteadyClock | None = None, meter: Meter = UNMETERED
    ) -> None:
        """``clock``: told the database's time at every commit."""
        self.database = database
        self._clock = clock
        self._key_id = str(select(store_secret.c.key_id, *database.present).compile(dialect=database.dialect))
        self.statements = Statements(database)
        self.use(vault)
        self.writer = Writer(database.engine(writing=True), database, self.check_key, meter)
        self.reader = self._reader("reader", meter)
        self._surveyor: Reader | None = None

    def _reader(self, name: str, meter: Meter | None = None) -> Reader:
        return Reader(
            self.database.engine(writing=False),
            self.database,
            lambda connection, asked: know(connection, self.records, asked),
            name,
            meter,
        )

    @property
    def surveyor(self) -> Reader:
        """A reader of its own for queries that look at the whole queue: no letter waits behind them."""
        self._surveyor = self._surveyor or self._reader("surveyor")
        return self._surveyor

    def use(self, vault: Vault) -> None:
        """Go on with these keys."""
        self.records = Records(vault)
        self.accepting = Accepting(self.statements, self.records, keeps_bodies=self.database.keeps_bodies)

    async def write(self, unit: Unit[T]) -> T:
        result: T = await self.writer.ask(unit)
        return result

    async def scrub(self) -> bool:
        """Make what was deleted unreadable on disk; False where that takes longer, and is owed still.

        Raises StoreUnavailable when a reader stays in the way of a database that does it at once.
        """
        for _ in range(_SCRUB_TRIES):
            if await self.writer.ask(Upkeep(self.database.scrub)):
                return True
            if not self.database.scrubs_at_once:
                return False
            await asyncio.sleep(0.1)
        raise StoreUnavailable("what was deleted is still in the WAL: some process reads an old state")

    def check_key(self, connection: Connection) -> None:
        """Stop when another process rotated the master key: what we would wrap now, nobody could unwrap."""
        cursor = connection.connection.cursor()  # the driver's own: this runs in every transaction
        cursor.execute(self._key_id)
        row = cursor.fetchone()
        if self._clock is not None and row is not None and self.database.present:
            self._clock.heed(row[1])
        if row is None or row[0] != self.records.vault.key_id:
            raise StoreUnavailable("the master key was rotated: reload to read the new key file")

    async def close(self) -> None:
        await self.writer.close()
        await self.reader.close()
        if self._surveyor is not None:
            await self._surveyor.close()
