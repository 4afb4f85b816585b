"""The inbound edge under test: a recording reception behind it, a client in front of it that speaks as scripted."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mssgw.core.clients import Client
from mssgw.core.envelope import Envelope, ForwardPath, Role
from mssgw.core.replies import Reply
from mssgw.core.trust import Chain, Distrust
from mssgw.edges.smtp_in import Listener, SmtpIn
from mssgw.ports import Login, PatientDoor

PATIENCE = 10.0  # seconds after which a test that waits has failed
QUEUED = Reply(250, "2.0.0", "OK queued as 42")
HOSPITAL = Client(name="hopital", role=Role.ESTABLISHMENT, domains=frozenset({"hopital.fr"}))
LETTER = b"Subject: bonjour\r\n\r\nDu texte.\r\n"


@dataclass(slots=True, kw_only=True)
class Letter:
    """A letter as the edge handed it over; ``end`` is "end" or "abort", once."""

    envelope: Envelope
    script: "Recorder"
    content: bytes = b""
    size: int = -1
    end_called: list[str] = field(default_factory=list)
    refused_with: Reply | None = None

    async def write(self, chunk: bytes) -> None:
        assert not self.end_called
        if self.script.write_gate is not None:
            await self.script.write_gate.wait()
        if self.script.write_error is not None:
            raise self.script.write_error
        self.content += chunk

    async def end(self, *, size: int, client: Client | None = None) -> Reply:
        self.end_called.append("end")
        self.size = size
        self.script.committing.set()
        if self.script.end_gate is not None:
            await self.script.end_gate.wait()
        if self.script.end_error is not None:
            raise self.script.end_error
        self.script.kept.append(self)
        return self.script.verdict

    async def abort(self, reply: Reply | None = None) -> None:
        self.end_called.append("abort")
        self.refused_with = reply
        if self.script.abort_error is not None:
            raise self.script.abort_error


@dataclass(slots=True, kw_only=True)
class Recorder:
    """ports.Reception by script. ``letters``: all that began, ``kept``: those that were committed."""

    client: Client | None = HOSPITAL
    admits: Callable[[Chain], Client | Distrust] | None = None
    logins: Mapping[tuple[str, str], Client] = field(default_factory=dict)
    login_error: Exception | None = None
    refuse_sender: Reply | None = None
    refuse_recipients: Mapping[str, Reply] = field(default_factory=dict)
    recipient_error: Exception | None = None
    write_error: Exception | None = None
    write_gate: asyncio.Event | None = None
    end_error: Exception | None = None
    abort_error: Exception | None = None
    end_gate: asyncio.Event | None = None
    verdict: Reply = QUEUED
    senders: list[tuple[Client | None, Envelope, int]] = field(default_factory=list)
    asked: list[ForwardPath] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    kept: list[Letter] = field(default_factory=list)
    committing: asyncio.Event = field(default_factory=asyncio.Event)
    patients: PatientDoor | None = None

    def client_at(self, role: Role, peer: str) -> Client | None:
        return self.client

    def operator(self, chain: Chain) -> Client | Distrust | None:
        return None if self.admits is None else self.admits(chain)

    async def authenticate(self, role: Role, login: str, password: str) -> Client | None:
        if self.login_error is not None:
            raise self.login_error
        return self.logins.get((login, password))

    def login(self, role: Role, name: str) -> Login | None:
        """The password stands for its hash."""
        found = [(password, client) for (login, password), client in self.logins.items() if login == name]
        return Login(name=name, client=found[0][1], password_hash=found[0][0]) if found else None

    async def sender(self, client: Client | None, envelope: Envelope, declared_size: int) -> Reply | None:
        self.senders.append((client, envelope, declared_size))
        return self.refuse_sender

    async def recipient(self, client: Client, envelope: Envelope, forward_path: ForwardPath) -> Reply | None:
        self.asked.append(forward_path)
        if self.recipient_error is not None:
            raise self.recipient_error
        return self.refuse_recipients.get(forward_path.address.key)

    def letter(self, client: Client, envelope: Envelope) -> Letter:
        self.letters.append(Letter(envelope=envelope, script=self))
        return self.letters[-1]


def listener(**fields: object) -> Listener:
    """An establishment's listener in clear, unless the fields say otherwise."""
    values = {"name": "test", "role": Role.ESTABLISHMENT, "hostname": "gw.example.fr", "size_limit": 10_000}
    return Listener(**(values | fields))  # type: ignore[arg-type]


class Peer:
    """A client on a real socket. What it sends is what the test says, to the octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def hear(self) -> str:
        """The next reply, lines joined by "|"; "" when the connection is closed."""
        lines = []
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    line = (await self.reader.readline()).decode()
                except ConnectionError:
                    line = ""
                if not line:
                    return "|".join(lines)
                assert line.endswith("\r\n")
                lines.append(line[:-2])
                if line[3:4] != "-":
                    return "|".join(lines)

    async def ask(self, command: str) -> str:
        """Send one command and hear the reply."""
        await self.send(command.encode() + b"\r\n")
        return await self.hear()

    async def hear_all(self, count: int) -> list[str]:
        return [await self.hear() for _ in range(count)]

    async def envelope(self, mail: str = "MAIL FROM:<dr@hopital.fr>", *rcpts: str) -> None:
        """MAIL and RCPT, which must be accepted."""
        assert (await self.ask(mail)).startswith("250 2.1.0 ")
        for rcpt in rcpts or ("RCPT TO:<patient@ville.fr>",):
            assert (await self.ask(rcpt)).startswith("250 2.1.5 ")

    async def data(self, wire: bytes = LETTER) -> str:
        """DATA, content in wire form, the final dot; the reply to it."""
        assert (await self.ask("DATA")).startswith("354 ")
        await self.send(wire + b".\r\n")
        return await self.hear()

    async def starttls(self, trust: ssl.SSLContext) -> None:
        assert (await self.ask("STARTTLS")).startswith("220 2.0.0 ")
        await self.upgrade(trust)

    async def upgrade(self, trust: ssl.SSLContext) -> None:
        """The handshake alone."""
        async with asyncio.timeout(PATIENCE):
            await self.writer.start_tls(trust, server_hostname="localhost")

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(PATIENCE):
                await self.writer.wait_closed()


class House:
    """A listener that runs, and its peers."""

    def __init__(self, door: SmtpIn, reception: Recorder, port: int) -> None:
        self.door, self.reception, self.port = door, reception, port
        self._peers: list[Peer] = []

    async def connect(self, trust: ssl.SSLContext | None = None, *, at: str = "127.0.0.1") -> Peer:
        """Connect from ``at``, over TLS at once when ``trust`` is given; the greeting is not read yet."""
        tls = {"ssl": trust, "server_hostname": "localhost"} if trust else {}
        async with asyncio.timeout(PATIENCE):
            peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(at, 0), **tls))
        self._peers.append(peer)
        return peer

    async def meet(self, trust: ssl.SSLContext | None = None, hello: str = "EHLO serveur.hopital.fr") -> Peer:
        """Connect, be greeted and say hello."""
        peer = await self.connect(trust)
        assert await peer.hear() == "220 gw.example.fr ESMTP"
        if hello:
            assert (await peer.ask(hello)).startswith("250")
        return peer

    async def quiet(self, connections: int = 0) -> None:
        """Wait until no more than so many connections of the listener are left."""
        async with asyncio.timeout(PATIENCE):
            while self.door.connections > connections:  # noqa: ASYNC110 - nothing tells, and nothing else should
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()


@asynccontextmanager
async def house(reception: Recorder | None = None, **fields: object) -> AsyncIterator[House]:
    """Open a listener with these fields on a loopback port."""
    reception = reception or Recorder()
    door = SmtpIn(reception, listener(**fields))
    home = House(door, reception, await door.listen("127.0.0.1", 0))
    try:
        yield home
    finally:
        await home.close()
        await door.stop(within=2)
