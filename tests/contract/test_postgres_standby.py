"""A synchronous standby that is away: what its primary keeps meanwhile, and what it does not."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection

from mssgw.core.errors import CommitInDoubt, StoreUnavailable
from mssgw.edges.sql import database, postgres_standby
from mssgw.edges.sql.bodies import SpoolSql
from mssgw.edges.sql.units import Unit
from mssgw.ports import Body
from tests.contract.conftest import OpenPlace
from tests.contract.letters import PDF, acceptance
from tests.peers.postgresql import PostgresServer


@pytest.fixture
async def bodies(server: PostgresServer) -> AsyncIterator[SpoolSql]:
    spool = SpoolSql(database(server.url("contract")))
    yield spool
    await spool.close()


@asynccontextmanager
async def standby_away(server: PostgresServer) -> AsyncIterator[None]:
    """The server waits for a standby that nobody has started."""
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'away'")
    await reloaded(server, "away")
    try:
        yield
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        await reloaded(server, "")


async def reloaded(server: PostgresServer, expected: str) -> None:
    server.sql("SELECT pg_reload_conf()")
    async with asyncio.timeout(30):
        while server.sql("SHOW synchronous_standby_names") != [(expected,)]:  # noqa: ASYNC110 - a database sends no event
            await asyncio.sleep(0.05)


async def gives_up_waiting(server: PostgresServer, end: str = "pg_terminate_backend") -> None:
    """End the wait of COMMIT: with its connection, as a node does after half a minute, or as an operator may."""
    waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with asyncio.timeout(30):
        while not server.sql(f"SELECT {end}(pid) {waiting}"):  # noqa: ASYNC110 - a database sends no event
            await asyncio.sleep(0.05)


async def test_while_no_standby_confirms_a_commit_each_attempt_leaves_no_copy_more(
    open_postgres: OpenPlace, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender hears 451 and tries again: all that was kept meanwhile would go out once the standby is back."""
    monkeypatch.setattr(postgres_standby, "CONFIRM_LIMIT", 1)
    async with open_postgres() as place:
        await place.keep("A")
        async with standby_away(server):
            asked = asyncio.create_task(place.store.accept(acceptance("FIRST", place.clock)))
            await gives_up_waiting(server)
            with pytest.raises(CommitInDoubt):
                await asked
            for name in ("SECOND", "THIRD"):
                with pytest.raises(StoreUnavailable, match="no standby confirms") as told:
                    await place.keep(name)
                assert not isinstance(told.value, CommitInDoubt)
            assert not server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), "none is left behind"
        await place.keep("B")
        assert server.sql("SELECT spool_id FROM messages ORDER BY spool_id", "contract") == [("A",), ("B",), ("FIRST",)]


async def test_units_that_are_kept_one_by_one_do_not_each_wait_for_a_standby_that_is_away(
    open_postgres: OpenPlace, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_standby, "CONFIRM_LIMIT", 1)
    async with open_postgres() as place:
        await place.keep("A")
        async with standby_away(server):
            begun, free = threading.Event(), threading.Event()

            def hold_up(connection: Connection) -> None:
                begun.set()
                free.wait(10)

            earlier = place.store._session.writer.put(Unit(work=hold_up))
            await asyncio.to_thread(begun.wait)
            named = ["B", "A", *(f"C{number}" for number in range(20))]  # A is there already, so each goes by itself
            asked = [asyncio.create_task(place.store.accept(acceptance(name, place.clock))) for name in named]
            await asyncio.sleep(0.1)  # all in one batch
            free.set()
            await earlier
            await gives_up_waiting(server, "pg_cancel_backend")
            async with asyncio.timeout(10):
                told = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(each, StoreUnavailable) for each in told)
            assert [isinstance(each, CommitInDoubt) for each in told] == [True, *[False] * 21]
        await place.keep("D")


async def test_the_pieces_of_a_large_letter_wait_for_no_standby_and_the_letter_itself_does(
    open_postgres: OpenPlace, bodies: SpoolSql, server: PostgresServer
) -> None:
    """What a standby has of the letter it has of all that was committed before: so no piece waits by itself."""
    async with open_postgres() as place, standby_away(server):
        sink = bodies.create("LARGE")
        async with asyncio.timeout(10):
            await sink.write(PDF * 2000)
            body = await sink.close(size=1)
        asked = asyncio.create_task(place.store.accept(acceptance("LARGE", place.clock, body=body)))
        await gives_up_waiting(server)
        with pytest.raises(CommitInDoubt):
            await asked


async def test_while_no_standby_confirms_a_commit_no_piece_of_a_large_letter_is_stored(
    open_postgres: OpenPlace, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt of its sender, each try at a notice, would swell the WAL that the primary keeps for the standby."""
    monkeypatch.setattr(postgres_standby, "CONFIRM_LIMIT", 1)
    async with open_postgres() as place:
        bodies = SpoolSql(place.store._session.database)

        async def stored(name: str) -> Body:
            sink = bodies.create(name)
            await sink.write(PDF * 2000)
            return await sink.close(size=1)

        async with standby_away(server):
            asked = asyncio.create_task(place.store.accept(acceptance("FIRST", place.clock)))
            await gives_up_waiting(server)
            with pytest.raises(CommitInDoubt):
                await asked
            with pytest.raises(StoreUnavailable):
                await place.keep("SECOND")
            with pytest.raises(StoreUnavailable, match="no standby confirms"):
                await stored("LARGE")
            assert not server.sql("SELECT 1 FROM body_segments", "contract")
        await place.keep("B")
        await place.store.accept(acceptance("LARGE", place.clock, body=await stored("LARGE")))
        await bodies.close()


async def test_the_body_of_a_letter_whose_commit_is_in_doubt_is_no_garbage(
    open_postgres: OpenPlace, bodies: SpoolSql, server: PostgresServer
) -> None:
    """Nobody sees the letter before the standby is back: kept then without its body, it would never arrive."""
    count = "SELECT count(*) FROM body_segments"
    async with open_postgres() as place, standby_away(server):
        sink = bodies.create("LARGE")
        await sink.write(PDF * 2000)
        body = await sink.close(size=1)
        stored = server.sql(count, "contract")
        asked = asyncio.create_task(place.store.accept(acceptance("LARGE", place.clock, body=body)))
        async with asyncio.timeout(30):
            while not server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await bodies.remove("LARGE")  # as a sweep does, after an hour
        await gives_up_waiting(server)
        with pytest.raises(CommitInDoubt):
            await asked
        assert server.sql(count, "contract") == stored
        assert (await place.store.load("LARGE")).body.spool_id == "LARGE"


@pytest.mark.parametrize(
    "condition", ["feature_not_supported", "invalid_transaction_termination", "object_not_in_prerequisite_state"]
)
async def test_where_a_server_does_not_let_itself_be_asked_mail_goes_on_after_a_commit_in_doubt(
    open_postgres: OpenPlace, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, condition: str
) -> None:
    """As before it was asked: a connection that broke once must not end all mail until the next start."""
    monkeypatch.setattr(postgres_standby, "_ASK", f"DO $$ BEGIN RAISE {condition}; END $$")
    async with open_postgres() as place:
        place.store._session.writer._unconfirmed = True
        await place.keep("A")


async def test_a_warning_of_something_else_does_not_say_that_a_standby_is_away(
    open_postgres: OpenPlace, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extension may warn of any statement, each time."""
    monkeypatch.setattr(postgres_standby, "_ASK", "DO $$ BEGIN RAISE WARNING 'old'; END $$")
    async with open_postgres() as place:
        place.store._session.writer._unconfirmed = True
        await place.keep("A")
