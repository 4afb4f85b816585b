"""Letters, routes and a transport for the tests of outbound SMTP."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.clients import Client
from mssgw.core.delivery import Delivery, Outcome
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import GatewayError
from mssgw.core.facts import Facts, Policy
from mssgw.core.routes import Route, TlsPolicy
from mssgw.core.verdict import Admit
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.ports import Body, Stored
from tests.wire.scripted_server import ALL, ScriptedServer

LOCKSTEP = ALL[1:]
MANNERS = pytest.mark.parametrize("offers", [ALL, LOCKSTEP], ids=["pipelined", "one-by-one"])
NOW = datetime(2026, 11, 21, 19, 4, tzinfo=UTC)
SENDER = Address.parse("cardiologie@hopital.example")
LETTER = b"From: cardiologie@hopital.example\r\nSubject: essai\r\n\r\nBonjour\r\n"
ORIGIN = Origin(role=Role.ESTABLISHMENT, client="h", peer="192.0.2.7", helo="mx.hopital.example", protocol="ESMTPS")
TRACE = (
    b"Received: from mx.hopital.example ([192.0.2.7])\r\n\tby gw.example with ESMTPS id Q1;\r\n"
    b"\tSat, 21 Nov 2026 19:04:00 +0000\r\n"
)


class Shelf:
    """A spool that gives these segments, then raises ``then`` if there is one."""

    def __init__(self, *segments: bytes, then: GatewayError | None = None) -> None:
        self.segments, self.then = segments, then
        self.reads = 0

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        self.reads += 1
        for segment in self.segments:
            yield segment
        if self.then is not None:
            raise self.then


def inline(data: bytes) -> Body:
    stuffing = data.count(b"\r\n.") + data.startswith(b".")
    return Body(spool_id="Q1", key=bytes(32), size=len(data) - stuffing, wire_size=len(data), inline=data)


def hot(*segments: bytes) -> Body:
    data = b"".join(segments)
    return replace(inline(data), inline=None, hot=segments)


def spooled(length: int) -> Body:
    return Body(spool_id="Q1", key=bytes(32), size=length, wire_size=length)


def letter(body: Body | bytes = LETTER, **envelope: Any) -> Stored:
    said = {"reverse_path": SENDER, "forward_paths": (), "origin": ORIGIN} | envelope
    facts = Facts(
        envelope=Envelope(**said),
        client=Client(name="h", role=Role.ESTABLISHMENT),
        sender=SENDER,
        sender_party=Party.PROFESSIONAL,
        exchanges=(),
        policy=Policy(),
        taken_at=NOW,
    )
    body = inline(body) if isinstance(body, bytes) else body
    return Stored(spool_id="Q1", envelope=facts.envelope, facts=facts, verdict=Admit(), body=body, accepted_at=NOW)


def to(*addresses: str | ForwardPath) -> list[Delivery]:
    paths = (ForwardPath(address=Address.parse(one)) if isinstance(one, str) else one for one in addresses)
    return [
        Delivery(spool_id="Q1", number=n, forward_path=path, domain="x.example", created_at=NOW, due_at=NOW)
        for n, path in enumerate(paths)
    ]


ONE = to("dr.alpha@x.example")
THREE = to("dr.alpha@x.example", "dr.beta@x.example", "dr.gamma@x.example")


def route(server: ScriptedServer | int, *, host: str = "127.0.0.1", **more: Any) -> Route:
    port = server if isinstance(server, int) else server.port
    return Route(**({"name": "next", "host": host, "port": port, "tls": TlsPolicy.NONE} | more))


def no_tls(route: Route) -> ssl.SSLContext:
    raise AssertionError("this route asks for no TLS")


@asynccontextmanager
async def transport(**more: Any) -> AsyncIterator[SmtpTransport]:
    made = SmtpTransport(**({"hostname": "gw.example", "spool": Shelf(), "tls_contexts": no_tls} | more))
    try:
        yield made
    finally:
        await made.close()


async def sent(
    server: ScriptedServer, stored: Stored | None = None, deliveries: Sequence[Delivery] = ONE, **more: Any
) -> list[Outcome]:
    """One attempt by a transport of its own; the outcomes in the order of the deliveries."""
    async with transport(**more) as out:
        outcomes = await out.send(route(server), stored or letter(), deliveries)
    await server.settled()
    return [outcomes[one.number] for one in deliveries]
