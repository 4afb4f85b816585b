"""What a spool of files promises beyond the contract."""

import asyncio
import itertools
import os
import resource
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mssgw.core.errors import Gone, StoreFull, StoreUnavailable, Undecryptable
from mssgw.edges.memory import MemoryStore
from mssgw.edges.spool_disk import SEGMENT
from mssgw.edges.spool_files import SpoolFiles
from mssgw.edges.spool_folders import found_spool
from mssgw.edges.spool_memory import MemoryBudget
from mssgw.ports import INLINE_LIMIT, BodySink
from tests.contract.conftest import new_spool
from tests.contract.letters import PDF
from tests.contract.spools import LARGE, cold, file_of, names, put, read


def delete(under: Path, pattern: str) -> None:
    for place in list(under.glob(pattern)):
        shutil.rmtree(place)


async def begun(files: SpoolFiles, spool_id: str, tmp_path: Path) -> BodySink:
    """In the middle of DATA: the first MiB is written, the rest waits for more."""
    sink = files.create(spool_id)
    await sink.write(LARGE * 2)
    async with asyncio.timeout(10):
        while (  # noqa: ASYNC110 - a thread writes it
            not names(tmp_path, spool_id) or file_of(spool_id, tmp_path).stat().st_size < 4 * SEGMENT
        ):
            await asyncio.sleep(0.001)
    return sink


def age(path: Path) -> None:
    """As though it had been written yesterday; or as though the clock had been set forward by a day since."""
    yesterday = time.time() - 86_400
    os.utime(path, (yesterday, yesterday))


async def test_sweep_spares_what_is_being_received(tmp_path: Path) -> None:
    clock = iter((0.0, 3600.0))
    files = new_spool(tmp_path / "spool", clock=lambda: next(clock))
    body = await put(files, "NEW", LARGE)
    old = await put(files, "OLD", LARGE)
    age(file_of("OLD", tmp_path))
    assert [await files.sweep(MemoryStore(), older_than=3600) for _ in range(2)] == [0, 1]
    assert await read(files, cold(body)) == LARGE
    with pytest.raises(Gone):
        await read(files, cold(old))


async def test_what_cannot_be_removed_keeps_nothing_else_there(tmp_path: Path) -> None:
    """A damaged disk, a file that somebody made immutable: the others go, and it is told each time."""
    clock = itertools.count(step=3600.0)
    files = new_spool(tmp_path / "spool", clock=lambda: next(clock))

    for name in "ABC":
        await put(files, name, LARGE)
        age(file_of(name, tmp_path))
    jammed = file_of("A", tmp_path)
    jammed.unlink()
    jammed.mkdir()  # not even root unlinks one
    age(jammed)
    with pytest.raises(StoreUnavailable):
        await files.remove("A", "B")
    assert sorted(names(tmp_path, "[ABC]")) == ["A", "C"]
    assert await files.sweep(MemoryStore(), older_than=3600) == 0
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await files.sweep(MemoryStore(), older_than=3600)
        assert names(tmp_path, "[ABC]") == ["A"]
    await files.close()


async def test_a_clock_that_is_set_forward_makes_no_file_garbage(tmp_path: Path) -> None:
    """It goes only when a sweep of this process saw it just so, long enough ago by a clock that nobody sets."""
    clock = iter((0.0, 3599.0, 3600.0, 7199.0, 7200.0))
    files = new_spool(tmp_path / "spool", clock=lambda: next(clock))

    async def sweep() -> int:
        return await files.sweep(MemoryStore(), older_than=3600)

    sink = await begun(files, "A", tmp_path)
    age(file_of("A", tmp_path))
    assert [await sweep(), await sweep()] == [0, 0]
    await sink.close(size=1)
    age(file_of("A", tmp_path))  # looks old again, but was written to in between: counted from here
    assert [await sweep(), await sweep(), await sweep()] == [0, 0, 1]
    await files.close()


async def test_a_body_whose_file_was_removed_meanwhile_is_not_accepted(files: SpoolFiles, tmp_path: Path) -> None:
    """By whoever it was: the sender is told 451 instead of 250."""
    for replaced in (False, True):
        sink = await begun(files, "A", tmp_path)
        path = file_of("A", tmp_path)
        path.unlink()
        if replaced:
            path.touch()
        with pytest.raises(StoreUnavailable) as raised:
            await sink.close(size=1)
        assert raised.value.reply.code == 451
        await sink.discard()


async def test_a_letter_is_not_gone_while_the_spool_is_elsewhere(files: SpoolFiles, tmp_path: Path) -> None:
    """Moved or not mounted: reading fails for the moment, writing too, and nothing is made where the spool is not."""
    body = cold(await put(files, "A", LARGE))
    spool, away = tmp_path / "spool", tmp_path / "away"
    spool.rename(away)
    for mount_point in (False, True):
        if mount_point:
            spool.mkdir()
        with pytest.raises(StoreUnavailable):
            await read(files, body)
        with pytest.raises(StoreUnavailable):
            await put(files, "B", LARGE)
        assert list(spool.rglob("*")) == []
    spool.rmdir()
    away.rename(spool)
    assert await read(files, body) == LARGE
    assert await read(files, cold(await put(files, "C", LARGE))) == LARGE


class Counted:
    """A Meter that keeps what it counts."""

    def __init__(self) -> None:
        self.counts: list[tuple[str, str]] = []

    def observe(self, name: str, value: float) -> None:
        pass

    def count(self, name: str, kind: str) -> None:
        self.counts.append((name, kind))


async def test_a_spool_that_keeps_and_gives_nothing_is_counted_so_until_a_probe_finds_it_well(tmp_path: Path) -> None:
    """Else the gateway would say that it is ready, and answer 451 to every letter with a document."""
    meter = Counted()
    files = new_spool(tmp_path / "spool", meter=meter)
    body = cold(await put(files, "A", LARGE))
    assert meter.counts == [("body", "kept")]
    (tmp_path / "spool").rename(tmp_path / "away")
    for failing in (put(files, "B", LARGE), read(files, body), files.probe()):
        meter.counts.clear()
        with pytest.raises(StoreUnavailable):
            await failing
        assert ("body", "kept") not in meter.counts
    (tmp_path / "away").rename(tmp_path / "spool")
    await files.probe()
    assert meter.counts == [("body", "kept")]
    assert names(tmp_path / "spool", "*/*") == ["A"], "a probe leaves nothing behind"
    await files.close()


async def test_what_stands_in_the_place_of_the_spool_neither_keeps_letters_nor_lacks_them(
    files: SpoolFiles, tmp_path: Path
) -> None:
    """A copy that an administrator made, or a backup: one writes to it and reads in it as in the spool itself."""
    body = cold(await put(files, "A", LARGE))
    spool, away = tmp_path / "spool", tmp_path / "away"
    begins = await begun(files, "B", tmp_path)
    spool.rename(away)
    found_spool(spool)
    with pytest.raises(StoreUnavailable, match="put it back"):
        await read(files, body)
    sink = await begun(files, "C", tmp_path)
    for each in (begins, sink):
        with pytest.raises(StoreUnavailable, match="taken away"):
            await each.close(size=1)
        await each.discard()
    assert [path for path in spool.rglob("*") if path.is_file()] == []
    shutil.rmtree(spool)
    away.rename(spool)
    assert await read(files, body) == LARGE
    assert await read(files, cold(await put(files, "D", LARGE))) == LARGE


@pytest.mark.parametrize("mount_point", [False, True])
async def test_no_spool_is_made_where_one_was(files: SpoolFiles, tmp_path: Path, mount_point: bool) -> None:
    """By a command, or by a worker that replaces another, while it is moved or not mounted."""
    spool, away = tmp_path / "spool", tmp_path / "away"
    body = cold(await put(files, "A", LARGE))
    spool.rename(away)
    if mount_point:
        spool.mkdir()
    with pytest.raises(StoreUnavailable) as raised:
        SpoolFiles(spool)
    question, _, advice = str(raised.value).partition("? ")
    assert question == f"no spool in {spool}: was it moved, is its disk mounted"
    assert list(spool.rglob("*")) == []
    command = advice.removeprefix("to go on without its letters: sudo -u mssgw ").split()
    await asyncio.to_thread(subprocess.run, command, check=True)
    await SpoolFiles(spool).close()
    shutil.rmtree(spool)
    away.rename(spool)
    again = SpoolFiles(spool)
    assert await read(again, body) == LARGE
    await again.close()


async def test_a_spool_that_was_deleted_is_made_anew_for_all_workers_together(tmp_path: Path) -> None:
    one, other = new_spool(tmp_path / "spool"), SpoolFiles(tmp_path / "spool")
    lost = cold(await put(one, "LOST", LARGE))
    delete(tmp_path, "spool")
    with pytest.raises(StoreUnavailable):
        await read(other, lost)
    first = cold(await put(one, "A", LARGE))
    with pytest.raises(Gone):
        await read(other, lost)
    second = cold(await put(other, "B", LARGE))
    assert [await read(one, second), await read(other, first)] == [LARGE, LARGE]
    await one.close()
    await other.close()


async def test_folders_that_are_missing_at_the_start_are_made(tmp_path: Path) -> None:
    """A backup may have left out those that were empty."""
    await new_spool(tmp_path / "spool").close()
    delete(tmp_path, "spool/?[1-9a-f]")
    files = SpoolFiles(tmp_path / "spool")
    await files.close()
    assert len(list((tmp_path / "spool").iterdir())) == 256


@pytest.mark.parametrize("pattern", ["spool", "spool/*"])
async def test_folders_that_were_deleted_are_made_anew(files: SpoolFiles, tmp_path: Path, pattern: str) -> None:
    lost = cold(await put(files, "LOST", LARGE))
    for number in range(2):
        delete(tmp_path, pattern)
        assert await read(files, cold(await put(files, f"A{number}", LARGE))) == LARGE
        assert file_of(f"A{number}", tmp_path).parent.stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
        with pytest.raises(Gone):
            await read(files, lost)


async def test_a_file_is_encrypted_and_ours_alone(files: SpoolFiles, tmp_path: Path) -> None:
    await put(files, "A", PDF * 1000)
    path = file_of("A", tmp_path)
    content = path.read_bytes()
    assert b"canary" not in content
    assert len(content) > len(PDF) * 1000
    assert path.stat().st_mode & 0o777 == 0o600
    assert {place.stat().st_mode & 0o777 for place in (path.parent, path.parent.parent)} == {0o700}


async def test_small_bodies_make_no_file(files: SpoolFiles, tmp_path: Path) -> None:
    await put(files, "A", LARGE[:INLINE_LIMIT])
    assert names(tmp_path, "A") == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"",
        lambda data: data[: SEGMENT + 16],
        lambda data: data[SEGMENT + 16 : 2 * SEGMENT + 32] + data[: SEGMENT + 16] + data[2 * SEGMENT + 32 :],
    ],
    ids=["bit", "last-bit", "cut", "longer", "empty", "one-segment", "reordered"],
)
async def test_a_changed_file_is_undecryptable_not_wrong(files: SpoolFiles, tmp_path: Path, damage: object) -> None:
    body = await put(files, "A", LARGE)
    path = file_of("A", tmp_path)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Undecryptable):
        await read(files, cold(body))


async def test_a_cut_is_seen_even_when_the_row_says_the_shorter_length(files: SpoolFiles, tmp_path: Path) -> None:
    """Whole segments only: the one that is last now does not say so of itself."""
    body = await put(files, "A", LARGE)
    path = file_of("A", tmp_path)
    path.write_bytes(path.read_bytes()[: 2 * (SEGMENT + 16)])
    with pytest.raises(Undecryptable):
        await read(files, replace(cold(body), wire_size=2 * SEGMENT))


async def test_another_key_or_anothers_file_does_not_decrypt(files: SpoolFiles, tmp_path: Path) -> None:
    a, b = await put(files, "A", LARGE), await put(files, "B", LARGE)
    with pytest.raises(Undecryptable):
        await read(files, replace(cold(a), key=b.key))
    file_of("A", tmp_path).write_bytes(file_of("B", tmp_path).read_bytes())
    with pytest.raises(Undecryptable):
        await read(files, replace(cold(a), key=b.key))


async def test_an_id_is_used_once(files: SpoolFiles) -> None:
    """Never write over a letter, whatever makes ids."""
    body = await put(files, "A", LARGE)
    with pytest.raises(StoreUnavailable):
        await put(files, "A", LARGE)
    assert await read(files, cold(body)) == LARGE


async def test_discarding_a_body_whose_id_was_taken_spares_the_other(files: SpoolFiles) -> None:
    body = await put(files, "A", LARGE)
    sink = files.create("A")
    with pytest.raises(StoreUnavailable):  # noqa: PT012 - at which of the two it is noticed does not matter
        await sink.write(LARGE)
        await sink.close(size=1)
    await sink.discard()
    assert await read(files, cold(body)) == LARGE


@pytest.mark.parametrize("spool_id", ["", "../A", "a/b", ".", "A" * 65, "é"])
async def test_an_id_that_is_no_file_name_is_refused(files: SpoolFiles, spool_id: str) -> None:
    with pytest.raises(ValueError, match="spool id"):
        files.create(spool_id)


async def test_hot_copies_stay_within_their_budget_and_give_it_back(tmp_path: Path) -> None:
    budget = MemoryBudget(2 * len(LARGE))
    spool = new_spool(tmp_path / "spool", hot_budget=budget)
    first = await put(spool, "A", LARGE)
    second = await put(spool, "B", LARGE)
    third = await put(spool, "C", LARGE)
    assert [body.hot is not None for body in (first, second, third)] == [True, True, False]
    assert await read(spool, third) == LARGE
    first = cold(first)
    assert (await put(spool, "D", LARGE)).hot is not None
    discarded = spool.create("E")
    await discarded.write(LARGE)
    await discarded.discard()
    del second
    assert budget.left == budget.limit
    await spool.close()


async def test_a_full_disk_is_452_and_leaves_nothing(files: SpoolFiles, tmp_path: Path) -> None:
    """A file-size limit stands in for the disk: the kernel then refuses the write as a full disk would."""

    def limit(octets: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))

    free, sink = files._budget.left, files.create("A")
    limit(SEGMENT)
    try:
        with pytest.raises(StoreFull) as raised:  # noqa: PT012 - at which write it is noticed does not matter
            for _ in range(8):
                await sink.write(LARGE)
        assert raised.value.reply.code == 452
    finally:
        limit(resource.RLIM_INFINITY)
    await sink.discard()
    assert names(tmp_path, "A") == []
    assert files._budget.left == free
    assert await read(files, cold(await put(files, "A", LARGE))) == LARGE


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.integers(min_value=0, max_value=SEGMENT + 1000), max_size=6))
def test_chunks_of_any_length_make_the_same_body(tmp_path: Path, chunks: list[int]) -> None:
    async def both() -> None:
        spool = new_spool(tmp_path / "spool")
        sink, expected = spool.create("A"), bytearray()
        for length in chunks:
            piece = os.urandom(length)
            expected += piece
            await sink.write(piece)
        body = await sink.close(size=len(expected))
        assert await read(spool, cold(body)) == expected
        await spool.remove("A")
        await spool.close()

    asyncio.run(both())
