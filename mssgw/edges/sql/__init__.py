"""Store and Desk over SQLAlchemy Core: SQLite by default, PostgreSQL for several nodes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from mssgw.edges.clock import SystemClock
from mssgw.edges.sql.desk import SqlDesk
from mssgw.edges.sql.dialects import Database, database
from mssgw.edges.sql.migrations import migrate
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.store import SqlStore
from mssgw.edges.sql.tables import store_secret
from mssgw.edges.vault import Vault
from mssgw.ports import Clock

__all__ = ["Opened", "SqlDesk", "SqlStore", "migrate", "open_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open store and its desk: one writer thread and one reader thread."""

    store: SqlStore
    desk: SqlDesk


@asynccontextmanager
async def open_store(
    url: str,
    master_key: bytes,
    *,
    clock: Clock | None = None,
    upgrade: bool = True,
    damaged: Callable[[str], None] = lambda spool_id: None,
) -> AsyncIterator[Opened]:
    """The store at ``url``, made or migrated first unless ``upgrade`` is false.

    ``url``: ``sqlite:////absolute/path`` or ``postgresql+psycopg://user@host/database``. ``damaged`` hears the
    queue id of each letter that is set aside because its rows cannot be read.
    Raises ValueError for a URL or key that cannot be, Undecryptable when the master key is not the store's,
    StoreUnavailable when the database does not open. On leaving, what was asked is finished first.
    """
    place, vault = database(url), Vault(master_key)
    if upgrade:
        await asyncio.to_thread(migrate, url)
    await asyncio.to_thread(_open_keys, place, vault)
    session = Session(place, vault)
    try:
        yield Opened(store=SqlStore(session, damaged), desk=SqlDesk(session, clock or SystemClock()))
    finally:
        await session.close()


def _open_keys(place: Database, vault: Vault) -> None:
    """Take the store's secret, or make it at the first start."""
    engine = place.engine(writing=True)
    try:
        with engine.connect() as connection, connection.begin():
            wrapped = connection.execute(select(store_secret.c.wrapped)).scalar()
            if wrapped is not None:
                vault.open_secret(wrapped)
                return
            made = vault.new_secret()
            new = place.insert(store_secret).values(id=1, key_id=vault.key_id, wrapped=made)
            if connection.execute(new.on_conflict_do_nothing()).rowcount == 0:  # another node was faster
                vault.open_secret(connection.execute(select(store_secret.c.wrapped)).scalar_one())
    except SQLAlchemyError as error:
        raise place.failure(error) from None
