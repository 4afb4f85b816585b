"""Store and Desk over SQLAlchemy Core: SQLite by default, PostgreSQL for several nodes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, literal, select, union_all
from sqlalchemy.exc import SQLAlchemyError

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import SteadyClock, machine_clock
from mssgw.edges.metering import UNMETERED
from mssgw.edges.sql.desk import SqlDesk
from mssgw.edges.sql.dialects import Database, database
from mssgw.edges.sql.directory import SqlDirectory
from mssgw.edges.sql.migrations import migrate
from mssgw.edges.sql.patients import SqlPatients
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.store import SqlStore
from mssgw.edges.sql.tables import conversations, journal, messages, store_secret
from mssgw.edges.sql.vitals import SqlVitals
from mssgw.edges.vault import Vault
from mssgw.ports import Clock, Meter

if TYPE_CHECKING:
    from mssgw.edges.sql.presence import Presence

__all__ = ["Opened", "SqlDesk", "SqlDirectory", "SqlPatients", "SqlStore", "SqlVitals", "migrate", "open_store"]

# Tables that the secret seals or looks up; what else was done is journalled.
_SEALED = (messages, journal, conversations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open store with all that goes with it: one writer thread and one reader thread, and one that counts.

    ``clock``: what leases go by; all nodes of one PostgreSQL follow its time. ``presence``: where nodes meet, or None.
    """

    store: SqlStore
    desk: SqlDesk
    directory: SqlDirectory
    patients: SqlPatients
    vitals: SqlVitals
    database: Database
    clock: SteadyClock
    presence: "Presence | None"

    def on_work(self, heard: Callable[[], None]) -> None:
        """Call back when another node leaves work that nobody holds. Polling finds it too, a moment later."""
        if self.presence is not None:
            self.presence.on_work(heard)

    def on_name_taken(self, lost: Callable[[], None]) -> None:
        """Call back when another node took our name while the database did not hear of us: we should end."""
        if self.presence is not None:
            self.presence.on_name_taken(lost)


@asynccontextmanager
async def open_store(
    url: str,
    master_key: bytes,
    *,
    clock: Clock | None = None,
    upgrade: bool = True,
    node: str | None = None,
    alone: bool = False,
    damaged: Callable[[str], None] = lambda spool_id: None,
    meter: Meter = UNMETERED,
    password: Callable[[], str | None] = lambda: None,
) -> AsyncIterator[Opened]:
    """The store at ``url``, made or migrated first unless ``upgrade`` is false.

    ``url``: ``sqlite:////absolute/path`` or ``postgresql+psycopg://user@host/database``. ``node``: the name of the
    gateway that opens it, which no other may have; None for a command. ``alone``: nobody else may have it open.
    ``password``: asked at each connect, it may change; None: the URL's.
    ``damaged`` hears the queue id of each letter that is set aside because its rows cannot be read.
    Raises ValueError for a URL or key that cannot be, Undecryptable when the master key is not the store's,
    NameTaken, StoreBusy, StoreUnavailable when the database does not open. On leaving, what was asked is finished.
    """
    place, vault = database(url), Vault(master_key)
    place.password = password
    async with _presence(place, node, alone) as presence:
        if upgrade:
            await asyncio.to_thread(migrate, url)
        steady = await asyncio.to_thread(_open_keys, place, vault)
        session = Session(place, vault, steady, meter)
        try:
            yield Opened(
                store=SqlStore(session, damaged),
                desk=SqlDesk(session, clock or steady),
                directory=SqlDirectory(session),
                patients=SqlPatients(session),
                vitals=SqlVitals(session),
                database=place,
                clock=steady,
                presence=presence,
            )
        finally:
            await session.close()


@asynccontextmanager
async def _presence(place: Database, node: str | None, alone: bool) -> AsyncIterator["Presence | None"]:
    if not place.keeps_bodies:  # one machine: the state directory's lock says who is here
        yield None
        return
    from mssgw.edges.sql.presence import Presence  # an extra: psycopg may be missing

    presence = Presence(place, node=node, alone=alone)  # type: ignore[arg-type]
    await presence.enter()
    try:
        yield presence
    finally:
        await presence.leave()


def _open_keys(place: Database, vault: Vault) -> SteadyClock:
    """Take the store's secret, or make it at the first start; and the time."""
    engine = place.engine(writing=True)
    try:
        with engine.connect() as connection, connection.begin():
            wrapped = connection.execute(select(store_secret.c.wrapped)).scalar()
            if wrapped is not None:
                vault.open_secret(wrapped)
            else:
                _refuse_another_secret(connection)
                made = vault.new_secret()
                new = place.insert(store_secret).values(id=1, key_id=vault.key_id, wrapped=made)
                connection.execute(new.on_conflict_do_nothing())
                # What is kept counts: another node may have been faster, and not every driver tells that by a rowcount.
                vault.open_secret(connection.execute(select(store_secret.c.wrapped)).scalar_one())
            if place.present:
                return SteadyClock(connection.execute(select(*place.present)).scalar_one())
            return machine_clock()
    except SQLAlchemyError as error:
        raise place.failure(error) from None


def _refuse_another_secret(connection: Connection) -> None:
    """Raises StoreUnavailable when the secret is gone, with a damaged page, from a store that was in use.

    A new one opens nothing that the old one sealed: every letter would be set aside, every exchange forgotten.
    """
    used = union_all(*(select(literal(1)).select_from(table).limit(1).subquery().select() for table in _SEALED))
    if connection.execute(used).first() is not None:
        cure = "give that row back from a backup under this master key (the administrator's guide, Base abîmée)"
        raise StoreUnavailable(f"the database has lost its secret (table store_secret): {cure}")
