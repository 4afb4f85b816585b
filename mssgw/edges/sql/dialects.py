"""What differs between databases: how to connect, lock and erase. Everything else is SQLAlchemy Core."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.sql.sqlite import Sqlite
from mssgw.edges.sql.under_way import UnderWay


class Database(Protocol):
    """One database as the writer and the reader see it."""

    dialect: Dialect
    #: What SQLAlchemy and the driver raise; and of these, for a row that may not be.
    errors: tuple[type[Exception], ...]
    integrity_errors: tuple[type[Exception], ...]
    #: Large bodies rest in it too, so that any node can deliver any letter.
    keeps_bodies: bool
    #: Only a reader keeps scrub() from its end, and for a moment; else it takes minutes, and who sweeps asks again.
    scrubs_at_once: bool
    #: A commit that failed may be read back when the database recovers: bury() prevents that.
    may_resurrect: bool
    #: One SELECT needs no transaction around it, and leaves none open.
    reads_in_autocommit: bool
    #: The time as this database tells it, where several machines go by it.
    present: tuple[ColumnElement[datetime], ...]
    #: What its threads are at.
    under_way: UnderWay
    #: No standby confirmed a COMMIT when last asked: nothing is kept, so nothing need be stored for it.
    unconfirmed: bool
    #: Asked at each connect, where there are passwords; None: as the URL says.
    password: Callable[[], str | None]

    def engine(self, *, writing: bool) -> Engine:
        """A transaction begun on the writing one holds the write lock from its first statement."""

    def insert(self, table: Table) -> Any:
        """An INSERT that knows ON CONFLICT."""

    def failure(self, error: BaseException) -> StoreUnavailable:
        """Our error for what the driver raised, without its text: that may hold parameters."""

    def is_in_place(self) -> None:
        """Raise StoreUnavailable when the next start would not find what is committed here."""

    def conflicted(self, error: BaseException) -> bool:
        """Whether the transaction only met another node's and may well succeed when it is tried again."""

    def waited(self, error: BaseException) -> bool:
        """Whether the transaction waited for a lock that somebody keeps: others may not need it."""

    def wait_briefly(self, connection: Connection) -> None:
        """Let this transaction wait for locks for a moment only."""

    def wait_as_needed(self, connection: Connection) -> None:
        """Let statements of this connection take as long as they need, once they have their locks."""

    def scrub(self, connection: Connection) -> bool:
        """Try to make what was deleted unreadable on disk; False while it is not: a reader of the old state is in the
        way, or it is too soon."""

    def keyless(self, connection: Connection) -> AbstractContextManager[None]:
        """Within it, deletes need overwrite nothing: what goes is sealed, and its key goes by the same transaction."""

    def committing(self, connection: Connection) -> None:
        """COMMIT comes next: see committed()."""

    def committed(self, connection: Connection) -> bool:
        """Whether the COMMIT that came back without an error did all that it should."""

    def confirms(self, connection: Connection) -> bool:
        """Whether a COMMIT would do all that it should: one of nothing is tried. In no transaction."""

    def bury(self, connection: Connection) -> None:
        """Commit something harmless in the place of a commit that failed, lest a recovery read that one back."""

    def alone(self, connection: Connection, table: Table | None = None) -> None:
        """Keep every other process from writing to the table, or to the store, until this transaction ends."""

    def leads(self, connection: Connection) -> bool:
        """Whether this process is the one that sweeps, from now on as long as this connection lives."""

    def leads_briefly(self, connection: Connection) -> bool:
        """The same until this transaction ends, for connections that do not live long."""

    def migration_lock(self) -> AbstractContextManager[None]:
        """Held by the one process that migrates."""

    def wake(self, connection: Connection) -> None:
        """Tell other nodes that work waits which nobody holds."""

    def hurry(self) -> None:
        """We leave: wait no longer than some seconds for each answer, now and from now on."""


def database(url: str) -> Database:
    """The database that a URL names. Raises ValueError for one that cannot hold a store."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the store needs a URL such as sqlite:////var/lib/mssgw/mssgw.db") from None
    if parsed.get_backend_name() == "postgresql":
        try:
            from mssgw.edges.sql.postgres import Postgres  # an extra: psycopg may be missing
        except ImportError:
            raise ValueError("PostgreSQL needs the extra: pip install mssgw[postgres]") from None
        return Postgres(parsed)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError("the store needs a URL such as sqlite:////var/lib/mssgw/mssgw.db")
    return Sqlite(parsed)
