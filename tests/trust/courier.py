"""The way out of a gateway in the trust space: real queue, real SMTP, real DNS; the peers are servers of the tests."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from structlog.testing import capture_logs

from mssgw.app.composition import Flow, assemble
from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.delivery import Delivery, Outcome
from mssgw.core.envelope import Role
from mssgw.core.message import MessageHead
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.identity import Files, Identity
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.edges.resolver import DnsResolver
from mssgw.edges.smtp_limits import Timeouts
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.flow.live import Live
from mssgw.ports import StillOurs, Stored, Trust, always
from tests import pki
from tests.contract.letters import acceptance
from tests.stories.worlds import Events
from tests.wire.scripted_server import ALL, ScriptedServer

OURS = "ch.mssante.fr"
SECRETARY = Address.parse(f"secretariat@{OURS}")
THEIRS = "hopital.mssante.fr"
MX = "mx.hopital.fr"
COLLEAGUE = Address.parse(f"dr.martin@{THEIRS}")
QUICK = Timeouts(connect=2, greeting=2, command=2, data=2, final=2, attempt=8, quit=0.2)
OFFERS = (*ALL, "STARTTLS", "AUTH PLAIN")
ESTABLISHMENT = Client(name="ch", role=Role.ESTABLISHMENT, domains=frozenset({OURS}))

Zone = dict[tuple[str, str], list[str]]


class NameServer(asyncio.DatagramProtocol):
    """Answers from a gateway's zone; what it does not know does not exist."""

    def __init__(self, of: "Courier") -> None:
        self.of = of

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        if records := self.of.zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *records))
        elif not any(known == name for known, _ in self.of.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), peer)


class Courier:
    """A gateway that has letters to send. ``log``: lines of the edge; ``events``: those of the flow."""

    def __init__(self, folder: Path, space: pki.TrustSpace, trust: Trust, **given: Any) -> None:
        self.folder, self.space = folder, space
        self.store, self.clock, self.events = MemoryStore(), FixedClock(), Events()
        self.log: list[Any] = []
        self.zone: Zone = {(f"{THEIRS}.", "MX"): [f"10 {MX}."], (f"{MX}.", "A"): ["127.0.0.1"]}
        self.certificate, self.key = space.operator("mx.ch.fr").write_apart(folder, "ours")
        files = Files(certificate=self.certificate, key=self.key, anchors=space.write_anchors(folder))
        self.identity = Identity(files, telemetry=self.events)
        self.port = 0
        routes = RouteTable(given.get("by_domain", {}), trust.listed)
        settings = Settings(hostname="gw.example", routes=routes, owners={OURS: "ch"})
        self.live = Live(settings, lambda *_: ESTABLISHMENT, _nobody)
        self.trust = trust
        self.flow: Flow
        self.transport: SmtpTransport

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        """ports.Transport: servers of the tests cannot listen on port 25."""
        return await self.transport.send(replace(route, port=self.port), stored, deliveries, still_ours)

    async def keep(self, spool_id: str = "Q1", *recipients: Address) -> None:
        """A letter is in the queue."""
        given = acceptance(spool_id, self.clock, recipients=recipients or (COLLEAGUE,), sender=SECRETARY)
        await self.store.accept(replace(given, facts=replace(given.facts, head=MessageHead(message_id="<1@ch>"))))

    async def attempt(self) -> None:
        """One attempt for everything that is queued."""
        due = [row.delivery.due_at for row in await self.store.queue(limit=99, state="queued")]
        self.clock.at = max([self.clock.at, *due])
        before = len(self.outcomes)
        async with asyncio.timeout(20):
            while len(self.outcomes) < before + len(due) or not self.flow.deliverer.idle:
                self.flow.deliverer.wake()
                await asyncio.sleep(0)

    @property
    def outcomes(self) -> list[Any]:
        names = ("delivery.delivered", "delivery.deferred", "delivery.bounced")
        return [each for each in self.events.seen if each[0] in names]

    async def states(self) -> list[str]:
        """Of the letters, notices left out."""
        rows = [
            each
            for state in ("queued", "delivered", "bounced")
            for each in await self.store.queue(limit=99, state=state)
        ]
        return [str(row.delivery.state) for row in rows if row.delivery.spool_id.startswith("Q")]

    async def last_reply(self) -> str:
        [row] = [row for row in await self.store.queue(limit=99) if row.delivery.spool_id.startswith("Q")]
        reply = row.delivery.last_reply
        return f"{reply.code} {reply.status} {reply.text}" if reply else ""

    def lines(self, event: str) -> list[Mapping[str, Any]]:
        return [each for each in self.log if each["event"] == event]

    def alarms(self) -> list[str]:
        return [name for name, fields in self.events.seen if fields.get("alarm")]


async def _nobody(*_: object) -> None:
    return None


@asynccontextmanager
async def courier(folder: Path, space: pki.TrustSpace, trust: Trust, **given: Any) -> AsyncIterator[Courier]:
    """One that works; on leaving, all of it stands still."""
    made = Courier(folder, space, trust, **given)
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(lambda: NameServer(made), ("127.0.0.1", 0))
    made.transport = SmtpTransport(
        hostname="gw.example",
        spool=MemorySpool(),
        tls_contexts=lambda route: made.identity.pair.client,
        resolver=DnsResolver(["127.0.0.1"], udp.get_extra_info("sockname")[1], lifetime=2),
        timeouts=QUICK,
        trust=trust,
    )
    made.flow = assemble(
        validators=MemoryValidators(),
        store=made.store,
        spool=MemorySpool(),
        transport=made,
        clock=made.clock,
        telemetry=made.events,
        live=made.live,
    )
    task = asyncio.create_task(made.flow.deliverer.run())
    try:
        with capture_logs() as made.log:
            yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.flow.deliverer.stop(1.0)
        await made.transport.close()
        udp.close()


def showing(identity: pki.Identity, folder: Path, ours: pki.TrustSpace) -> ssl.SSLContext:
    """The context of an operator's server: shows this certificate, and wants one below our hierarchy."""
    context = pki.server_context(identity.write(folder))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pki.pem_of(ours.root.certificate).decode())
    return context


def server(tls: ssl.SSLContext | None, script: Any = None, **given: Any) -> ScriptedServer:
    return ScriptedServer(script, **({"offers": OFFERS, "tls": tls} | given))


def told_nothing(peer: ScriptedServer) -> bool:
    """Nothing of a letter, and no password: not even that there is one."""
    said = any(one.startswith(("MAIL", "RCPT", "DATA", "AUTH")) for one in peer.commands)
    return not said and not peer.bodies and not any(session.unfinished for session in peer.sessions)
