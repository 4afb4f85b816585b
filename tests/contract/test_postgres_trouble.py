"""A PostgreSQL that hangs, forgets us, or changes our password: nobody waits for ever, and all goes on by itself."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.sql import Opened, open_store, patience, postgres
from mssgw.edges.sql.bodies import SpoolSql
from tests.contract.conftest import KEY
from tests.contract.letters import Place
from tests.peers import postgresql
from tests.peers.postgresql import PostgresServer

LIMIT = 15.0


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that nobody else needs, with a store in ``mssgw``."""
    postgresql.required()
    with PostgresServer() as server:
        server.create("mssgw")
        yield server


@asynccontextmanager
async def opened(server: PostgresServer, node: str | None = None) -> AsyncIterator[Opened]:
    async with open_store(server.url("mssgw"), KEY, node=node) as store:
        yield store


async def test_nobody_waits_for_ever_for_a_server_that_hangs(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel acknowledges for it, and it heeds no timeout: each thread hangs up by itself, and connects anew."""
    monkeypatch.setattr(postgres, "_ANSWER_LIMIT", 1.0)
    monkeypatch.setattr(postgres, "CONNECT_LIMIT", 2)
    async with opened(own, "a") as store:
        place = Place(store.store, store.desk, FixedClock())
        spool = SpoolSql(store.database)
        await place.keep("BEFORE")
        await spool.probe()
        with own.frozen():
            asked = [
                asyncio.ensure_future(each) for each in (place.keep("MEANWHILE"), store.store.next_due(), spool.probe())
            ]
            await asyncio.sleep(0.3)
            assert 0.2 < store.vitals.stalled_for < 1.0, "it is seen before anybody gives up"
            async with asyncio.timeout(LIMIT):
                for each in asked:
                    with pytest.raises(StoreUnavailable):
                        await each
        assert store.vitals.stalled_for == 0.0
        store.vitals.probe_bodies = spool.probe
        await store.vitals.probe()
        await place.keep("AFTER")
        await spool.close()


async def test_a_connection_that_was_idle_while_the_server_hung_is_not_waited_for_as_long_again(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter needs one after the other: all their waits together would outlast it."""
    monkeypatch.setattr(postgres, "_ANSWER_LIMIT", 2.0)
    monkeypatch.setattr(patience, "WHEN_ANOTHER_HUNG", 0.3)
    monkeypatch.setattr(postgres, "CONNECT_LIMIT", 2)
    async with opened(own) as store:
        await store.vitals.probe()
        with own.frozen():
            with pytest.raises(StoreUnavailable):
                await store.store.next_due()
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.vitals.probe()
            assert time.monotonic() < begun + 1.5


async def test_who_leaves_waits_a_few_seconds_for_a_server_that_hangs(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "WHEN_LEAVING", 0.5)
    monkeypatch.setattr(postgres, "CONNECT_LIMIT", 2)
    begun = time.monotonic()
    async with opened(own, "b") as store:
        await store.vitals.probe()
        with own.frozen():
            asked = asyncio.ensure_future(store.vitals.probe())
            await asyncio.sleep(0.2)
            store.database.hurry()
            with pytest.raises(StoreUnavailable):
                await asked
    assert time.monotonic() < begun + LIMIT


async def test_upkeep_that_takes_its_time_is_no_stall(own: PostgresServer) -> None:
    """Nor does the surveyor's look at the whole queue hold up a letter."""
    async with opened(own) as store:
        held = threading.Event()
        waits = asyncio.ensure_future(store.store._session.surveyor.ask(lambda _: held.wait(LIMIT)))
        await asyncio.sleep(0.1)
        assert store.vitals.stalled_for == 0.0
        held.set()
        await waits
