"""What of an erased letter PostgreSQL keeps on disk, and for how long. WAL and backups are another matter."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.sql import postgres_erasure
from tests.contract.conftest import OpenPlace
from tests.contract.letters import Place
from tests.peers.postgresql import PostgresServer


class Keys:
    """The wrapped keys that there were, and the file of their table."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._known: dict[str, bytes] = {}

    @property
    def file(self) -> str:
        ((path,),) = self._server.sql("SELECT pg_relation_filepath('data_keys')", "contract")
        return str(path)

    async def done_with(self, place: Place, name: str) -> None:
        """Keep a letter and deliver it."""
        kept = await place.keep(name, lease=place.lease())
        self._known |= dict(self._server.sql("SELECT spool_id, wrapped FROM data_keys", "contract"))
        await place.deliver(kept)

    def on_disk(self, name: str) -> bool:
        self._server.sql("CHECKPOINT")
        return self._known[name] in (self._server.home / "data" / self.file).read_bytes()


@pytest.fixture
def keys(server: PostgresServer) -> Keys:
    return Keys(server)


@contextmanager
def old_snapshot(server: PostgresServer) -> Iterator[None]:
    """Somebody's transaction that still sees what is deleted while it lasts."""
    with psycopg.connect(f"host={server.home} user=mssgw dbname=contract") as stranger:
        stranger.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        stranger.execute("SELECT count(*) FROM journal")
        yield


async def erase(place: Place) -> list[str]:
    return list(await place.store.erase_finished(now=place.clock.now()))


async def scrubbed(place: Place, keys: Keys) -> None:
    """Erase until nothing is owed: counts of dead rows may come late from sessions that just ended."""
    async with asyncio.timeout(10):
        file = ""
        while file != keys.file:
            file = keys.file
            await erase(place)


async def test_a_key_erased_right_after_a_rewrite_goes_with_the_next_though_nothing_more_is_erased(
    open_postgres: OpenPlace, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_postgres() as place:
        await keys.done_with(place, "A")
        assert await erase(place) == ["A"]
        assert not keys.on_disk("A")
        file = keys.file
        await keys.done_with(place, "B")
        assert await erase(place) == ["B"]
        assert await erase(place) == []
        assert keys.file == file, "not so soon: all mail waits for it"
        assert keys.on_disk("B")
        monkeypatch.setattr(postgres_erasure, "_REWRITE_EVERY", 0.0)  # the minutes are over
        assert await erase(place) == []
        assert not keys.on_disk("B")
        await scrubbed(place, keys)


async def test_a_key_that_an_old_snapshot_kept_goes_after_it_has_ended(
    open_postgres: OpenPlace, keys: Keys, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_postgres() as place:
        await keys.done_with(place, "A")
        with old_snapshot(server):
            assert await erase(place) == ["A"]
            assert keys.on_disk("A")
        monkeypatch.setattr(postgres_erasure, "_REWRITE_EVERY", 0.0)
        assert await erase(place) == []
        assert not keys.on_disk("A")


async def test_a_node_that_leads_again_scrubs_what_another_deleted_meanwhile(
    open_postgres: OpenPlace, keys: Keys, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have died between deleting and scrubbing."""
    monkeypatch.setattr(postgres_erasure, "_REWRITE_EVERY", 0.0)
    async with open_postgres() as place:
        await scrubbed(place, keys)
        await keys.done_with(place, "A")
        server.sql("DELETE FROM deliveries; DELETE FROM data_keys; DELETE FROM messages", "contract")
        await erase(place)
        assert keys.on_disk("A"), "it led all the while, and owes nothing"
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid::int % 16 = 4")
        with pytest.raises(StoreUnavailable):
            await erase(place)
        await scrubbed(place, keys)
        assert not keys.on_disk("A")
