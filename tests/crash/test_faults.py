"""A disk that is full or broken: 452 or 451, never a permanent refusal, nothing lost, and back by itself."""

import contextlib
import resource
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from mssgw.edges.sql.dialects import database
from tests.crash import faults
from tests.crash.bench import PATIENCE, Bench, prepare, running
from tests.crash.faults import Faults
from tests.crash.letters import LARGE, SMALL

FAULTS = [
    (faults.DATABASE_WRITE_FULL, SMALL),
    (faults.DATABASE_WRITE_BROKEN, SMALL),
    (faults.DATABASE_SYNC_BROKEN, SMALL),
    (faults.DATABASE_SYNC_BROKEN, LARGE),
    (faults.SPOOL_SYNC_FULL, LARGE),
    (faults.SPOOL_SYNC_BROKEN, LARGE),
    (faults.SPOOL_OPEN_FULL, LARGE),
]


@asynccontextmanager
async def bench(seed: int) -> AsyncIterator[tuple[Bench, Faults]]:
    bed = prepare(seed)
    switch = Faults(bed.gateway)
    async with running(bed):
        yield bed, switch


@pytest.mark.usefixtures("needs_fiu")
async def test_a_failing_disk_defers_and_comes_back(seed: int) -> None:
    """Each fault in turn: letters are deferred while it lasts, and accepted and delivered soon after it."""
    async with bench(seed) as (bed, switch):
        for fault, size in FAULTS:
            with noted(f"fault: {fault}"):
                switch.begin(fault)
                for _ in range(3):
                    await bed.refused(size, fault.reply)
                switch.end(fault)
                await bed.recovers(size)
        await bed.verdict()
        deferred = bed.events("letter.deferred_at_intake")
        doubtful = {event["queue_id"] for event in deferred if "mssgw.db" in event["error"]}
        left = {path.name for path in bed.spool_files()}
        assert left <= doubtful, "files stay behind that no row knows, but for commits that a recovery may read back"


@pytest.mark.usefixtures("needs_fiu")
async def test_a_letter_that_was_delivered_while_the_database_fails_is_not_delivered_again(seed: int) -> None:
    """The next hop has taken it, and its outcome cannot be recorded: that is insisted on until it can."""
    async with bench(seed) as (bed, switch):
        for fault in (faults.DATABASE_WRITE_FULL, faults.DATABASE_SYNC_BROKEN):
            with noted(f"fault: {fault}"):
                bed.hop.open.clear()
                begun = bed.hop.bodies_begun
                await bed.accepted(SMALL)
                await bed.accepted(LARGE)
                await bed.hop.wait_for_bodies(begun + 2, limit=PATIENCE)
                switch.begin(fault)
                bed.hop.open.set()
                await bed.hop.wait_for(set(bed.promises.accepted), limit=PATIENCE)
                await bed.refused(SMALL, fault.reply)
                switch.end(fault)
                await bed.recovers(SMALL)
        await bed.verdict()


@pytest.mark.usefixtures("needs_fiu")
async def test_a_refused_letter_does_not_come_back_from_the_wal(seed: int) -> None:
    """A commit whose sync failed stands in the WAL all the same: who is killed then may not read it back.

    Its sender was told 451 and tries again: the letter would come twice, under two queue ids.
    """
    async with bench(seed) as (bed, switch):
        for number, size in enumerate((SMALL, LARGE), 1):
            await bed.accepted(SMALL)
            await bed.event("delivery.delivered", number)
            switch.begin(faults.DATABASE_SYNC_BROKEN)
            await bed.refused(size, 451)
            await bed.kill()
            await bed.start()
        await bed.verdict()
        assert bed.events("letter.set_aside") == []


async def test_a_body_that_cannot_be_read_for_a_moment_is_delivered_soon_after(seed: int) -> None:
    """A read error is the disk's trouble: the letter is neither set aside nor kept back until its lease lapses."""
    async with bench(seed) as (bed, _):
        bed.hop.open.clear()
        await bed.accepted(LARGE)
        await bed.hop.wait_for_bodies(1, limit=PATIENCE)
        await bed.kill()
        (body,) = bed.spool_files()
        body.rename(aside := bed.gateway.home / "aside")
        body.mkdir()  # reading it fails with EISDIR, for root too
        bed.hop.open.set()
        await bed.start()
        await bed.event("delivery.deferred")
        body.rmdir()
        aside.rename(body)
        await bed.verdict(copies=1)


async def test_a_full_file_system_defers_and_comes_back(seed: int) -> None:
    """A tmpfs of 24 MB, filled to the last block and emptied again; no reserve warns before that."""
    bed = prepare(seed)
    reserve(bed, "0 B")
    filler = bed.gateway.state_dir / "filler"
    with small_file_system(bed.gateway.state_dir):
        async with running(bed):
            await bed.accepted(SMALL)
            await bed.accepted(LARGE)
            fill(filler)
            for _ in range(40):  # the WAL has some room of its own
                await bed.send(SMALL)
            await bed.refused(SMALL, 452)
            await bed.refused(LARGE, 452)
            assert all(line.startswith("452 4.3.1") for line in bed.promises.refused.values())
            filler.unlink()
            await bed.recovers(LARGE)
            await bed.recovers(SMALL)
            await bed.verdict()


async def test_the_disk_reserve_defers_while_what_is_here_still_goes_on(seed: int) -> None:
    """A tmpfs of 24 MB of which 12 are reserved: 452 before any commit can fail, and back by itself."""
    bed = prepare(seed)
    reserve(bed, "12 MiB")
    filler = bed.gateway.state_dir / "filler"
    with small_file_system(bed.gateway.state_dir):
        async with running(bed):
            await bed.accepted(SMALL)
            await bed.accepted(LARGE)
            filler.write_bytes(bytes(12 * 2**20))
            await bed.event("disk.reserve_reached")
            await bed.refused(SMALL, 452)
            await bed.refused(LARGE, 452)
            filler.unlink()
            await bed.event("disk.reserve_restored")
            await bed.recovers(LARGE)
            await bed.verdict()
            assert not bed.events("store.not_writable")


@pytest.mark.parametrize("inodes", ["", ",nr_inodes=4"])
def test_a_database_that_a_full_file_system_does_not_open_says_so(tmp_path: Path, inodes: str) -> None:
    """A worker opens it anew after any failure, and the first time with its first letter: 452 then, not 451."""
    with small_file_system(tmp_path, f"size=1m{inodes}"):
        place = database(f"sqlite:///{tmp_path}/mssgw.db")
        engine = place.engine(writing=True)
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("CREATE TABLE letters (id)")
        fill(tmp_path / "filler")
        with contextlib.suppress(OSError):
            for name in "abcd":  # names are used up, where there are few
                (tmp_path / name).touch()
        with pytest.raises(DBAPIError) as caught, engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("INSERT INTO letters VALUES (1)")
        assert (place.failure(caught.value).reply.code, place.failure(caught.value).reply.status) == (452, "4.3.1")


def reserve(bed: Bench, size: str) -> None:
    """Set [limits] disk_reserve before the gateway starts."""
    with bed.gateway.config_file.open("a") as file:
        file.write(f'\n[limits]\ndisk_reserve = "{size}"\n')


async def test_files_that_may_not_grow_defer_and_come_back(seed: int) -> None:
    """The same without a file system of its own: the kernel's limit on the size of files."""
    async with running(prepare(seed)) as bed:
        await bed.accepted(LARGE)
        _, hard = resource.prlimit(bed.gateway.group, resource.RLIMIT_FSIZE)
        resource.prlimit(bed.gateway.group, resource.RLIMIT_FSIZE, (100_000, hard))
        for _ in range(3):
            await bed.refused(LARGE, 452)
        resource.prlimit(bed.gateway.group, resource.RLIMIT_FSIZE, (hard, hard))
        await bed.recovers(LARGE)
        await bed.verdict()


@contextmanager
def small_file_system(place: Path, options: str = "size=24m,mode=0700") -> Iterator[None]:
    """Mount a small tmpfs there, which only root may."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, timeout=10
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs of our own: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=10)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4_096))


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Say in a failure where it happened."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise
