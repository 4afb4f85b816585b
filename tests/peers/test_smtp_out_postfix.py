"""Our outbound SMTP against Debian's Postfix as the next hop: what its own rules say to our dialogue."""

from pathlib import Path

import pytest

from mssgw.core.delivery import Bounced, Delivered
from mssgw.core.routes import TlsPolicy
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.ports import Body
from tests.peers.postfix import PostfixInstance
from tests.pki import Authority
from tests.wire.outbound import TRACE, Shelf, hot, inline, letter, route, to

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix")]

HEAD = b"From: cardiologie@hopital.example\r\nSubject: essai\r\n\r\n"
TEXTS = {
    "dots": b".\r\n..\r\n.a\r\n...\r\n",
    "eight-bit": bytes(range(128, 256)) + b"\r\n",
    "long-line": b"x" * 200_000 + b"\r\n",
    "many": b"".join(b"%06d " % n + b"y" * 60 + b"\r\n" for n in range(60_000)),
}


def stuffed(data: bytes) -> Body:
    wire = data.replace(b"\r\n.", b"\r\n..")
    if len(wire) <= 65_536:
        return inline(wire)
    return hot(*(wire[start : start + 65_536] for start in range(0, len(wire), 65_536)))


async def test_postfix_gets_over_verified_tls_exactly_what_we_were_given(tmp_path: Path) -> None:
    """Dots, 8-bit bytes, long lines and 4 MB, pipelined on one connection; an unknown mailbox is refused alone."""
    authority = Authority()
    context = authority.trusting_context()
    settings = {
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_chain_files": str(authority.issue(tmp_path, "127.0.0.1")),
        "virtual_mailbox_maps": "inline:{dr.alpha@x.example=inbox/}",
    }
    with PostfixInstance("next.example", domains=("x.example",), settings=settings) as postfix:
        out = SmtpTransport(hostname="gw.example", spool=Shelf(), tls_contexts=lambda _: context)
        there = route(postfix.port, tls=TlsPolicy.REQUIRE)
        for text in TEXTS.values():
            pair = to("dr.alpha@x.example", "dr.nobody@x.example")
            outcomes = await out.send(there, letter(stuffed(HEAD + text)), pair)
            assert isinstance(outcomes[0], Delivered)
            assert isinstance(outcomes[1], Bounced)
            assert outcomes[1].reply.status == "5.1.1"
        await out.close()
        arrived = [one.raw() for one in postfix.wait_for(len(TEXTS))]
        sessions = postfix.log().count(": connect from")
    for text in TEXTS.values():
        assert any(raw.endswith(TRACE + HEAD + text) for raw in arrived)
    assert sessions == 1 + 1  # the one that looked whether it listens, and ours
