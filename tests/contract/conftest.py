"""The stores that the contract holds for, and validator processes."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.edges.spool_files import SpoolFiles
from mssgw.edges.spool_folders import found_spool
from mssgw.edges.sql import migrate, open_store
from mssgw.edges.sql.tables import metadata
from mssgw.edges.validators import ProcessValidators
from tests.contract.letters import Place
from tests.contract.validating import Told
from tests.peers import postgresql
from tests.peers.postgresql import PostgresServer

KEY = bytes(range(32))
NEW_KEY = bytes(reversed(range(32)))

OpenPlace = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, migrated once: every test gets a copy."""
    path = tmp_path_factory.mktemp("migrated") / "mssgw.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Path:
    """The file of this test's SQLite database."""
    path = tmp_path / "store" / "mssgw.db"
    path.parent.mkdir(mode=0o700)
    shutil.copy(migrated, path)
    return path


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a SQLite database answers, behind the gateway's back."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def change(database: Path, sql: str) -> None:
    """The same, to change it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(sql)


def new_spool(directory: Path, **given: Any) -> SpoolFiles:
    """Open the spool there; the first time, it is made."""
    found_spool(directory)
    return SpoolFiles(directory, **given)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[SpoolFiles]:
    """A spool of files, empty at first."""
    spool = new_spool(tmp_path / "spool")
    yield spool
    await spool.close()


@pytest.fixture
def open_sqlite(database: Path) -> OpenPlace:
    """Open the SQLite store of this test; again and again it is the same one."""

    @asynccontextmanager
    async def open_place(key: bytes = KEY) -> AsyncIterator[Place]:
        clock = FixedClock()
        async with open_store(f"sqlite:///{database}", key, clock=clock, upgrade=False) as opened:
            yield Place(opened.store, opened.desk, clock, opened.directory, opened.patients)

    return open_place


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests of this folder, with one migrated database, ``contract``."""
    postgresql.required()
    with PostgresServer() as server:
        migrate(server.create("contract"))
        yield server


@pytest.fixture
def open_postgres(server: PostgresServer) -> OpenPlace:
    """Open the PostgreSQL store of this test, empty at first."""
    wipe(server)

    @asynccontextmanager
    async def open_place(key: bytes = KEY) -> AsyncIterator[Place]:
        clock = FixedClock()
        async with open_store(server.url("contract"), key, clock=clock, upgrade=False) as opened:
            yield Place(opened.store, opened.desk, clock, opened.directory, opened.patients)

    return open_place


@pytest.fixture(params=["sqlite", "postgres"])
def open_sql(request: pytest.FixtureRequest) -> OpenPlace:
    """Open the store of this test in a database that several processes may share."""
    opener: OpenPlace = request.getfixturevalue(f"open_{request.param}")
    return opener


def wipe(server: PostgresServer) -> None:
    """Empty the tables: far faster than a new database."""
    server.sql("; ".join(f"DELETE FROM {table.name}" for table in metadata.sorted_tables), "contract")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "memory":
        clock = FixedClock()
        twin = MemoryStore(clock)
        yield Place(twin, twin, clock, twin, twin.patients)
    else:
        async with request.getfixturevalue(f"open_{request.param}")() as opened:
            yield opened


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def processes(told: Told) -> AsyncIterator[ProcessValidators]:
    """Two of them, with all the time that a busy machine may need."""
    async with ProcessValidators(count=2, telemetry=told, deadline=30, patience=60) as validators:
        yield validators
