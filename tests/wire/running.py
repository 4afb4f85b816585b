"""The real daemon as a process of its own, between a client and a next hop of the test, with its eyes open."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.installation import DOCTOR, IN_CLEAR, PATIENT, SERVE, environment, install
from tests.wire.inbound import Peer

PATIENCE = 30.0  # seconds after which a test that waits has failed
METRICS = '[metrics]\naddress = "127.0.0.1:0"'


class Hop:
    """A next hop that takes everything, or says ``reply`` to RCPT. ``letters``: how many it has."""

    def __init__(self) -> None:
        self.reply = ""
        self.letters = 0
        self._server: asyncio.Server | None = None

    async def listen(self) -> int:
        self._server = await asyncio.get_running_loop().create_server(lambda: _HopSession(self), "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        assert self._server is not None
        self._server.close()


class _HopSession(asyncio.Protocol):
    """As little SMTP as a next hop can do with, so that it is never what a test waits for."""

    transport: asyncio.Transport

    def __init__(self, hop: Hop) -> None:
        self._hop, self._data, self._pending, self._tail = hop, False, b"", b"\r\n"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 hop.exemple.fr\r\n")

    def data_received(self, data: bytes) -> None:
        if self._data:
            self._tail = (self._tail + data[-5:])[-5:]
            if self._tail != b"\r\n.\r\n":
                return
            self._data, self._tail = False, b"\r\n"
            self._hop.letters += 1
            self.transport.write(b"250 2.0.0 OK\r\n")
            return
        *lines, self._pending = (self._pending + data).split(b"\r\n")
        for n, line in enumerate(lines):
            self.transport.write(self._answer(line[:4].upper()) + b"\r\n")
            if self._data:
                rest, self._pending = b"\r\n".join([*lines[n + 1 :], self._pending]), b""
                if rest:
                    self.data_received(rest)
                return

    def _answer(self, verb: bytes) -> bytes:
        match verb:
            case b"EHLO":
                return b"250-hop.exemple.fr\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 100000000"
            case b"RCPT" if self._hop.reply:
                return self._hop.reply.encode()
            case b"DATA" if not self._hop.reply:
                self._data = True
                return b"354 go on"
            case b"DATA":
                return b"554 5.5.1 no recipient"
            case b"QUIT":
                return b"221 2.0.0 bye"
            case _:
                return b"250 2.0.0 OK"


class Daemon:
    """``mssgw serve``. ``log``: every event so far."""

    def __init__(self, process: asyncio.subprocess.Process, hop: Hop) -> None:
        self.process, self.hop = process, hop
        self.log: list[dict[str, Any]] = []
        self.raw = bytearray()
        self._heard = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.raw += line
            if line.startswith(b"{"):
                self.log.append(json.loads(line))
            self._heard.set()
        self._heard.set()

    async def said(self, event: str, since: int = 0) -> dict[str, Any]:
        """The first line of this event from the ``since``-th on; waits for it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self._heard.clear()
                for line in self.log[since:]:
                    if line["event"] == event:
                        return line
                assert not self._listening.done(), bytes(self.raw[-3000:])
                await self._heard.wait()

    @property
    def pid(self) -> int:
        return self.process.pid

    async def port(self) -> int:
        return int((await self.said("gateway.listening"))["port"])

    async def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Status, header fields in lower case, and body of one of its pages."""
        return await http(int((await self.said("metrics.listening"))["port"]), f"{method} {path} HTTP/1.0\r\n\r\n")

    async def scrape(self) -> dict[str, float]:
        """``name{label="value"}`` of each sample to its value."""
        status, _, body = await self.get("/metrics")
        assert status == 200
        return samples(body.decode())

    async def shows(self, wanted: Mapping[str, float]) -> dict[str, float]:
        """Scrape until these samples have these values."""
        seen: dict[str, float] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    seen = await self.scrape()
                    if all(seen[name] == value for name, value in wanted.items()):
                        return seen
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError({name: seen.get(name) for name in wanted}) from None

    async def readyz(self, ready: bool) -> dict[str, Any]:
        """Ask until it says so; what it says then."""
        async with asyncio.timeout(PATIENCE):
            while True:
                status, _, body = await self.get("/readyz")
                told: dict[str, Any] = json.loads(body)
                assert status == (200 if told["ready"] else 503)
                if told["ready"] is ready:
                    return told
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Peer]:
        """A client of the establishment, greeted."""
        async with asyncio.timeout(PATIENCE):
            peer = Peer(*await asyncio.open_connection("127.0.0.1", await self.port(), **options))
        try:
            assert (await peer.hear()).startswith("220 ")
            assert (await peer.ask("EHLO serveur.chu.fr")).startswith("250")
            yield peer
        finally:
            await peer.close()

    async def send(self, content: bytes, to: str = PATIENT, sender: str = DOCTOR) -> str:
        """A letter; the reply to its final dot."""
        async with self.client() as peer:
            return await send(peer, content, to, sender)

    def rss(self) -> int:
        """Octets of memory that are really there."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            await self.process.wait()
            await self._listening
        self.hop.close()


async def send(peer: Peer, content: bytes, to: str = PATIENT, sender: str = DOCTOR) -> str:
    await peer.envelope(f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>")
    return await peer.data(content)


def letter(subject: str = "essai", text: bytes = b"Bonjour\r\n") -> bytes:
    head = f"From: {DOCTOR}\r\nTo: {PATIENT}\r\nMessage-ID: <{os.urandom(8).hex()}@chu>\r\nSubject: {subject}\r\n\r\n"
    return head.encode() + text


def large(octets: int) -> bytes:
    """A letter of about that many octets."""
    line = b"0123456789abcdef" * 4 + b"\r\n"
    return letter(text=line * (octets // len(line)))


def samples(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(each.labels.items()))
            found[f"{each.name}{{{labels}}}" if labels else each.name] = each.value
    return found


async def http(port: int, request: str | bytes) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request.encode() if isinstance(request, str) else request)
            answer = await reader.read()
        finally:
            writer.transport.abort()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), fields, body


@asynccontextmanager
async def running(
    folder: Path,
    *,
    store: str = "",
    limits: str = "",
    metrics: str = METRICS,
    listener: str = IN_CLEAR,
    workers: int = 1,
    **environ: str,
) -> AsyncIterator[Daemon]:
    """A daemon that is ready. Its configuration and state lie in ``folder``."""
    hop = Hop()
    install(folder, metrics, hop=await hop.listen(), store=store, limits=limits, listener=listener, workers=workers)
    process = await asyncio.create_subprocess_exec(
        *SERVE,
        env=environment(folder, **environ),
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    daemon = Daemon(process, hop)
    try:
        await daemon.said("gateway.ready")
        yield daemon
    finally:
        if process.returncode is None:
            await daemon.stop()
