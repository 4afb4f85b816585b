"""A listener of the trust space under test, over the real flow, and operators in front of it with real certificates."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from mssgw.app.composition import Flow, assemble
from mssgw.core.addresses import domain_key
from mssgw.core.delivery import Delivered, Delivery, Outcome
from mssgw.core.envelope import Role
from mssgw.core.names import Name
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.anchors import Anchors
from mssgw.edges.clock import SystemClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.edges.smtp_in import Listener, SmtpIn
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.edges.tls_mutual import peer_context
from mssgw.flow.live import Live
from mssgw.ports import Clock, StillOurs, Stored, Trust, always
from tests.pki import Identity, Pairs, TrustSpace, operator_dn, pem_of
from tests.stories.worlds import Events
from tests.trust.twin import TrustTwin
from tests.wire.inbound import Peer

PATIENCE = 10.0
OURS = "ch.mssante.fr"
DOCTOR = f"dr.martin@{OURS}"
EHLO = "EHLO mta.operateur.fr"


class Gate:
    """The listener that runs. ``log``: events of the edge; ``events``: those of the flow."""

    def __init__(self, space: TrustSpace, folder: Path, trust: Trust) -> None:
        self.space, self.folder, self.trust = space, folder, trust
        self.store, self.spool, self.events = MemoryStore(), MemorySpool(), Events()
        self.log: list[Any] = []
        self.handed_on: list[Stored] = []
        self.peers: list[Peer] = []
        self.door: SmtpIn
        self.flow: Flow
        self.port = 0

    @property
    def told(self) -> list[str]:
        return [each["event"] for each in self.log]

    def line(self, event: str) -> Mapping[str, Any]:
        """The one line of this event."""
        [found] = [each for each in self.log if each["event"] == event]
        return found

    def decided(self, event: str) -> list[Mapping[str, Any]]:
        """What the flow told by this name."""
        return [fields for name, fields in self.events.seen if name == event]

    def refusal(self, event: str = "letter.refused") -> Mapping[str, Any]:
        """The one refusal by policy."""
        [found] = self.decided(event)
        return found

    def kept_nothing(self) -> bool:
        """No letter, no delivery, no conversation, no file; nothing handed on, and nothing said to be accepted."""
        has = self.store._has
        kept = has.messages or has.queue or has.conversations or has.letters or self.spool.files
        return not (kept or self.handed_on or self.decided("letter.accepted"))

    async def handed(self, count: int) -> list[Stored]:
        """Wait until so many letters were handed on; these, each kept, accepted and delivered once in the log."""
        async with asyncio.timeout(PATIENCE):
            while len(self.decided("delivery.delivered")) < count or not self.flow.deliverer.idle:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        ids = [stored.spool_id for stored in self.handed_on]
        assert len(set(ids)) == len(ids) == count
        assert sorted(ids) == sorted(self.store._has.messages)
        for event in ("letter.accepted", "delivery.delivered"):
            assert sorted(fields["queue_id"] for fields in self.decided(event)) == sorted(ids)
        return self.handed_on

    async def send(
        self, route: Route, stored: Stored, deliveries: list[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        self.handed_on.append(stored)
        return {each.number: Delivered(reply=Reply(250, "2.0.0", "OK"), next_hop="mx") for each in deliveries}

    def client_context(
        self, identity: Identity | None = None, *, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """How an operator connects: trusts our hierarchy, shows this certificate with its intermediates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem_of(self.space.root.certificate).decode())
        if version is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is what we want to see refused
                context.minimum_version = context.maximum_version = version
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        if identity is not None:
            context.load_cert_chain(identity.write(self.folder))
        return context

    async def knock(self, context: ssl.SSLContext | None = None) -> Peer:
        """A connection, over TLS at once when there is a context; nothing is read yet."""
        tls = {"ssl": context, "server_hostname": "localhost"} if context else {}
        async with asyncio.timeout(PATIENCE):
            peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, **tls))
        self.peers.append(peer)
        return peer

    async def connect(self) -> Peer:
        """A peer that said EHLO in clear."""
        peer = await self.knock()
        assert (await peer.hear()).startswith("220 ")
        assert "STARTTLS" in await peer.ask(EHLO)
        return peer

    async def meet(self, identity: Identity | None, *, version: ssl.TLSVersion | None = None) -> Peer:
        """A peer that said EHLO over TLS, with this certificate."""
        peer = await self.connect()
        await peer.starttls(self.client_context(identity, version=version))
        assert (await peer.ask(EHLO)).startswith("250")
        return peer

    async def alert(self, identity: Identity | None, *, version: ssl.TLSVersion | None = None) -> str:
        """The TLS alert that this peer sees."""
        peer = await self.connect()
        try:
            await peer.starttls(self.client_context(identity, version=version))
            peer.writer.write(b"EHLO mta.operateur.fr\r\nMAIL FROM:<a@b.fr>\r\nRCPT TO:<c@d.fr>\r\nDATA\r\nx\r\n.\r\n")
            async with asyncio.timeout(PATIENCE):
                heard = await peer.reader.read()
        except ssl.SSLError as error:
            await self.quiet()
            return str(error.reason)
        raise AssertionError(heard)

    async def quiet(self) -> None:
        """Wait until no connection is left."""
        async with asyncio.timeout(PATIENCE):
            while self.door.connections:  # noqa: ASYNC110 - nothing tells, and nothing else should
                await asyncio.sleep(0.005)


def letter(sender: str, to: str = DOCTOR, *fields: str) -> bytes:
    head = [f"From: <{sender}>", f"To: <{to}>", "Message-ID: <1@operateur>", "Subject: essai", *fields]
    return "\r\n".join([*head, "", "Bonjour", ""]).encode()


@asynccontextmanager
async def gate(
    space: TrustSpace,
    folder: Path,
    trust: Trust,
    *,
    purposes: tuple[str, ...] = ("clientAuth",),
    tls: TlsMode = TlsMode.STARTTLS,
    clock: Clock | None = None,
) -> AsyncIterator[Gate]:
    """Open a listener that trusts this hierarchy. ``clock``: of the flow, beside the machine's own."""
    gate = Gate(space, folder, trust)
    settings = Settings(
        hostname="gw.example.fr",
        routes=RouteTable({OURS: Route(name="ch", host="mx.ch", inward=True)}, trust.listed),
        owners={OURS: "ch"},
    )
    live = Live(settings, lambda role, peer: None, _nobody, purposes=frozenset(purposes))
    gate.flow = flow = assemble(
        validators=MemoryValidators(),
        store=gate.store,
        spool=gate.spool,
        transport=gate,
        clock=clock or SystemClock(),
        present=SystemClock(),
        telemetry=gate.events,
        live=live,
        trust=trust,
    )
    certificate, key = space.operator("localhost").write_apart(folder, "ours")
    context = peer_context(certificate, key, anchors=Anchors.read(space.write_anchors(folder)), purposes=purposes)
    listener = Listener(
        name="outside",
        role=Role.TRUST_SPACE,
        hostname="gw.example.fr",
        size_limit=100_000,
        tls=tls,
        context=context,
        require_tls=True,
        peers=True,
    )
    gate.door = SmtpIn(flow.reception, listener)
    with capture_logs() as gate.log:
        gate.port = await gate.door.listen("127.0.0.1", 0)
        try:
            yield gate
        finally:
            for peer in gate.peers:
                await peer.close()
            await gate.door.stop(within=1)
            await flow.deliverer.stop(1)


async def _nobody(role: Role, login: str, password: str) -> None:
    return None


def twin(listed: Mapping[str, list[Pairs]]) -> TrustTwin:
    """A white list of these domains."""
    return TrustTwin(listed_names={domain_key(name): {Name.of(each) for each in dns} for name, dns in listed.items()})


def dn(host: str) -> Pairs:
    return operator_dn(host)
