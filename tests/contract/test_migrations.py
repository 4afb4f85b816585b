"""Stores that were made before are brought up to date, and what is up to date is left alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.sql import migrate, open_store
from mssgw.edges.sql.migrations import HEAD
from tests.contract.conftest import KEY
from tests.contract.letters import Place

SCHEMA = "SELECT name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version' ORDER BY name"


def scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", "mssgw.edges.sql:migrations")
    return config


def schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(SCHEMA).fetchall()


def test_the_revision_that_needs_no_upgrade_is_the_latest() -> None:
    """Else a new migration would never run."""
    assert ScriptDirectory.from_config(scripts()).get_current_head() == HEAD


async def test_a_store_of_the_revision_before_is_upgraded_with_what_it_holds(tmp_path: Path, migrated: Path) -> None:
    old = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{old}")
    with engine.connect() as connection:
        config = scripts()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    engine.dispose()
    clock = FixedClock()
    async with open_store(f"sqlite:///{old}", KEY, clock=clock, upgrade=False) as opened:
        await Place(opened.store, opened.desk, clock).keep("A")
    assert schema(old) != schema(migrated)
    async with open_store(f"sqlite:///{old}", KEY, clock=clock) as opened:
        assert [row.delivery.spool_id for row in await opened.desk.queue(limit=9)] == ["A"]
        assert [entry.event for entry in await opened.desk.trace(spool_id="A", limit=9)] == ["accepted"]
    assert schema(old) == schema(migrated)
    migrate(f"sqlite:///{old}")
    assert schema(old) == schema(migrated)


def test_a_store_that_a_later_version_has_used_says_so(database: Path) -> None:
    """Who goes back to an earlier version is told what to do about it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StoreUnavailable, match="a later version of mssgw has used this database"):
        migrate(f"sqlite:///{database}")
