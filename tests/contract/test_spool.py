"""The contract of ports.Spool, for every spool."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mssgw.core.errors import Gone
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.spool_disk import SEGMENT
from mssgw.edges.spool_files import SpoolFiles
from mssgw.edges.sql.bodies import SpoolSql
from mssgw.edges.sql.dialects import database
from mssgw.ports import INLINE_LIMIT, Spool
from tests.contract.conftest import wipe
from tests.contract.letters import Place
from tests.contract.spools import LARGE, cold, names, put, read
from tests.peers.postgresql import PostgresServer


@pytest.fixture(params=["memory", "files", "postgres"])
async def spool(request: pytest.FixtureRequest, files: SpoolFiles) -> AsyncIterator[Spool]:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("server")
        wipe(server)
        shared = SpoolSql(database(server.url("contract")))
        yield shared
        await shared.close()
    else:
        yield MemorySpool() if request.param == "memory" else files


@pytest.mark.parametrize(
    "size", [0, 1, INLINE_LIMIT, INLINE_LIMIT + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, len(LARGE)]
)
async def test_a_body_is_read_as_it_was_written(spool: Spool, size: int) -> None:
    """On both sides of every boundary, from memory and as after a restart."""
    content = LARGE[:size]
    body = await put(spool, "A", content)
    assert (body.spool_id, body.size, body.wire_size) == ("A", size - 1, size)
    assert (body.inline is not None) is (size <= INLINE_LIMIT)
    assert await read(spool, body) == content
    assert await read(spool, cold(body)) == content


async def test_a_discarded_body_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    for number, size in enumerate((10, SEGMENT + 10, 3 * SEGMENT)):
        sink = spool.create(f"A{number}")
        await sink.write(LARGE[:size])
        await sink.discard()
        await sink.discard()
    assert names(tmp_path, "A*") == []


async def test_a_removed_body_is_gone(spool: Spool) -> None:
    body = await put(spool, "A", LARGE)
    await spool.remove("A")
    await spool.remove("A")
    await spool.remove("never-was")
    with pytest.raises(Gone):
        await read(spool, cold(body))


async def test_bodies_are_removed_together(spool: Spool) -> None:
    bodies = [await put(spool, name, LARGE) for name in "AB"]
    await spool.remove("A", "B")
    for body in bodies:
        with pytest.raises(Gone):
            await read(spool, cold(body))


async def test_sweep_removes_files_without_a_row_and_no_others(spool: Spool) -> None:
    place = Place(store := MemoryStore(), store, FixedClock())
    kept = await put(spool, "KEPT", LARGE)
    await place.keep("KEPT", body=kept)
    garbage = await put(spool, "GARBAGE", LARGE)
    assert sum([await spool.sweep(store, older_than=-1) for _ in range(2)]) == 1  # the first one only looks
    assert await read(spool, cold(kept)) == LARGE
    with pytest.raises(Gone):
        await read(spool, cold(garbage))


async def test_a_database_clock_that_is_set_forward_makes_no_body_garbage(server: PostgresServer) -> None:
    """By hours, where it began wrong, or on the standby that took over: a letter that is coming in has no row yet."""
    wipe(server)
    clock = iter((0.0, 3599.0, 3600.0, 7199.0, 7200.0))
    shared = SpoolSql(database(server.url("contract")), clock=lambda: next(clock))

    def set_forward() -> None:
        server.sql("UPDATE body_segments SET written_at = written_at - 86400000000", "contract")

    async def sweep() -> int:
        return await shared.sweep(MemoryStore(), older_than=3600)

    sink = shared.create("A")
    await sink.write(LARGE * 2)
    async with asyncio.timeout(10):
        while not server.sql("SELECT 1 FROM body_segments", "contract"):  # noqa: ASYNC110 - a thread writes it
            await asyncio.sleep(0.01)
    set_forward()
    assert [await sweep(), await sweep()] == [0, 0]
    body = await sink.close(size=1)
    set_forward()  # looks old again, but was written to in between: counted from here
    assert [await sweep(), await sweep()] == [0, 0]
    assert await read(shared, cold(body)) == LARGE * 2
    assert await sweep() == 1
    await shared.close()
