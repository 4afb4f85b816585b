"""PostgreSQL, shared by any number of gateway nodes: connections, locks, errors, erasure.

Every session insists on durable commits. Locks between nodes are advisory ones and end with their transaction or
session, so that a node that dies leaves none behind. All numbers below are seconds unless they say otherwise.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import Connection, Dialect, Engine, NullPool, Table, create_engine, event
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from mssgw.core.errors import StoreBusy, StoreFull, StoreUnavailable

CONNECT_LIMIT = 5
_PEER_LIMIT = 15  # a server that acknowledges nothing for so long has gone
_STATEMENT_LIMIT = 30
_LOCK_LIMIT = 10
_IDLE_LIMIT = 15  # a node that hangs within a transaction must not keep its row locks
_REWRITE_EVERY = 240.0  # the promise is ten minutes
_REWRITE_MOST = 64 * 2**20  # octets of data keys that are rewritten while mail waits: about a second

# Advisory locks are numbers: ours all begin with "mssg". Writers share WRITE; changing the master key takes it alone.
_CLASS = 0x6D737367
WRITE, MIGRATE, OPEN, SWEEP, GARBAGE, NODE = range(1, 7)

Errors = tuple[type[Exception], ...]


class Postgres:
    """dialects.Database for PostgreSQL 13 or later through psycopg 3."""

    errors: Errors = (DBAPIError, psycopg.Error)
    integrity_errors: Errors = (IntegrityError, psycopg.IntegrityError)
    keeps_bodies = True

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self.dialect: Dialect = self._url.get_dialect()()
        self._rewritten = float("-inf")

    # --- connections -------------------------------------------------------------------------------------------

    def engine(self, *, writing: bool) -> Engine:
        engine = self._engine(_STATEMENT_LIMIT)
        event.listen(engine, "connect", _prepare_writer if writing else _prepare_reader)
        if writing:  # one key for all that a transaction wraps: see rotation
            share = f"SELECT pg_advisory_xact_lock_shared({_CLASS}, {WRITE})"
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(share))
        return engine

    def _engine(self, statement_limit: int) -> Engine:
        given = self._url.query.get("options", "")
        limits = {
            "statement_timeout": statement_limit,
            "lock_timeout": _LOCK_LIMIT if statement_limit else 0,
            "idle_in_transaction_session_timeout": _IDLE_LIMIT if statement_limit else 0,
        }
        options = " ".join([str(given), *(f"-c {name}={limit}s" for name, limit in limits.items())])
        return create_engine(
            self._url.difference_update_query(["options"]),
            poolclass=NullPool,  # each thread keeps the one connection that it opened
            hide_parameters=True,
            use_native_hstore=False,
            connect_args={
                "options": options.strip(),
                "application_name": "mssgw",
                "connect_timeout": CONNECT_LIMIT,
                "target_session_attrs": "read-write",  # of several hosts the primary, also after a failover
                "keepalives_idle": _PEER_LIMIT // 3,
                "keepalives_interval": _PEER_LIMIT // 3,
                "keepalives_count": 2,
                "tcp_user_timeout": _PEER_LIMIT * 1000,
            },
        )

    # --- statements --------------------------------------------------------------------------------------------

    def insert(self, table: Table) -> Any:
        return postgres_insert(table)

    def failure(self, error: BaseException) -> StoreUnavailable:
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None)
        if state == "53100":
            return StoreFull("the disk of the database is full")
        return StoreUnavailable(f"the database failed: {state or type(cause).__name__}")

    def conflicted(self, error: BaseException) -> bool:
        cause = getattr(error, "orig", None) or error
        return isinstance(cause, (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure))

    def scrub(self, connection: Connection) -> bool:
        """VACUUM frees dead keys for reuse; every few minutes a new file, without them, takes the table's place.

        What WAL and backups still hold: docs/scaling.md.
        """
        driver = _driver(connection)
        driver.autocommit = True  # VACUUM runs in no transaction
        try:
            size = driver.execute("SELECT pg_table_size('data_keys')").fetchone()
            rewrite = time.monotonic() - self._rewritten >= _REWRITE_EVERY and size and size[0] <= _REWRITE_MOST
            driver.execute("VACUUM (FULL) data_keys" if rewrite else "VACUUM data_keys")
            if rewrite:
                self._rewritten = time.monotonic()
        except psycopg.errors.LockNotAvailable:
            return False
        finally:
            driver.autocommit = False
        return True

    # --- locks between nodes -----------------------------------------------------------------------------------

    @contextmanager
    def migration_lock(self) -> Iterator[None]:
        with self._session() as driver:
            driver.execute(f"SELECT pg_advisory_lock({_CLASS}, {MIGRATE})")
            yield

    def alone(self, connection: Connection, table: Table | None = None) -> None:
        if table is None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CLASS}, {WRITE})")
        else:
            connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")

    def leads(self, connection: Connection) -> bool:
        """The lock stays with this session until it ends: then another node takes over."""
        held = f"SELECT pg_try_advisory_lock({_CLASS}, {SWEEP})"  # whoever has it gets it again
        return bool(connection.exec_driver_sql(held).scalar())

    def leads_briefly(self, connection: Connection) -> bool:
        return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_CLASS}, {GARBAGE})").scalar())

    @contextmanager
    def open_lock(self, *, alone: bool) -> Iterator[None]:
        mode = "" if alone else "_shared"
        with self._session() as driver:
            if not _taken(driver, f"SELECT pg_try_advisory_lock{mode}({_CLASS}, {OPEN})"):
                raise StoreBusy(
                    "a node or a command has the store open: stop them all first"
                    if alone
                    else "somebody works alone on the store: try again when that has ended"
                )
            yield

    @contextmanager
    def _session(self) -> Iterator["psycopg.Connection[Any]"]:
        """A connection of its own that waits as long as it takes, outside transactions."""
        try:
            with self._engine(0).connect() as connection:
                driver = _driver(connection)
                driver.autocommit = True
                yield driver
        except self.errors as error:
            raise self.failure(error) from None


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _taken(driver: "psycopg.Connection[Any]", lock: str) -> bool:
    row = driver.execute(lock).fetchone()
    return bool(row and row[0])


# Stricter settings of the server stay; anything weaker than "on" would answer 250 before the commit is on disk.
_DURABLE = """
SELECT current_setting('fsync'), current_setting('full_page_writes'),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                  WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
"""


def _prepare_writer(driver: "psycopg.Connection[Any]", _record: object) -> None:
    fsync, pages, commit = driver.execute(_DURABLE).fetchone() or ("", "", "")
    driver.commit()
    if (fsync, pages) != ("on", "on") or commit not in ("on", "remote_apply"):
        raise StoreUnavailable("PostgreSQL must run with fsync = on and full_page_writes = on: a 250 is a promise")


def _prepare_reader(driver: "psycopg.Connection[Any]", _record: object) -> None:
    driver.isolation_level = IsolationLevel.REPEATABLE_READ  # one snapshot for all that is asked together
    driver.read_only = True
    driver.cursor_factory = _BinaryCursor


class _BinaryCursor(psycopg.Cursor[Any]):
    """Takes bodies as they are, not as twice as many hexadecimal digits."""

    def __init__(self, connection: "psycopg.Connection[Any]", **given: Any) -> None:
        super().__init__(connection, **given)
        self.format = psycopg.pq.Format.BINARY
