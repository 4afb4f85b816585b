"""A gateway, a next hop, and what was promised between them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.client import Client, Promises, Refused
from tests.crash.judge import events, judge
from tests.crash.letters import Letters
from tests.crash.next_hop import NextHop
from tests.peers.gateway import GatewayProcess, Hops

RECOVERY = 10.0  # seconds: the promise
PATIENCE = 60.0  # seconds for all that is no promise: the machine may be busy


@dataclass
class Bench:
    """What a test of this suite works on."""

    gateway: GatewayProcess
    hop: NextHop
    letters: Letters
    workers: int = 1
    promises: Promises = field(default_factory=Promises)
    kills: list[float] = field(default_factory=list)

    async def send(self, size: int) -> str:
        """One letter over a connection of its own; returns its payload id."""
        letter = self.letters.make(size)
        with contextlib.suppress(Refused):
            async with Client(self.gateway.port) as client:
                await client.send(letter, self.promises)
        return letter.payload_id

    async def accepted(self, size: int) -> str:
        """The queue id of a letter that must be accepted."""
        payload_id = await self.send(size)
        assert payload_id in self.promises.accepted, self.promises.refused.get(payload_id)
        return self.promises.accepted[payload_id]

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

    async def start(self) -> None:
        """Start it and wait until it says that it is ready: it listens before, but does not hear signals yet."""
        before = len(self.events("gateway.ready"))
        await asyncio.to_thread(self.gateway.start)
        await self.ready(before)

    async def ready(self, before: int = 0) -> None:
        """All workers say so, and their supervisor."""
        await self.event("gateway.ready", before + (self.workers + 1 if self.workers > 1 else 1))

    async def stop(self) -> None:
        await asyncio.to_thread(self.gateway.stop)

    async def kill(self) -> None:
        self.kills.append(await asyncio.to_thread(self.gateway.kill))

    async def event(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the gateway's log has that event so many times; returns them all."""
        end = time.monotonic() + PATIENCE
        while len(found := self.events(name)) < count:
            assert time.monotonic() < end, f"no {name} in the log\n{self.gateway.last_log_lines()}"
            await asyncio.sleep(0.05)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in events(self.gateway.log()) if event.get("event") == name]

    def spool_files(self) -> list[Path]:
        return [path for path in (self.gateway.state_dir / "spool").rglob("*") if path.is_file()]

    async def verdict(self, *, copies: int = 0) -> None:
        """All that was promised arrives soon, and nothing that was refused."""
        await self.hop.wait_for(set(self.promises.accepted), limit=PATIENCE)
        await asyncio.to_thread(self.gateway.wait_until_nothing_waits, limit=PATIENCE)
        assert judge(self.promises, self.hop.arrivals, kills=self.kills, log=self.gateway.log()) <= copies
        assert not self.promises.permanent, self.promises.permanent


def prepare(seed: int, *, pause: float = 0.0, workers: int = 1) -> Bench:
    """Neither the gateway runs yet nor does the next hop listen."""
    hop = NextHop(pause=pause)
    # One worker: libfiu does not reach into forked ones, and the log tells of each reload once.
    gateway = GatewayProcess(Hops(operators=hop.port), settings={"gateway": {"workers": workers}})
    return Bench(gateway, hop, Letters(seed), workers)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """Both up."""
    async with bench.hop.listening():
        with bench.gateway:
            await bench.ready()
            yield bench
