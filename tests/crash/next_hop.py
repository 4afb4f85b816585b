"""A next hop that notes whatever it says 250 to, in this process, so that it outlives every kill of the gateway."""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.crash.client import shut
from tests.crash.letters import digest
from tests.peers.ports import free_port

_END = b"\r\n.\r\n"
_LONGEST = 16 * 2**20
_TRACE = re.compile(rb"\AReceived: from [^\r]*\r\n\tby mssgw\.ch-test\.invalid[^\r]* id (\S+);\r\n\t[^\r]*\r\n")
_PAYLOAD_ID = re.compile(rb"^X-Payload-Id: (\S+)\r$", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message that was taken. ``digest``: SHA-256 of all below the gateway's trace field."""

    opened: float  # when its connection was accepted, in seconds since the epoch
    at: float  # just before the 250 was written
    payload_id: str
    message_id: str
    queue_id: str
    digest: str


class NextHop:
    """Listens on ``port``; says 250 after up to ``pause`` seconds, and never while ``open`` is not set."""

    def __init__(self, *, pause: float = 0.0) -> None:
        self.port = free_port()
        self.arrivals: list[Arrival] = []
        self.open = asyncio.Event()
        self.open.set()
        self.bodies_begun = 0
        self._pause, self._random = pause, random.Random()
        self._moved = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["NextHop"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_LONGEST)
        try:
            yield self
        finally:
            server.close()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    @property
    def payload_ids(self) -> set[str]:
        return {arrival.payload_id for arrival in self.arrivals}

    async def wait_for(self, payload_ids: set[str], *, limit: float) -> None:
        """Wait until all of these arrived; after ``limit`` seconds it returns too: the judge tells what is missing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while not payload_ids <= self.payload_ids:
                    self._moved.clear()
                    await self._moved.wait()

    async def wait_for_bodies(self, count: int, *, limit: float) -> None:
        """Wait until so many bodies were received in all, answered or not."""
        async with asyncio.timeout(limit):
            while self.bodies_begun < count:
                self._moved.clear()
                await self._moved.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._dialogue(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway was killed, or the test is over
        finally:
            self._running.discard(task)
            await shut(writer)

    async def _dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = time.time()
        writer.write(b"220 mx.operator.invalid ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-mx.operator.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = (await reader.readuntil(_END))[:-3]
                await self._take(content.replace(b"\r\n..", b"\r\n."), opened, writer)
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 ok\r\n")

    async def _take(self, content: bytes, opened: float, writer: asyncio.StreamWriter) -> None:
        self.bodies_begun += 1
        self._moved.set()
        await asyncio.sleep(self._random.random() * self._pause)
        await self.open.wait()
        self.arrivals.append(arrival(content, opened))
        writer.write(b"250 taken\r\n")
        self._moved.set()


def arrival(content: bytes, opened: float) -> Arrival:
    """What the next hop notes of one message."""
    trace = _TRACE.match(content)
    assert trace, f"the first field is not the gateway's trace: {content[:200]!r}"
    payload_id, message_id = _PAYLOAD_ID.search(content), _MESSAGE_ID.search(content)
    assert payload_id, "a letter without its X-Payload-Id"
    assert message_id, "a letter without its Message-ID"
    return Arrival(
        opened=opened,
        at=time.time(),
        payload_id=payload_id[1].decode(),
        message_id=message_id[1].decode(),
        queue_id=trace[1].decode(),
        digest=digest(content[trace.end() :]),
    )
