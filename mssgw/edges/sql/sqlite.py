"""SQLite, on a disk of this machine: connections, the write lock, errors, erasure."""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, NullPool, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from mssgw.core.errors import StoreDamaged, StoreFull, StoreUnavailable
from mssgw.edges import full_disk
from mssgw.edges.sql.under_way import UnderWay

BUSY_LIMIT = 10  # seconds that one process waits for another's commit
_LOOK_AGAIN = 0.001  # seconds between two looks at whether it is over
_NO_WAITING = "PRAGMA busy_timeout = 0"  # SQLite's own: see _begin_to_write
# SQLite says FULL when a write found no space; when it makes the WAL or its index, it does not say why it could not.
_VAGUE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)
_TOLD = {  # what an administrator may do something about; the file's name is his own
    sqlite3.SQLITE_BUSY: "another program keeps the database locked: `fuser -v {path}` names it ({name})",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: is its folder there? is it ours: ls -l, chown? ({name})",
    sqlite3.SQLITE_READONLY: "{path} may not be written: is it ours, and the disk mounted to be written? ({name})",
    sqlite3.SQLITE_IOERR: "the disk under {path} fails: see the kernel's log ({name})",
    sqlite3.SQLITE_NOTADB: "{path} is no database: give it back from a backup ({name})",
}
_SCRUB_WAIT = 100  # milliseconds that one try to scrub waits for readers


class Sqlite:
    """dialects.Database for SQLite in WAL mode, shared by any number of processes of one machine."""

    errors: tuple[type[Exception], ...] = (DBAPIError, sqlite3.Error)
    integrity_errors: tuple[type[Exception], ...] = (IntegrityError, sqlite3.IntegrityError)
    keeps_bodies = False
    scrubs_at_once = True
    may_resurrect = True
    reads_in_autocommit = True
    unconfirmed = False
    present: tuple[ColumnElement[datetime], ...] = ()

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="sqlite+pysqlite")
        self.path = Path(str(url.database))
        self.dialect: Dialect = self._url.get_dialect()()
        self._file: os.stat_result | None = None  # as we found or made it
        self.under_way = UnderWay()
        self.password: Callable[[], str | None] = lambda: None

    def engine(self, *, writing: bool) -> Engine:
        if self._file is None:  # once: one that was taken away since is not made anew
            self._create_private()
            self._file = self.path.stat()
        # No exception text or log with parameters; no pool: each thread keeps the one connection that it opened.
        engine = create_engine(
            self._url,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args={"timeout": BUSY_LIMIT, "isolation_level": None, "cached_statements": 512},
        )
        event.listen(engine, "do_connect", lambda *_: self.is_in_place())  # SQLite would make an empty one
        event.listen(engine, "connect", _prepare)
        if writing:
            event.listen(engine, "connect", lambda connection, _: connection.execute(_NO_WAITING))
        event.listen(engine, "begin", _begin_to_write if writing else _begin)
        return engine

    def insert(self, table: Table) -> Any:
        return sqlite_insert(table)

    def failure(self, error: BaseException) -> StoreUnavailable:
        cause = getattr(error, "orig", None) or error
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_CORRUPT:
            return StoreDamaged(f"a page of {self.path} is damaged: the administrator's guide tells how to repair it")
        if code == sqlite3.SQLITE_FULL or (code in _VAGUE and full_disk.takes_nothing(self.path.parent)):
            return StoreFull("the disk of the database is full")
        name = getattr(cause, "sqlite_errorname", type(cause).__name__)
        told = _TOLD.get(code, "the database failed: {name}")
        return StoreUnavailable(told.format(name=name, path=self.path))

    def is_in_place(self) -> None:
        """A file that was removed or replaced takes commits like any other until it is closed: then they are gone."""
        try:
            if self._file is None or os.path.samestat(os.stat(self.path), self._file):
                return
        except OSError as error:
            raise StoreUnavailable(f"{self.path} was taken away under the gateway: {error.strerror}") from None
        raise StoreUnavailable(f"{self.path} was replaced under the gateway, and is used from its next start")

    def conflicted(self, error: BaseException) -> bool:
        return False  # who writes holds the write lock

    def waited(self, error: BaseException) -> bool:
        return False  # once it is held, there is nothing else to wait for

    def wait_briefly(self, connection: Connection) -> None:
        """Nothing to wait for."""

    def wait_as_needed(self, connection: Connection) -> None:
        """Nothing limits them."""

    def alone(self, connection: Connection, table: Table | None = None) -> None:
        """BEGIN IMMEDIATE did that."""

    def leads(self, connection: Connection) -> bool:
        return True

    leads_briefly = leads

    def wake(self, connection: Connection) -> None:
        """Nobody listens: processes of one machine poll."""

    def hurry(self) -> None:
        """A call of the disk cannot be given up."""

    def scrub(self, connection: Connection) -> bool:
        """``secure_delete`` zeroed the rows in the database; their earlier copies in the WAL go by truncating it."""
        cursor = connection.connection.cursor()
        # Waiting for readers holds the write lock: so only briefly, and mail goes on before the next try.
        cursor.execute(f"PRAGMA busy_timeout = {_SCRUB_WAIT}")
        (busy, _, _) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(_NO_WAITING)
        return not busy

    @contextmanager
    def keyless(self, connection: Connection) -> Iterator[None]:
        """Zeros in the place of a body cost as much as the body did: half a second of commits, every half minute."""
        connection.exec_driver_sql("PRAGMA secure_delete = FAST")
        try:
            yield
        finally:
            connection.exec_driver_sql("PRAGMA secure_delete = ON")

    def committing(self, connection: Connection) -> None:
        """Nothing to get ready."""

    def committed(self, connection: Connection) -> bool:
        return True

    confirms = committed

    def bury(self, connection: Connection) -> None:
        """The next frames in the WAL overwrite those of the failed commit, and its checksums no longer follow."""
        marked = int.from_bytes(os.urandom(3))  # another value each time: an unchanged page would not be written
        with connection.begin():
            connection.exec_driver_sql(f"PRAGMA user_version = {marked}")

    @contextmanager
    def migration_lock(self) -> Iterator[None]:
        self._create_private()
        with open(f"{self.path}.lock", "a", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _create_private(self) -> None:
        """SQLite gives the WAL the mode of the database: so make that first, for us alone."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            kind = StoreFull if full_disk.is_full(error) else StoreUnavailable
            raise kind(f"{self.path}: {error.strerror}") from None


def _begin(connection: Connection) -> None:
    connection.connection.cursor().execute("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    """Hold the write lock: a BEGIN that becomes a write fails when another process wrote meanwhile (threats 16).

    SQLite's own waiting sleeps ever longer, up to 100 ms: whoever has just committed would come first again and again.
    """
    cursor, end = connection.connection.cursor(), time.monotonic() + BUSY_LIMIT
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(_LOOK_AGAIN)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # Without shared memory SQLite keeps another journal, whose removal it does not sync: a power cut may undo a commit.
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StoreUnavailable("SQLite keeps no WAL there: the file system of the database must be a local disk's")
    for pragma in (
        "synchronous = FULL",  # NORMAL may lose a commit at power loss (threats 16)
        "secure_delete = ON",
        "wal_autocheckpoint = 4000",  # pages, 16 MB: a page that changes often is copied to the database less often
        "temp_store = MEMORY",  # nothing of ours in /tmp
        "cache_size = -16000",  # KiB
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
