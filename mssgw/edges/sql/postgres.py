"""PostgreSQL, shared by any number of gateway nodes: connections, locks, errors, erasure.

Every session insists on durable commits. Locks between nodes are advisory ones and end with their transaction or
session, so that a node that dies leaves none behind. All numbers below are seconds unless they say otherwise.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import ColumnElement, Connection, Dialect, Engine, NullPool, Table, create_engine, event, func
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from mssgw.core.errors import StoreFull, StoreUnavailable
from mssgw.edges.sql import postgres_leader, postgres_standby
from mssgw.edges.sql.patience import ImpatientConnection, Patience
from mssgw.edges.sql.postgres_erasure import DeadKeys
from mssgw.edges.sql.postgres_trouble import no_connection, refusal
from mssgw.edges.sql.under_way import UnderWay

CONNECT_LIMIT = 5
_PEER_LIMIT = 15  # a server that acknowledges nothing for so long has gone
_STATEMENT_LIMIT = 30
_ANSWER_LIMIT = _STATEMENT_LIMIT + 5  # a server that says nothing for so long hangs: it would have given up itself
_LOCK_LIMIT = 10
_HURRIED_LOCK_LIMIT = 1  # of one unit, after a batch has waited for the whole limit
_IDLE_LIMIT = 15  # a node that hangs within a transaction must not keep its row locks

_WARNED = "mssgw.warned"

# Advisory locks are numbers: ours begin with "mssgw". Writers share WRITE; changing the master key takes it alone.
WRITE, MIGRATE, OPEN, SWEEP, GARBAGE = range(1, 6)


def lock_key(which: int) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(b"mssgw") << 16 | which


class Postgres:
    """dialects.Database for PostgreSQL 13 or later through psycopg 3."""

    errors: tuple[type[Exception], ...] = (DBAPIError, psycopg.Error)
    integrity_errors: tuple[type[Exception], ...] = (IntegrityError, psycopg.IntegrityError)
    keeps_bodies = True
    scrubs_at_once = False
    # A server whose fsync fails stops, and recovers what it wrote: kept or not, as for any COMMIT.
    may_resurrect = False
    reads_in_autocommit = False
    unconfirmed = False
    present: tuple[ColumnElement[datetime], ...] = (func.clock_timestamp().label("present"),)

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self.dialect: Dialect = self._url.get_dialect()()
        self._dead_keys = DeadKeys()
        self._patience = Patience(_ANSWER_LIMIT)
        self.under_way = UnderWay()
        self.password: Callable[[], str | None] = lambda: None

    # --- connections -------------------------------------------------------------------------------------------

    def engine(self, *, writing: bool) -> Engine:
        engine = create_engine(
            self._plain,
            poolclass=NullPool,  # each thread keeps the one connection that it opened
            hide_parameters=True,
            use_native_hstore=False,
            connect_args=self._arguments(_STATEMENT_LIMIT),
        )
        event.listen(engine, "do_connect", lambda _dialect, _record, _arguments, given: self._session(given))
        event.listen(engine, "connect", _prepare_writer if writing else _prepare_reader)
        if writing:  # one key for all that a transaction wraps: see rotation
            share = f"SELECT pg_advisory_xact_lock_shared({lock_key(WRITE)})"
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(share))
        return engine

    def connect(self, *, patient: bool = True) -> "psycopg.Connection[Any]":
        """A session of its own that waits as long as it takes, outside transactions. Raises the driver's errors.

        ``patient``: also for a server that hangs.
        """
        _, given = self.dialect.create_connect_args(self._plain)
        return self._session({**given, **self._arguments(0), "autocommit": True}, patient=patient)

    def _session(self, given: dict[str, Any], *, patient: bool = False) -> ImpatientConnection:
        secret = self.password()
        session = ImpatientConnection.connect(**given if secret is None else {**given, "password": secret})
        session.patience, session.opened = None if patient else self._patience, time.monotonic()
        return session

    def hurry(self) -> None:
        self._patience.hurry()

    @property
    def _plain(self) -> URL:
        return self._url.difference_update_query(["options"])

    def _arguments(self, statement_limit: int) -> dict[str, Any]:
        limits = {
            "statement_timeout": statement_limit,
            "lock_timeout": _LOCK_LIMIT if statement_limit else 0,
            "idle_in_transaction_session_timeout": _IDLE_LIMIT if statement_limit else 0,
        }
        # The server's side too: what a machine that lost its power had locked stays locked until its peer notices.
        noticing = {
            "tcp_keepalives_idle": _PEER_LIMIT // 3,
            "tcp_keepalives_interval": _PEER_LIMIT // 3,
            "tcp_user_timeout": _PEER_LIMIT,
        }
        given = str(self._url.query.get("options", ""))
        settings = [f"-c {name}={limit}s" for name, limit in (limits | noticing).items()]
        return {
            "options": " ".join([given, *settings, "-c tcp_keepalives_count=2"]).strip(),
            "application_name": "mssgw",
            "connect_timeout": CONNECT_LIMIT,
            "target_session_attrs": "read-write",  # of several hosts the primary, also after a failover
            "keepalives_idle": _PEER_LIMIT // 3,
            "keepalives_interval": _PEER_LIMIT // 3,
            "keepalives_count": 2,
            "tcp_user_timeout": _PEER_LIMIT * 1000,
        }

    # --- statements --------------------------------------------------------------------------------------------

    def insert(self, table: Table) -> Any:
        return postgres_insert(table)

    def failure(self, error: BaseException) -> StoreUnavailable:
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None)
        if state == "53100":
            return StoreFull("the disk of the database is full")
        if state is None and isinstance(cause, psycopg.OperationalError):
            return StoreUnavailable(no_connection(str(cause)))
        return StoreUnavailable(f"{refusal(state or '')}: {state or type(cause).__name__}")

    def is_in_place(self) -> None:
        """The server sees to that."""

    def conflicted(self, error: BaseException) -> bool:
        cause = getattr(error, "orig", None) or error
        return isinstance(cause, (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure))

    def waited(self, error: BaseException) -> bool:
        cause = getattr(error, "orig", None) or error
        return isinstance(cause, psycopg.errors.LockNotAvailable)

    def wait_briefly(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_HURRIED_LOCK_LIMIT}s'")

    def wait_as_needed(self, connection: Connection) -> None:
        driver = _driver(connection)
        driver.execute("SET statement_timeout = 0")  # for locks as before: all mail would wait behind who waits for one
        driver.commit()
        driver.patience = None  # type: ignore[attr-defined]

    def wake(self, connection: Connection) -> None:
        """In no transaction of ours: a NOTIFY makes commits queue up behind each other."""
        driver = _driver(connection)
        driver.autocommit = True
        try:
            driver.execute("NOTIFY mssgw_work")
        finally:
            driver.autocommit = False

    def bury(self, connection: Connection) -> None:
        """Nothing to bury."""

    def committing(self, connection: Connection) -> None:
        connection.info.pop(_WARNED, None)

    def committed(self, connection: Connection) -> bool:
        """Where an operator cancels the wait for a standby, COMMIT succeeds, and only warns."""
        return _WARNED not in connection.info

    def confirms(self, connection: Connection) -> bool:
        """A standby that is away lets COMMIT wait until it is back, whatever our limits: see postgres_standby."""
        self.committing(connection)
        in_time = postgres_standby.ask(_driver(connection), _STATEMENT_LIMIT)
        return in_time or self.committed(connection)  # an extension may warn of any statement

    def keyless(self, connection: Connection) -> AbstractContextManager[None]:
        """No delete overwrites anything here; see scrub()."""
        return nullcontext()

    def scrub(self, connection: Connection) -> bool:
        return self._dead_keys.scrub(_driver(connection), _LOCK_LIMIT)

    # --- locks between nodes -----------------------------------------------------------------------------------

    @contextmanager
    def migration_lock(self) -> Iterator[None]:
        try:
            session = self.connect()
        except self.errors as error:
            raise self.failure(error) from None
        with session:
            session.execute("SELECT pg_advisory_lock(%s)", (lock_key(MIGRATE),))
            yield

    def alone(self, connection: Connection, table: Table | None = None) -> None:
        if table is None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock_key(WRITE)})")
        else:
            connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")

    def leads(self, connection: Connection) -> bool:
        """The lock stays with this session until it ends, or stands still: then another node takes over."""
        return postgres_leader.leads(connection, lock_key(SWEEP))

    def leads_briefly(self, connection: Connection) -> bool:
        return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({lock_key(GARBAGE)})").scalar())


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


# Stricter settings of the server stay; anything weaker than "on" would answer 250 before the commit is on disk.
_DURABLE = """
SELECT current_setting('fsync'), current_setting('full_page_writes'),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                  WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
"""


def _prepare_writer(driver: "psycopg.Connection[Any]", record: Any) -> None:
    driver.isolation_level = IsolationLevel.READ_COMMITTED  # who waited for a lock sees what it was held for
    driver.add_notice_handler(lambda notice: _hear(notice, record.info))
    fsync, pages, commit = driver.execute(_DURABLE).fetchone() or ("", "", "")
    driver.commit()
    if (fsync, pages) != ("on", "on") or commit not in ("on", "remote_apply"):
        raise StoreUnavailable("PostgreSQL must run with fsync = on and full_page_writes = on: a 250 is a promise")


def _hear(notice: psycopg.errors.Diagnostic, told: dict[str, Any]) -> None:
    if notice.severity_nonlocalized == "WARNING":
        told[_WARNED] = True


def _prepare_reader(driver: "psycopg.Connection[Any]", _record: object) -> None:
    driver.isolation_level = IsolationLevel.REPEATABLE_READ  # one snapshot for all that is asked together
    driver.read_only = True
    driver.cursor_factory = _BinaryCursor


class _BinaryCursor(psycopg.Cursor[Any]):
    """Takes bodies as they are, not as twice as many hexadecimal digits."""

    def __init__(self, connection: "psycopg.Connection[Any]", **given: Any) -> None:
        super().__init__(connection, **given)
        self.format = psycopg.pq.Format.BINARY
