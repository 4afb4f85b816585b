"""A disk that is full or broken: 452 or 451, never a permanent refusal, nothing lost, and back by itself."""

import asyncio
import contextlib
import resource
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash import faults
from tests.crash.client import Client, Promises, Refused
from tests.crash.faults import Fault, Faults
from tests.crash.judge import events, judge
from tests.crash.letters import LARGE, SMALL, Letters
from tests.crash.next_hop import NextHop
from tests.peers.gateway import GatewayProcess, Hops

RECOVERY = 10.0  # seconds: the promise
FAULTS = [
    (faults.DATABASE_WRITE_FULL, SMALL),
    (faults.DATABASE_WRITE_BROKEN, SMALL),
    (faults.DATABASE_SYNC_BROKEN, SMALL),
    (faults.DATABASE_SYNC_BROKEN, LARGE),
    (faults.SPOOL_SYNC_FULL, LARGE),
    (faults.SPOOL_SYNC_BROKEN, LARGE),
    (faults.SPOOL_OPEN_FULL, LARGE),
]


@dataclass
class Bench:
    """A gateway, its next hop, and what it promised."""

    gateway: GatewayProcess
    hop: NextHop
    letters: Letters
    promises: Promises = field(default_factory=Promises)
    kills: list[float] = field(default_factory=list)

    async def send(self, size: int) -> str:
        """One letter over a connection of its own; returns its payload id."""
        letter = self.letters.make(size)
        with contextlib.suppress(Refused):
            async with Client(self.gateway.port) as client:
                await client.send(letter, self.promises)
        return letter.payload_id

    async def accepted(self, size: int) -> None:
        payload_id = await self.send(size)
        assert payload_id in self.promises.accepted, self.promises.refused.get(payload_id)

    async def refused(self, size: int, code: int) -> None:
        payload_id = await self.send(size)
        assert payload_id not in self.promises.accepted, "a 250 for what cannot be durable"
        assert self.promises.refused[payload_id].startswith(str(code)), self.promises.refused[payload_id]

    async def recovers(self, size: int) -> None:
        """A letter is accepted within the promised time."""
        end = time.monotonic() + RECOVERY
        while (payload_id := await self.send(size)) not in self.promises.accepted:
            assert time.monotonic() < end, f"not back: {self.promises.refused.get(payload_id)}"
            await asyncio.sleep(0.2)

    async def restart_after_a_kill(self) -> None:
        self.kills.append(await asyncio.to_thread(self.gateway.kill))
        await asyncio.to_thread(self.gateway.start)

    async def verdict(self, *, copies: int = 0) -> None:
        """All that was promised arrives soon, and nothing that was refused."""
        await self.hop.wait_for(set(self.promises.accepted), limit=RECOVERY)
        await asyncio.to_thread(self.gateway.wait_until_nothing_waits, limit=RECOVERY)
        assert judge(self.promises, self.hop.arrivals, kills=self.kills, log=self.gateway.log()) <= copies
        assert not self.promises.permanent, self.promises.permanent


@asynccontextmanager
async def bench(seed: int) -> AsyncIterator[tuple[Bench, Faults]]:
    async with NextHop().listening() as hop:
        gateway = GatewayProcess(Hops(operators=hop.port))
        switch = Faults(gateway)
        with gateway:
            yield Bench(gateway, hop, Letters(seed)), switch


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
        assert spool_files(bed.gateway) == [], "files stay behind that no row knows"


@pytest.mark.usefixtures("needs_fiu")
@pytest.mark.parametrize("fault", [faults.DATABASE_WRITE_FULL, faults.DATABASE_SYNC_BROKEN], ids=str)
async def test_a_letter_that_was_delivered_while_the_database_fails_is_not_delivered_again(
    seed: int, fault: Fault
) -> None:
    """The next hop has taken it, and its outcome cannot be recorded: that is insisted on until it can."""
    async with bench(seed) as (bed, switch):
        bed.hop.open.clear()
        await bed.accepted(SMALL)
        await bed.accepted(LARGE)
        await bed.hop.wait_for_bodies(2, limit=RECOVERY)
        switch.begin(fault)
        bed.hop.open.set()
        await bed.hop.wait_for(set(bed.promises.accepted), limit=RECOVERY)
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
        for size in (SMALL, LARGE):
            await bed.accepted(SMALL)
            switch.begin(faults.DATABASE_SYNC_BROKEN)
            await bed.refused(size, 451)
            await bed.restart_after_a_kill()
        await bed.verdict(copies=2)
        assert not [event for event in events(bed.gateway.log()) if event["event"] == "letter.set_aside"]


async def test_a_body_that_cannot_be_read_for_a_moment_is_delivered_soon_after(seed: int) -> None:
    """A read error is the disk's trouble: the letter is neither set aside nor kept back until its lease lapses."""
    async with bench(seed) as (bed, _):
        bed.hop.open.clear()
        await bed.accepted(LARGE)
        await bed.hop.wait_for_bodies(1, limit=RECOVERY)
        bed.kills.append(await asyncio.to_thread(bed.gateway.kill))
        (body,) = spool_files(bed.gateway)
        body.rename(aside := bed.gateway.home / "aside")
        body.mkdir()  # reading it fails with EISDIR, for root too
        bed.hop.open.set()
        await asyncio.to_thread(bed.gateway.start)
        await asyncio.to_thread(wait_for_event, bed.gateway, "delivery.deferred")
        body.rmdir()
        aside.rename(body)
        await bed.verdict(copies=1)


async def test_a_full_file_system_defers_and_comes_back(seed: int) -> None:
    """A tmpfs of 24 MB, filled to the last block and emptied again."""
    async with NextHop().listening() as hop:
        gateway = GatewayProcess(Hops(operators=hop.port))
        with small_file_system(gateway.state_dir), gateway:
            bed = Bench(gateway, hop, Letters(seed))
            await bed.accepted(SMALL)
            await bed.accepted(LARGE)
            filler = gateway.state_dir / "filler"
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


async def test_files_that_may_not_grow_defer_and_come_back(seed: int) -> None:
    """The same without a file system of its own: the kernel's limit on the size of files."""
    async with NextHop().listening() as hop:
        with GatewayProcess(Hops(operators=hop.port)) as gateway:
            bed = Bench(gateway, hop, Letters(seed))
            await bed.accepted(LARGE)
            _, hard = resource.prlimit(gateway.group, resource.RLIMIT_FSIZE)
            resource.prlimit(gateway.group, resource.RLIMIT_FSIZE, (100_000, hard))
            for _ in range(3):
                await bed.refused(LARGE, 452)
            resource.prlimit(gateway.group, resource.RLIMIT_FSIZE, (hard, hard))
            await bed.recovers(LARGE)
            await bed.verdict()


@contextmanager
def small_file_system(place: Path) -> Iterator[None]:
    """Mount a small tmpfs there, which only root may."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(place)], capture_output=True, timeout=10
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


def wait_for_event(gateway: GatewayProcess, name: str) -> None:
    """Wait until the gateway's log has that event."""
    end = time.monotonic() + RECOVERY
    while not any(event.get("event") == name for event in events(gateway.log())):
        assert time.monotonic() < end, f"no {name} in the log"
        time.sleep(0.1)


def spool_files(gateway: GatewayProcess) -> list[Path]:
    return [path for path in (gateway.state_dir / "spool").rglob("*") if path.is_file()]
