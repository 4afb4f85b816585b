"""Somebody at psql who keeps a lock and goes to lunch: whose mail waits for that."""

import asyncio
import threading

import psycopg
import pytest
from sqlalchemy import Connection

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.sql import postgres
from mssgw.edges.sql.units import Unit
from tests.contract.conftest import OpenPlace
from tests.contract.letters import acceptance, settlement
from tests.peers.postgresql import PostgresServer


@pytest.mark.parametrize("what", ["a row", "a table"])
async def test_a_strangers_lock_fails_only_what_needs_it(
    open_postgres: OpenPlace, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """All letters of a moment share one transaction; one of them must not fail it for all."""
    monkeypatch.setattr(postgres, "_LOCK_LIMIT", 1)
    async with open_postgres() as place:
        kept = await place.keep("A", lease=(lease := place.lease()))
        with psycopg.connect(f"host={server.home} user=mssgw dbname=contract") as stranger:
            if what == "a row":
                stranger.execute("SELECT * FROM deliveries FOR UPDATE")
            else:
                stranger.execute("LOCK TABLE deliveries")
            free = threading.Event()
            writer = place.store._session.writer

            def hold_up(connection: Connection) -> None:
                free.wait(10)

            earlier = writer.put(Unit(work=hold_up))
            settling = asyncio.create_task(place.store.settle([settlement(kept.deliveries[0], lease)]))
            accepting = [asyncio.create_task(place.store.accept(acceptance(f"B{n}", place.clock))) for n in range(30)]
            await asyncio.sleep(0.1)  # all in one batch
            free.set()
            await earlier
            async with asyncio.timeout(25):  # not one limit for each
                told = await asyncio.gather(settling, *accepting, return_exceptions=True)
            assert isinstance(told[0], StoreUnavailable)
            if what == "a row":
                assert told[1:] == [None] * 30
            else:
                assert all(isinstance(each, StoreUnavailable) for each in told)
        assert await place.store.settle([settlement(kept.deliveries[0], lease)]) == [True]
        await place.keep("C")
