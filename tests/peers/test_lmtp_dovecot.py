"""Our LMTP against Debian's Dovecot: over a unix socket and over TCP with TLS, into real mailboxes."""

from collections.abc import Iterator

import pytest

from mssgw.core.delivery import Bounced, Deferred, Delivered
from mssgw.core.routes import Route, TlsPolicy
from mssgw.edges.lmtp_out import LmtpTransport
from mssgw.edges.tls import client_context
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.mail_store import HOST, SMALL
from tests.wire.outbound import TRACE, Shelf, hot, letter, route, to

LETTER = b"From: cardiologie@hopital.example\r\nSubject: essai\r\n\r\n..\r\n" + bytes(range(160, 256)) + b"\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore() as server:
        yield server


def transport(server: DovecotStore) -> LmtpTransport:
    context = client_context(ca_file=server.anchors, public=False)
    return LmtpTransport(hostname="gw.example", spool=Shelf(), tls_contexts=lambda _: context)


def to_store(server: DovecotStore, way: str) -> Route:
    if way == "socket":
        return route(0, host=str(server.lmtp_socket))
    tls = TlsPolicy.REQUIRE if way == "starttls" else TlsPolicy.NONE
    return route(server.lmtp_port, host=HOST, tls=tls)


@pytest.mark.parametrize("way", ["socket", "tcp", "starttls"])
async def test_a_letter_comes_to_every_mailbox_that_there_is(server: DovecotStore, way: str) -> None:
    """To the octet below the trace; who is unknown is refused alone, whose mailbox is full waits alone."""
    one, two, big = server.fresh(), server.fresh(), b"x" * 70 + b"\r\n"
    body = LETTER + big * 700
    out = transport(server)
    outcomes = await out.send(to_store(server, way), letter(hot(body)), to(one, "nobody@pharmacie.example", two, SMALL))
    await out.close()
    assert [type(outcomes[number]) for number in range(4)] == [Delivered, Bounced, Delivered, Deferred]
    assert outcomes[3].reply.status == "4.2.2"
    for account in (one, two):
        (stored,) = server.letters(account)
        assert stored.endswith(b"X-Mssgw-Id: Q1\r\n" + TRACE + body.replace(b"\r\n..\r\n", b"\r\n.\r\n"))
