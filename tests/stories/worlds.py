"""The in-memory world, and what both worlds share. Both run the same flow; only the edges differ."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as readable
from pathlib import Path
from typing import Any, Protocol

from mssgw.app import config as configuration
from mssgw.app import wiring
from mssgw.app.composition import Flow, assemble
from mssgw.core.clients import Client
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Lease, Outcome
from mssgw.core.envelope import Envelope, Origin, Role
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.edges.smtpd_auth import BAD_CREDENTIALS
from mssgw.flow.live import Live
from mssgw.formats.smtp_args import parse_mail, parse_rcpt
from mssgw.formats.trace_fields import trace_fields
from mssgw.formats.wire import unstuffed
from mssgw.ports import Desk, Known, Login, Patients, Question, Spool, StillOurs, Store, Stored, always
from tests.pki import Authority
from tests.stories.letters import message
from tests.stories.people import PEERS, filled, name
from tests.stories.story import Story


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client heard, and at which command it ended."""

    stage: str
    text: str
    refused: Mapping[str, str] = field(default_factory=dict)  # recipient to the reply that refused it alone


@dataclass(frozen=True, slots=True)
class Arrival:
    """A letter at a next hop, without stuffed dots."""

    sender: str
    recipient: str
    content: bytes

    @property
    def who(self) -> str:
        return f"{name(self.sender)} -> {name(self.recipient)}"

    @property
    def parsed(self) -> EmailMessage:
        return BytesParser(policy=readable).parsebytes(self.content)


class Events:
    """ports.Telemetry that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        self.seen.append((name, {"alarm": alarm, "failure": repr(failure), **fields}))


class SlowStore:
    """A store that may take its time before it says what it knows (SD-10), and whose claims can be watched."""

    def __init__(self, store: Store) -> None:
        self._store, self.seconds = store, 0.0
        self.claims = self.claiming = 0  # begun so far, running now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def know(self, question: Question) -> Sequence[Known]:
        await asyncio.sleep(self.seconds)
        return await self._store.know(question)

    async def claim(self, *, now: datetime, lease: Lease, limit: int, lapsed: bool = True) -> Sequence[Delivery]:
        self.claims, self.claiming = self.claims + 1, self.claiming + 1
        try:
            return await self._store.claim(now=now, lease=lease, limit=limit, lapsed=lapsed)
        finally:
            self.claiming -= 1


class World(Protocol):
    flow: Flow
    live: Live
    configured: Settings  # at the start
    store: SlowStore
    desk: Desk
    spool: Spool
    patients: Patients
    clock: FixedClock
    events: Events
    arrivals: list[Arrival]
    hops: dict[str, str]

    async def send(self, send: dict[str, Any]) -> Answer: ...


def answer_of(hops: Mapping[str, str], domain: str) -> str:
    """What the next hops of a story answer for recipients of this domain; 250 unless the story says otherwise."""
    return hops.get(domain.lower(), "250 2.1.5 OK")


class CapturingTransport:
    """ports.Transport of the in-memory world."""

    def __init__(self, spool: Spool, arrivals: list[Arrival], hops: dict[str, str], *, traced: bool = False) -> None:
        """``traced``: with the header fields that the real ones prepend."""
        self._spool, self._arrivals, self._hops, self._traced = spool, arrivals, hops, traced

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        above = trace_fields(
            stored.facts, hostname="gw.mssgw.invalid", spool_id=stored.spool_id, accepted_at=stored.accepted_at
        )
        content = (above if self._traced else b"") + unstuffed(
            b"".join([chunk async for chunk in self._spool.read(stored.body)])
        )
        sender = stored.envelope.reverse_path
        outcomes = {delivery.number: self._outcome(delivery, route.host) for delivery in deliveries}
        for delivery in deliveries:
            if isinstance(outcomes[delivery.number], Delivered):
                to = delivery.forward_path.address.text
                self._arrivals.append(Arrival(sender.text if sender else "", to, content))
        return outcomes

    def _outcome(self, delivery: Delivery, hop: str) -> Outcome:
        code, status, text = answer_of(self._hops, delivery.forward_path.address.domain).split(" ", 2)
        reply = Reply(int(code), status, text)
        if reply.ok:
            return Delivered(reply=reply, next_hop=hop)
        return Deferred(reply=reply, next_hop=hop) if reply.transient else Bounced(reply=reply, next_hop=hop)


class MemoryWorld:
    """No sockets, no disk."""

    def __init__(self, config: configuration.Config) -> None:
        self.live = live_of(config)
        self.configured = self.live.settings
        self.clock, self.events = FixedClock(), Events()
        self.arrivals, self.hops = list[Arrival](), dict[str, str]()
        twin, spool = MemoryStore(self.clock), MemorySpool()
        self.store = SlowStore(twin)
        self.desk: Desk = twin
        self.spool: Spool = spool
        self.patients: Patients = twin.patients
        self.flow = assemble(
            validators=MemoryValidators(),
            store=self.store,
            spool=spool,
            transport=CapturingTransport(spool, self.arrivals, self.hops, traced=True),
            clock=self.clock,
            telemetry=self.events,
            live=self.live,
            patients=self.patients,
        )

    async def send(self, send: dict[str, Any]) -> Answer:
        """The dialogue that an edge would have with the flow."""
        peer, role_name = PEERS[send["as"]]
        client = self.flow.reception.client_at(Role(role_name), peer)
        person = send.get("login")
        if "password" in send:
            found = await self._logged_in(send["login"], send["password"])
            if not isinstance(found, Login):
                return Answer("auth", str(found or BAD_CREDENTIALS))
            client, person = found.client, None
        asked = parse_mail(f"FROM:<{send['from']}> {send.get('mail', '')}".strip())
        envelope = Envelope(
            reverse_path=asked.reverse_path,
            forward_paths=(),
            origin=Origin(role=Role(role_name), client=client.name if client else "", peer=peer, person=person),
            ret=asked.ret,
            envid=asked.envid,
        )
        if reply := await self.flow.reception.sender(client, envelope, asked.size):
            return Answer("mail", str(reply))
        assert client is not None
        refused = dict[str, str]()
        for to in send["to"]:
            path = parse_rcpt(f"TO:<{to}> {send.get('rcpt', '')}".strip())
            if reply := await self.flow.reception.recipient(client, envelope, path):
                refused[to] = str(reply)
            else:
                envelope = replace(envelope, forward_paths=(*envelope.forward_paths, path))
        if not envelope.forward_paths:
            return Answer("rcpt", list(refused.values())[-1], refused)
        return Answer("data", str(await self._data(client, envelope, message(send))), refused)

    async def _logged_in(self, name: str, password: str) -> Login | Reply | None:
        door = self.flow.reception.patients
        assert door is not None
        found = await door.log_in(name, password)
        assert not isinstance(found, Login) or await door.stands(found)
        return found

    async def _data(self, client: Client, envelope: Envelope, content: bytes) -> Reply:
        letter = self.flow.reception.letter(client, envelope)
        await letter.write(content)
        return await letter.end(size=len(unstuffed(content)))


@contextlib.asynccontextmanager
async def memory_world(story: Story, folder: Path) -> AsyncIterator[World]:
    world = MemoryWorld(load_config(story, folder, {}))
    async with delivering(world.flow):
        yield world


@contextlib.asynccontextmanager
async def delivering(flow: Flow) -> AsyncIterator[None]:
    """Run the queue meanwhile."""
    runner = asyncio.create_task(flow.deliverer.run())
    try:
        yield
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        await flow.deliverer.stop(5)


def live_of(config: configuration.Config) -> Live:
    async def nobody(role: Role, login: str, password: str) -> None:
        return None

    async def check(known: str | None, password: str) -> bool:
        return known == hashed(password)

    return Live(wiring.settings(config), wiring.clients(config).at, nobody, check_password=check)


def hashed(password: str) -> str:
    """What stands for an Argon2id hash, in no time."""
    return hashlib.sha256(password.encode()).hexdigest()


def load_config(story: Story, folder: Path, ports: dict[str, int]) -> configuration.Config:
    """The story's configuration, through the real loader."""
    values = {"dir": folder, "establishment_port": 2525, "trust_port": 2526, "sink_port": 2527, "patient_port": 2528}
    values |= ports
    if "listener.pem" in story.config:
        Authority().issue(folder, "gw.mssgw.invalid").rename(folder / "listener.pem")
    key = folder / "master.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    path = folder / "mssgw.toml"
    path.write_text(filled(story.config, {name: str(value) for name, value in values.items()}), encoding="utf-8")
    return configuration.load(path)
