"""The two worlds in which stories are played. Both run the same flow; only the edges differ."""

import asyncio
import contextlib
import smtplib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from mssgw.app import config as configuration
from mssgw.app import wiring
from mssgw.app.composition import Flow, assemble
from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.flow.live import Live
from mssgw.ports import Desk, Spool, Store, Stored
from tests.stories.story import PEERS, Story, message


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client heard, and at which command it ended."""

    stage: str
    code: int
    text: str
    refused: Mapping[str, str] = field(default_factory=dict)  # recipient to the reply that refused it alone


@dataclass(frozen=True, slots=True)
class Arrival:
    """A letter at a next hop."""

    sender: str
    recipient: str
    content: bytes


class Events:
    """ports.Telemetry that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, *, alarm: bool = False, **fields: str | int | float | None) -> None:
        self.seen.append((name, {"alarm": alarm, **fields}))


class World(Protocol):
    flow: Flow
    store: Store
    desk: Desk
    clock: FixedClock
    events: Events
    arrivals: list[Arrival]
    hops: dict[str, str]

    async def send(self, send: dict[str, Any]) -> Answer: ...


def outcome_of(hops: Mapping[str, str], delivery: Delivery, hop: str) -> Outcome:
    """What the next hops of a story answer for this recipient; 250 unless the story says otherwise."""
    code, status, text = (hops.get(delivery.domain) or "250 2.0.0 OK").split(" ", 2)
    reply = Reply(int(code), status, text)
    if reply.ok:
        return Delivered(reply=reply, next_hop=hop)
    return Deferred(reply=reply, next_hop=hop) if reply.transient else Bounced(reply=reply, next_hop=hop)


class CapturingTransport:
    """ports.Transport of the in-memory world."""

    def __init__(self, spool: Spool, arrivals: list[Arrival], hops: dict[str, str]) -> None:
        self._spool, self._arrivals, self._hops = spool, arrivals, hops

    async def send(self, route: Route, stored: Stored, deliveries: Sequence[Delivery]) -> Mapping[int, Outcome]:
        content = b"".join([chunk async for chunk in self._spool.read(stored.body)])
        sender = stored.envelope.reverse_path
        outcomes = {delivery.number: outcome_of(self._hops, delivery, route.host) for delivery in deliveries}
        for delivery in deliveries:
            if isinstance(outcomes[delivery.number], Delivered):
                to = delivery.forward_path.address.text
                self._arrivals.append(Arrival(sender.text if sender else "", to, content))
        return outcomes


def live_of(config: configuration.Config) -> Live:
    clients = wiring.clients(config)

    async def nobody(role: Role, login: str, password: str) -> None:
        return None

    return Live(wiring.settings(config), clients.at, nobody)


class MemoryWorld:
    """No sockets, no disk."""

    def __init__(self, config: configuration.Config) -> None:
        self.clock, self.events = FixedClock(), Events()
        self.arrivals, self.hops = list[Arrival](), dict[str, str]()
        twin, spool = MemoryStore(), MemorySpool()
        self.store, self.desk = twin, twin
        self.flow = assemble(
            store=twin,
            spool=spool,
            transport=CapturingTransport(spool, self.arrivals, self.hops),
            clock=self.clock,
            telemetry=self.events,
            live=live_of(config),
        )

    async def send(self, send: dict[str, Any]) -> Answer:
        peer, role_name = PEERS[send["as"]]
        role = Role(role_name)
        client = self.flow.reception.client_at(role, peer)
        sender = Address.parse(send["from"]) if send["from"] else None
        envelope = Envelope(
            reverse_path=sender,
            forward_paths=(),
            origin=Origin(role=role, client=client.name if client else "", peer=peer, person=send.get("person")),
        )
        if reply := await self.flow.reception.sender(client, envelope, send.get("size", 0)):
            return Answer("mail", reply.code, str(reply))
        assert client is not None
        refused = dict[str, str]()
        for to in send["to"]:
            path = ForwardPath(address=Address.parse(to))
            if reply := await self.flow.reception.recipient(client, envelope, path):
                refused[to] = str(reply)
            else:
                envelope = replace(envelope, forward_paths=(*envelope.forward_paths, path))
        if not envelope.forward_paths:
            reply_text = next(iter(refused.values()))
            return Answer("rcpt", int(reply_text[:3]), reply_text, refused)
        letter = self.flow.reception.letter(client, envelope)
        content = message(send)
        await letter.write(content)
        stuffed = content.count(b"\r\n.") + content.startswith(b".")
        final = await letter.end(size=len(content) - stuffed)
        return Answer("data", final.code, str(final), refused)


@contextlib.asynccontextmanager
async def memory_world(story: Story, folder: Path) -> AsyncIterator[World]:
    world = MemoryWorld(load_config(story, folder, {}))
    runner = asyncio.create_task(world.flow.deliverer.run())
    try:
        yield world
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        await world.flow.deliverer.stop(5)


def load_config(story: Story, folder: Path, ports: dict[str, int]) -> configuration.Config:
    free = {"establishment_port": 2525, "trust_port": 2526, "sink_port": 2527, **ports}
    key = folder / "master.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    path = folder / "mssgw.toml"
    path.write_text(story.config.format(dir=folder, **free), encoding="utf-8")
    return configuration.load(path)


def smtp_dialogue(port: int, peer: str, send: dict[str, Any]) -> Answer:
    """One letter by a plain client that stops at the first refusal of its whole."""
    with smtplib.SMTP(source_address=(peer, 0), timeout=20) as smtp:
        smtp.connect("127.0.0.1", port)
        smtp.ehlo("client.invalid")
        size = f" SIZE={send['size']}" if "size" in send else ""
        code, text = smtp.docmd(f"MAIL FROM:<{send['from']}>{size}")
        if code >= 400:
            return Answer("mail", code, f"{code} {text.decode()}")
        refused, last = {}, (0, b"")
        for to in send["to"]:
            last = smtp.docmd(f"RCPT TO:<{to}>")
            if last[0] >= 400:
                refused[to] = f"{last[0]} {last[1].decode()}"
        if len(refused) == len(set(send["to"])):
            return Answer("rcpt", last[0], f"{last[0]} {last[1].decode()}", refused)
        smtp.docmd("DATA")
        smtp.send(message(send) + b".\r\n")
        code, text = smtp.getreply()
        return Answer("data", code, f"{code} {text.decode()}", refused)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
