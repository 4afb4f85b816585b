"""Moving an installation from SQLite to PostgreSQL: whole, once, and never so that both could start."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest

from mssgw.core.conversation import Event, Pair
from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.spool_folders import found_spool
from mssgw.edges.sql import (
    copying,
    dialects,
    migrate,
)
from mssgw.edges.sql.bodies import SpoolSql
from mssgw.edges.sql.copying import copy_store
from tests.contract.conftest import OpenPlace, new_spool, wipe
from tests.contract.letters import (
    PATIENT,
    PDF,
    SECRETARIAT,
    acceptance,
    letter,
)
from tests.peers.postgresql import PostgresServer


async def test_an_installation_moves_from_sqlite_whole(
    open_sqlite: OpenPlace, open_postgres: OpenPlace, server: PostgresServer, database: Path
) -> None:
    spool = new_spool(database.parent / "spool")
    async with open_sqlite() as place:
        sink = spool.create("LARGE")
        await sink.write(PDF * 2000)
        large = await sink.close(size=len(PDF) * 2000)
        await place.keep("LARGE", body=large, lease=place.lease())
        await place.keep("A", moves=(Event.PROFESSIONAL_CLOSED,), letters=(letter("<1>", closes=True),))
        await place.keep("LOST", body=acceptance("LOST", FixedClock()).body)
        await place.desk.set_block(PATIENT, SECRETARIAT, blocked=True, operator="root", now=place.clock.now())
        before = list(await place.desk.trace(address=PATIENT, limit=99))
    await spool.close()
    source, target, copy = _moving(server, database)
    counts = await asyncio.to_thread(copy, keep_source=True)
    assert (counts["messages"], counts["body_segments"], counts["missing"]) == (3, 5, 0)
    with pytest.raises(StoreUnavailable, match="not empty"):
        await asyncio.to_thread(copy, keep_source=True)
    wipe(server)
    assert await asyncio.to_thread(copy) == counts
    with pytest.raises(StoreUnavailable, match="moved"):
        migrate(source)
    async with open_postgres() as place:
        assert list(await place.desk.trace(address=PATIENT, limit=99)) == before
        assert await place.state() == "closed"
        assert (await place.known(thread=("<1>",))).in_closed_thread
        assert (await place.known(Pair(PATIENT, SECRETARIAT))).conversation.blocked
        claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("x.1"), limit=9)
        assert sorted(delivery.spool_id for delivery in claimed) == ["A", "LARGE", "LOST"], "no lease came along"
        body = (await place.store.load("LARGE")).body
        await place.keep("NEW", letters=(letter("<2>"),))  # counters go on
    shared = SpoolSql(dialects.database(target))
    assert b"".join([segment async for segment in shared.read(body)]) == PDF * 2000
    await shared.close()


async def test_a_copy_cut_short_before_its_source_was_marked_is_completed_by_the_next(
    open_sqlite: OpenPlace, server: PostgresServer, database: Path
) -> None:
    """Else two gateways could start, one on each, and every letter would go out twice."""
    wipe(server)
    await _some_letters(open_sqlite, database)
    source, _, copy = _moving(server, database)
    counts = await asyncio.to_thread(copy, keep_source=True)  # all but the mark
    assert await asyncio.to_thread(copy) == counts
    with pytest.raises(StoreUnavailable, match="moved"):
        migrate(source)


async def test_a_target_that_holds_something_else_than_the_source_is_refused(
    open_sqlite: OpenPlace, server: PostgresServer, database: Path
) -> None:
    wipe(server)
    await _some_letters(open_sqlite, database)
    source, _, copy = _moving(server, database)
    await asyncio.to_thread(copy, keep_source=True)
    server.sql("UPDATE deliveries SET state = 'delivered' WHERE spool_id = 'A'", "contract")  # somebody started it
    with pytest.raises(StoreUnavailable, match="not empty"):
        await asyncio.to_thread(copy)
    migrate(source)


async def test_a_source_is_marked_also_when_statistics_of_the_target_cannot_be_taken(
    open_sqlite: OpenPlace, server: PostgresServer, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wipe(server)
    monkeypatch.setattr(copying, "_ANALYZE_LIMIT", 1)
    await _some_letters(open_sqlite, database)
    source, _, copy = _moving(server, database)
    with psycopg.connect(f"host={server.home} user=mssgw dbname=contract") as stranger:
        stranger.execute("LOCK TABLE store_secret IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        counts = await asyncio.to_thread(copy)
    assert counts["messages"] == 2
    with pytest.raises(StoreUnavailable, match="moved"):
        migrate(source)


def _moving(server: PostgresServer, database: Path) -> tuple[str, str, Callable[..., Mapping[str, int]]]:
    """From where, to where, and what moves it."""
    source, target = f"sqlite:///{database}", server.url("contract")
    return source, target, partial(copy_store, source, target, database.parent / "spool", lambda *_: None)


async def _some_letters(open_sqlite: OpenPlace, database: Path) -> None:
    spool = new_spool(database.parent / "spool")
    async with open_sqlite() as place:
        sink = spool.create("LARGE")
        await sink.write(PDF * 2000)
        await place.keep("LARGE", body=await sink.close(size=len(PDF) * 2000), lease=place.lease())
        await place.keep("A", moves=(Event.PROFESSIONAL_CLOSED,), letters=(letter("<1>", closes=True),))
        await place.desk.set_block(PATIENT, SECRETARIAT, blocked=True, operator="root", now=place.clock.now())
    await spool.close()


def test_a_target_that_does_not_answer_is_told_from_what_the_configuration_names(database: Path) -> None:
    """store.url is the source's, or says nothing yet."""
    source, target = f"sqlite:///{database}", f"postgresql+psycopg://mssgw@/x?host={database.parent}"
    expected = "^the target: no socket where its URL says: is PostgreSQL up, is that its folder[?]$"
    with pytest.raises(StoreUnavailable, match=expected):
        copy_store(source, target, database.parent / "spool", lambda *_: None)


async def test_nothing_is_copied_while_the_spool_is_elsewhere(
    open_sqlite: OpenPlace, server: PostgresServer, database: Path
) -> None:
    """Its letters would be set aside, every one, and the source would not open again."""
    async with open_sqlite() as place:
        body = acceptance("LARGE", FixedClock()).body
        await place.keep("LARGE", body=replace(body, inline=None, wire_size=1_000_000))
    wipe(server)
    source, target = f"sqlite:///{database}", server.url("contract")
    with pytest.raises(StoreUnavailable, match="no spool in"):
        await asyncio.to_thread(copy_store, source, target, database.parent / "spool", lambda *_: None)
    found_spool(database.parent / "spool")
    counts = await asyncio.to_thread(copy_store, source, target, database.parent / "spool", lambda *_: None)
    assert (counts["messages"], counts["missing"]) == (1, 1)
