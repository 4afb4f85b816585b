"""A PostgreSQL that hangs, forgets us, or changes our password: nobody waits for ever, and all goes on by itself."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.sql import Opened, open_store, patience, postgres, presence
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


async def test_a_look_at_the_whole_queue_that_takes_its_time_is_no_stall(own: PostgresServer) -> None:
    """The surveyor's holds up no letter."""
    async with opened(own) as store:
        held = threading.Event()
        waits = asyncio.ensure_future(store.store._session.surveyor.ask(lambda _: held.wait(LIMIT)))
        await asyncio.sleep(0.1)
        assert store.vitals.stalled_for == 0.0
        held.set()
        await waits


async def test_a_node_hears_that_another_has_taken_its_name(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would take the other's letters for those of its own earlier self."""
    monkeypatch.setattr(presence, "_PREDECESSOR", 0.3)
    monkeypatch.setattr(presence, "_AGAIN", 0.1)
    lost = asyncio.Event()
    async with opened(own, "c") as store:
        store.on_name_taken(lost.set)
        with psycopg.connect(f"host={own.home} user=mssgw dbname=mssgw", autocommit=True) as other:
            take = "SELECT pg_advisory_lock(hashtextextended('mssgw node c', 0))"
            waits = asyncio.create_task(asyncio.to_thread(other.execute, take))
            await asyncio.sleep(0.2)
            for pid in holders(own, "c"):
                own.sql(f"SELECT pg_terminate_backend({pid})")
            async with asyncio.timeout(LIMIT):
                await waits
                await lost.wait()


async def test_a_session_of_ours_that_the_server_still_believes_in_does_not_keep_our_name_from_us(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cut that only we noticed: it may stay there for hours."""
    monkeypatch.setattr(presence, "_PREDECESSOR", 0.3)
    monkeypatch.setattr(presence, "_AGAIN", 0.1)
    lost = []
    with contextlib.closing(OneSided(own, tmp_path)) as way:
        async with open_store(way.url, KEY, node="d") as store:
            store.on_name_taken(lambda: lost.append(True))
            before = holders(own, "d")
            way.cut()
            async with asyncio.timeout(LIMIT):
                while holders(own, "d") in ([], before):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.05)
            assert not lost


async def test_a_password_that_changes_is_read_at_the_next_connect(own: PostgresServer) -> None:
    """The server restarts, the role has another password: no node has to be started again."""
    rules = own.home / "data" / "pg_hba.conf"
    rules.write_text("local mssgw all scram-sha-256\nlocal all all trust\n")
    own.sql("ALTER ROLE mssgw PASSWORD 'old'")
    own.sql("SELECT pg_reload_conf()")
    now = ["old"]
    url = own.url("mssgw").replace("mssgw@", "mssgw:old@")
    try:
        async with open_store(url, KEY, upgrade=False, password=lambda: now[0]) as store:
            own.sql("ALTER ROLE mssgw PASSWORD 'new'")
            own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'mssgw'")
            with pytest.raises(StoreUnavailable):
                await store.vitals.probe()
            now[0] = "new"
            await store.vitals.probe()
    finally:
        rules.write_text("local all all trust\n")
        own.sql("SELECT pg_reload_conf()")


def holders(server: PostgresServer, node: str) -> list[int]:
    """The server's processes that hold the lock of that node's name."""
    key = f"hashtextextended('mssgw node {node}', 0)"
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    return [pid for (pid,) in server.sql(f"{held} AND (classid::bigint << 32 | objid::bigint) = {key}")]


class OneSided:
    """A way to the server that can be cut so that only we notice."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._target = str(server.home / ".s.PGSQL.5432")
        self._near: list[socket.socket] = []
        self._far: list[socket.socket] = []  # kept, or they would be closed
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self.url = server.url("mssgw").replace(str(server.home), str(folder))
        self._start(self._accept)

    def cut(self) -> None:
        for each in self._near:
            each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Whatever is open still."""
        every = [self._listener, *self._near, *self._far]
        for each in every:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT)
        for each in every:
            each.close()

    def _start(self, run: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._near.append(near)
                self._far.append(far)
                self._start(_pump, near, far)
                self._start(_pump, far, near)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65_536):
            sink.sendall(octets)
