"""What the PostgreSQL store promises beyond the contract: nodes side by side, durability, erasure."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from mssgw.core.closing import Silence
from mssgw.core.conversation import Event, Pair
from mssgw.core.errors import CommitInDoubt, Gone, StoreBusy, StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.sql import (
    _open_keys,
    database,
    migrate,
    migrations,
    open_store,
    postgres,
    postgres_leader,
    presence,
    rotation,
)
from mssgw.edges.sql.bodies import SpoolSql
from mssgw.edges.sql.postgres import Postgres
from mssgw.edges.sql.tables import metadata
from mssgw.edges.vault import Vault
from mssgw.ports import Conflict
from tests.contract.conftest import KEY, NEW_KEY, OpenPlace
from tests.contract.letters import (
    DOCTOR,
    PAIR,
    PATIENT,
    PDF,
    SECRETARIAT,
    Place,
    acceptance,
    letter,
    receipt,
)
from tests.peers import postgresql
from tests.peers.ports import free_port
from tests.peers.postgresql import PostgresServer


@pytest.fixture
async def bodies(server: PostgresServer) -> AsyncIterator[SpoolSql]:
    spool = SpoolSql(_database(server.url("contract")))
    yield spool
    await spool.close()


def test_a_migration_may_take_longer_than_any_letter_waits(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index over a year's trace does: cut short each time, it would never let a node start again."""
    monkeypatch.setattr(postgres, "_STATEMENT_LIMIT", 1)
    monkeypatch.setattr(postgres, "_ANSWER_LIMIT", 1.0)
    upgrade = migrations._upgrade

    def slow(connection: Connection) -> None:
        with connection.begin():
            connection.exec_driver_sql("SELECT pg_sleep(1.5)")
        upgrade(connection)

    monkeypatch.setattr(migrations, "_upgrade", slow)
    migrate(server.create("slow"))
    assert server.sql("SELECT version_num FROM alembic_version", "slow") == [(migrations.HEAD,)]
    server.sql("DROP DATABASE slow")


async def test_a_node_starts_anew_beside_one_of_the_next_version(server: PostgresServer) -> None:
    """While nodes are replaced one by one, an earlier one may lose a worker, an operator type a command there."""
    url = server.create("rolling")
    migrate(url)
    server.sql("ALTER TABLE accounts ADD later text; UPDATE alembic_version SET version_num = '0999'", "rolling")
    async with open_store(url, KEY) as opened:
        clock = FixedClock()
        await Place(opened.store, opened.desk, clock).keep("A")
        assert [row.delivery.spool_id for row in await opened.desk.queue(limit=9)] == ["A"]
    assert server.sql("SELECT version_num FROM alembic_version", "rolling") == [("0999",)]
    server.sql("DROP DATABASE rolling")


def test_migrations_build_exactly_the_tables(server: PostgresServer) -> None:
    engine = create_engine(server.url("contract"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


async def test_nodes_that_start_together_migrate_once_and_share_one_secret(server: PostgresServer) -> None:
    url = server.create("together")
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*(stack.enter_async_context(open_store(url, KEY)) for _ in range(4)))
        assert len({each.store.alias(PATIENT) for each in opened}) == 1
    server.sql("DROP DATABASE together")


def test_nodes_that_make_the_secret_at_one_moment_all_take_the_one_that_is_kept(server: PostgresServer) -> None:
    """With another one a node would find nobody's conversations, and seal what no other can read."""
    url = server.create("one-moment")
    migrate(url)
    vaults = [Vault(KEY) for _ in range(6)]
    together = threading.Barrier(len(vaults))

    def open_keys(vault: Vault) -> None:
        place = database(url)
        together.wait(30)
        _open_keys(place, vault)

    with ThreadPoolExecutor(len(vaults)) as threads:
        list(threads.map(open_keys, vaults))
    assert len({vault.digest("address", "somebody") for vault in vaults}) == 1
    server.sql('DROP DATABASE "one-moment"')


async def test_every_commit_waits_for_the_disk_even_where_the_server_says_otherwise(server: PostgresServer) -> None:
    server.sql("ALTER DATABASE contract SET synchronous_commit = off")
    try:
        with _database(server.url("contract")).engine(writing=True).connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    finally:
        server.sql("ALTER DATABASE contract RESET synchronous_commit")


async def test_who_waited_for_another_node_sees_what_that_did_even_where_the_server_says_otherwise(
    open_postgres: OpenPlace, server: PostgresServer
) -> None:  # req: FIN-4
    """An exchange in which a professional writes just now is not silent, though nothing changes in its own row."""
    bal, since = PAIR.bal, timedelta(days=30)
    server.sql("ALTER DATABASE contract SET default_transaction_isolation = 'repeatable read'")
    try:
        async with open_postgres() as node, open_postgres() as sweeper:
            await node.keep("OLD", moves=(Event.PROFESSIONAL_WROTE,))
            node.clock.pass_(days=60)
            silent = Silence(bal=bal, before=node.clock.now() - since, lasted=since)
            written, free = threading.Event(), threading.Event()

            def hold_up(connection: Connection) -> None:
                written.set()
                free.wait(10)

            unit = node.store._accepting.unit(
                acceptance("NEW", node.clock, moves=(Event.PROFESSIONAL_WROTE,), letters=(letter("<new>"),))
            )
            keeping = node.store._session.writer.put(replace(unit, work=hold_up))
            await asyncio.to_thread(written.wait)
            closing = asyncio.create_task(sweeper.store.close_silent([silent], now=node.clock.now()))
            await _somebody_waits(server)
            free.set()
            await keeping
            assert await closing == 0
            assert await node.state() == "open"
    finally:
        server.sql("ALTER DATABASE contract RESET default_transaction_isolation")


async def _somebody_waits(server: PostgresServer) -> None:
    async with asyncio.timeout(10):
        while not server.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - it sends no event
            await asyncio.sleep(0.05)


async def test_nodes_that_move_the_same_pairs_do_not_block_each_other_for_good(open_postgres: OpenPlace) -> None:
    """The same conversations in opposite orders, many letters at once: all are kept."""
    pairs = [Pair(PATIENT, DOCTOR), Pair(PATIENT, SECRETARIAT)]
    async with open_postgres() as one, open_postgres() as other:

        async def keep(place: Place, name: str, order: list[Pair]) -> None:
            for number in range(15):
                event = (Event.PROFESSIONAL_WROTE, Event.PROFESSIONAL_CLOSED)[number % 2]
                closes = event is Event.PROFESSIONAL_CLOSED
                await asyncio.gather(
                    *(
                        place.keep(
                            f"{name}{number}.{at}",
                            moves=(event,),
                            pair=pair,
                            letters=(letter(f"<{name}{number}.{at}>", pair=pair, closes=closes),),
                        )
                        for at, pair in enumerate(order)
                    )
                )

        await asyncio.gather(keep(one, "A", pairs), keep(other, "B", pairs[::-1]))
        assert len(await one.desk.queue(limit=99)) == 60


async def test_a_receipt_that_two_nodes_get_at_once_counts_once(open_postgres: OpenPlace) -> None:  # req: SD-4
    async with open_postgres() as one, open_postgres() as other:
        for number in range(10):
            await one.keep(f"A{number}", letters=(letter(f"<{number}>", receipt_to=(DOCTOR.key,)),))
            both = (
                place.keep(f"R{number}{name}", receipt=receipt(f"<{number}>"))
                for place, name in ((one, "x"), (other, "y"))
            )
            results = await asyncio.gather(*both, return_exceptions=True)
            assert sorted(isinstance(result, Conflict) for result in results) == [False, True]


async def test_a_node_with_the_old_key_keeps_nothing_after_a_rotation(open_postgres: OpenPlace) -> None:
    """Under load: what one node accepts while another rotates is kept under the new key, or not at all."""
    async with open_postgres() as node, open_postgres() as command:
        await node.keep("A")
        accepting = [asyncio.create_task(node.store.accept(acceptance(f"B{n}", node.clock))) for n in range(40)]
        await asyncio.sleep(0.01)
        await command.desk.rotate(NEW_KEY)
        results = await asyncio.gather(*accepting, return_exceptions=True)
        with pytest.raises(StoreUnavailable, match="rotated"):
            await node.keep("C")
        for number, result in enumerate(results):
            if result is None:
                assert (await command.store.load(f"B{number}")).body.inline == PDF
            else:
                assert isinstance(result, StoreUnavailable)
        assert (await command.store.load("A")).body.inline == PDF


async def test_a_master_key_is_changed_however_many_letters_wait(
    open_postgres: OpenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a million take a minute, and the server ends who says nothing within a transaction for a quarter of one."""
    monkeypatch.setattr(postgres, "_IDLE_LIMIT", 1)
    monkeypatch.setattr(rotation, "_AT_ONCE", 2)
    unwrap = Vault.unwrap

    def slowly(vault: Vault, wrapped: bytes, spool_id: str) -> bytes:
        time.sleep(0.3)
        return unwrap(vault, wrapped, spool_id)

    names = [f"L{number}" for number in range(5)]
    async with open_postgres() as place:
        for name in names:
            await place.keep(name)
        with monkeypatch.context() as slow:
            slow.setattr(Vault, "unwrap", slowly)
            assert await place.desk.rotate(NEW_KEY) == len(names)
    async with open_postgres(NEW_KEY) as place:
        for name in names:
            assert (await place.store.load(name)).body.inline == PDF


async def test_the_store_comes_back_by_itself_when_the_server_does(
    open_postgres: OpenPlace, bodies: SpoolSql, server: PostgresServer
) -> None:
    async with open_postgres() as place:
        await place.keep("A")
        large = bodies.create("LARGE")
        await large.write(PDF * 2000)
        await asyncio.to_thread(server.stop)
        with pytest.raises(StoreUnavailable):
            await place.keep("B")
        with pytest.raises(StoreUnavailable):
            await place.known()
        with pytest.raises(StoreUnavailable):
            await large.close(size=1)
        await large.discard()
        await asyncio.to_thread(server.start)
        await place.keep("C")
        assert (await place.store.load("A")).body.inline == PDF
        with pytest.raises(Gone):
            await place.store.load("B")
        again = bodies.create("AGAIN")
        await again.write(PDF * 2000)
        body = await again.close(size=1)
        await place.keep("AGAIN", body=body)


async def test_a_large_letter_whose_body_was_lost_gets_no_250(open_postgres: OpenPlace, bodies: SpoolSql) -> None:
    """As after a failover to a server that lagged behind: only that letter fails, and the sender tries again."""
    async with open_postgres() as place:
        made = []
        for name in ("WHOLE", "LOST"):
            sink = bodies.create(name)
            await sink.write(PDF * 2000)
            made.append(await sink.close(size=1))
        await bodies.remove("LOST")
        letters = [acceptance(body.spool_id, place.clock, body=body) for body in made]
        results = await asyncio.gather(*map(place.store.accept, letters), return_exceptions=True)
        assert results[0] is None
        assert isinstance(results[1], Gone)


@pytest.mark.parametrize("end", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_commit_that_stops_waiting_for_a_standby_is_in_doubt_and_gets_no_250(
    open_postgres: OpenPlace, server: PostgresServer, end: str
) -> None:
    """Its connection breaks, or somebody cancels the wait: the letter is there, and a failover may lose it."""
    waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with open_postgres() as place:
        await place.keep("A")
        server.sql("ALTER SYSTEM SET synchronous_standby_names = 'away'")
        server.sql("SELECT pg_reload_conf()")
        try:
            asked = asyncio.create_task(place.store.accept(acceptance("B", place.clock)))
            async with asyncio.timeout(30):
                while not server.sql(f"SELECT 1 {waiting}"):  # noqa: ASYNC110 - a database sends no event
                    await asyncio.sleep(0.05)
            server.sql(f"SELECT {end}(pid) {waiting}")
            with pytest.raises(CommitInDoubt):
                await asked
        finally:
            server.sql("ALTER SYSTEM RESET synchronous_standby_names")
            server.sql("SELECT pg_reload_conf()")
        assert (await place.store.load("B")).body.inline == PDF
        await place.keep("C")


async def test_a_body_goes_with_its_letter_and_not_while_a_delivery_is_open(
    open_postgres: OpenPlace, bodies: SpoolSql, server: PostgresServer
) -> None:
    async with open_postgres() as place:
        sink = bodies.create("A")
        await sink.write(PDF * 2000)
        body = await sink.close(size=1)
        kept = await place.keep("A", body=body, lease=place.lease())
        await bodies.remove("A")  # as when the answer of the commit was lost
        assert server.sql("SELECT count(*) FROM body_segments", "contract") == [(5,)]
        await place.deliver(kept)
        await place.store.erase_finished(now=place.clock.now())
        assert server.sql("SELECT count(*) FROM body_segments", "contract") == [(0,)]


async def test_after_erasure_the_key_is_gone_from_the_table_on_disk(
    open_postgres: OpenPlace, server: PostgresServer
) -> None:
    """WAL and backups are another matter: docs/scaling.md."""

    def on_disk() -> bytes:
        server.sql("CHECKPOINT")
        ((path,),) = server.sql("SELECT pg_relation_filepath('data_keys')", "contract")
        return (server.home / "data" / path).read_bytes()

    async with open_postgres() as place:
        kept = await place.keep("A", lease=place.lease())
        await place.keep("B")
        keys = dict(server.sql("SELECT spool_id, wrapped FROM data_keys", "contract"))
        assert keys["A"] in on_disk()
        await place.deliver(kept)
        assert list(await place.store.erase_finished(now=place.clock.now())) == ["A"]
        left = on_disk()
        assert keys["A"] not in left
        assert keys["B"] in left


async def test_a_backup_under_way_makes_no_letter_wait_for_an_erasure(
    open_postgres: OpenPlace, server: PostgresServer
) -> None:
    """It holds its lock on every table for as long as it reads."""
    async with open_postgres() as place:
        kept = await place.keep("A", lease=place.lease())
        await place.deliver(kept)
        with psycopg.connect(f"host={server.home} user=mssgw dbname=contract") as backup:
            backup.execute("SELECT * FROM data_keys")
            async with asyncio.timeout(5):
                assert list(await place.store.erase_finished(now=place.clock.now())) == ["A"]
                await place.keep("B")


def test_a_full_disk_is_told_apart_from_other_trouble(server: PostgresServer) -> None:
    full = _database(server.url("contract")).failure(psycopg.errors.DiskFull("no more"))
    other = _database(server.url("contract")).failure(psycopg.errors.AdminShutdown("going"))
    assert (full.reply.code, full.reply.status, other.reply.code) == (452, "4.3.1", 451)
    assert str(other) == "PostgreSQL is being shut down: 57P01"


async def test_one_node_sweeps_for_all_and_another_takes_over(open_postgres: OpenPlace) -> None:
    async with open_postgres() as other:
        async with open_postgres() as first:
            kept = await first.keep("A", lease=first.lease())
            await first.store.erase_finished(now=first.clock.now())
            await first.deliver(kept)
            assert list(await other.store.erase_finished(now=other.clock.now())) == []
            assert list(await first.store.erase_finished(now=first.clock.now())) == ["A"]
        kept = await other.keep("B", lease=other.lease())
        await other.deliver(kept)
        assert list(await other.store.erase_finished(now=other.clock.now())) == ["B"]


async def test_another_node_takes_over_sweeping_from_one_that_stands_still(
    open_postgres: OpenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel keeps its session, and its lock, as long as it likes; who sweeps asks for the lock all the time."""
    async with open_postgres() as other, open_postgres() as still:
        assert await still.store.leads()
        assert not await other.store.leads()
        await asyncio.sleep(0.3)
        assert not await other.store.leads(), "it may only be between two sweeps"
        monkeypatch.setattr(postgres_leader, "SILENT", 0.2)
        assert not await other.store.leads()
        async with asyncio.timeout(10):
            while not await other.store.leads():  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        with pytest.raises(StoreUnavailable):
            await still.store.leads()
        assert not await still.store.leads()
        await still.keep("AFTER")


async def test_nodes_tell_each_other_of_work_that_nobody_holds(
    server: PostgresServer, open_postgres: OpenPlace
) -> None:
    url, heard = server.url("contract"), asyncio.Event()
    async with open_store(url, KEY, upgrade=False, node="a") as one, open_postgres() as other:
        one.on_work(heard.set)
        await other.keep("HELD-BY-ITS-NODE", lease=other.lease())
        await other.keep("NOBODYS")
        async with asyncio.timeout(10):
            await heard.wait()


async def test_two_nodes_do_not_share_a_name_and_nobody_works_alone_in_company(
    server: PostgresServer, open_postgres: OpenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second would take the letters of the first for those of its own earlier self."""
    monkeypatch.setattr(presence, "_PREDECESSOR", 0.3)
    url = server.url("contract")
    async with open_store(url, KEY, upgrade=False, node="a"), open_store(url, KEY, upgrade=False, node="a.b"):
        with pytest.raises(StoreBusy, match='another node runs as "a"'):
            async with open_store(url, KEY, upgrade=False, node="a"):
                pass
        with pytest.raises(StoreBusy):
            async with open_store(url, KEY, upgrade=False, alone=True):
                pass
    async with open_store(url, KEY, upgrade=False, alone=True):
        with pytest.raises(StoreBusy):
            async with open_store(url, KEY, upgrade=False):
                pass


async def test_nodes_go_by_the_time_of_the_database(server: PostgresServer, open_postgres: OpenPlace) -> None:
    url = server.url("contract")
    async with open_store(url, KEY, upgrade=False) as opened:
        ((there,),) = server.sql("SELECT clock_timestamp()", "contract")
        assert abs(opened.clock.now() - there) < timedelta(seconds=30)


def _database(url: str) -> Postgres:
    return Postgres(create_engine(url).url)


def test_a_server_that_does_not_sync_is_refused() -> None:
    postgresql.required()
    with PostgresServer("fsync=off") as careless:
        engine = _database(careless.create("x")).engine(writing=True)
        with pytest.raises(StoreUnavailable, match="fsync"):
            engine.connect()


def test_the_server_notices_within_seconds_that_a_machine_has_gone_and_frees_its_locks() -> None:
    """By its own defaults after two hours: nobody would sweep, nor start under that name."""
    postgresql.required()
    port = free_port()
    with PostgresServer(port=port):
        place = _database(f"postgresql+psycopg://mssgw@127.0.0.1:{port}/postgres")
        asked = "SELECT setting FROM pg_settings WHERE starts_with(name, 'tcp_') ORDER BY name"
        limits = [("2",), ("5",), ("5",), ("15000",)]
        with place.connect() as standing:
            assert standing.execute(asked).fetchall() == limits
        for writing in (True, False):
            with place.engine(writing=writing).connect() as connection:
                assert [tuple(row) for row in connection.exec_driver_sql(asked)] == limits


async def test_a_password_never_shows(server: PostgresServer) -> None:
    """Errors name the SQLSTATE or the class, never the URL."""
    url = server.url("absent").replace("mssgw@", "mssgw:geheim@")
    with pytest.raises(StoreUnavailable) as raised:
        async with open_store(url, KEY):
            pass
    assert "geheim" not in str(raised.value)
