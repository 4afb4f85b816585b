"""What ends before SMTP begins: flaws of chain, dates and purpose, old TLS, no TLS (TLS-1 to TLS-5)."""

import ssl
from dataclasses import dataclass, replace

import pytest

from mssgw.core.names import Name
from mssgw.edges import certificates
from mssgw.edges.smtpd_listener import TlsMode
from tests.pki import BOTH, Identity, Issuer, TrustSpace, self_signed
from tests.trust.gate import EHLO, dn, gate
from tests.trust.inbound.rows import DAY, HOST, MAIL, OTHER, RCPT, STRANGER, Made, accepted, listed, now, refused
from tests.wire.inbound import Peer


def signed_by_an_operator(space: TrustSpace) -> Identity:
    """An operator is no authority: what its key signs is worth nothing."""
    operator = space.operator(OTHER)
    forger = Issuer(dn(OTHER))
    forger.key, forger.certificate = operator.key, operator.certificate
    forged = forger.issue(dn(HOST), HOST)
    return Identity(forged.key, forged.certificate, (operator.certificate, *operator.intermediates))


@dataclass(frozen=True)
class Handshake:
    name: str
    made: Made
    alert: str
    reason: str
    version: ssl.TLSVersion | None = None


HANDSHAKES = [
    Handshake("another authority of the same name", lambda _: TrustSpace().operator(HOST), "UNKNOWN_CA", "issuer"),
    Handshake("self-signed", lambda _: self_signed(dn(HOST), HOST), "UNKNOWN_CA", "self-signed"),
    Handshake("signed by an operator", signed_by_an_operator, "UNKNOWN_CA", "CA"),
    Handshake("without its intermediate", lambda s: replace(listed(s), intermediates=()), "UNKNOWN_CA", "issuer"),
    Handshake("expired", lambda s: s.operator(HOST, not_after=now() - DAY), "CERTIFICATE_EXPIRED", "expired"),
    Handshake("not yet valid", lambda s: s.operator(HOST, not_before=now() + DAY), "BAD_CERTIFICATE", "not yet valid"),
    Handshake("for mail", lambda s: s.operator(HOST, purposes=("emailProtection",)), "UNSUPPORTED", "purpose"),
    Handshake("for servers only", lambda s: s.operator(HOST, purposes=("serverAuth",)), "UNSUPPORTED", "purpose"),
]
TLS_1_2 = [replace(row, name=f"{row.name}, TLS 1.2", version=ssl.TLSVersion.TLSv1_2) for row in HANDSHAKES]


@pytest.mark.parametrize("row", [*HANDSHAKES, *TLS_1_2], ids=lambda row: row.name)
async def test_a_flaw_in_chain_dates_or_purpose_ends_the_handshake(space, trust, tmp_path, row):
    """The peer sees a TLS alert; the log names the check and whose certificate it was (TLS-4, TLS-5)."""
    async with gate(space, tmp_path, trust) as here:
        identity = row.made(space)
        assert identity is not None
        assert row.alert in await here.alert(identity, version=row.version)
        line = here.line("trust.handshake_refused")
        assert (line["check"], line["listener"], line["peer"]) == ("chain", "outside", "127.0.0.1")
        assert row.reason in line["reason"]
        assert Name.parse(line["dn"]) == Name.of(dn(HOST))
        assert line["serial"] == f"{identity.serial:x}"
        assert here.kept_nothing()


@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2], ids=["TLS 1.3", "TLS 1.2"])
async def test_a_huge_certificate_that_is_refused_is_not_read(space, trust, tmp_path, version):
    """A stranger can make one of any size: the log says how large it was, and nothing of it is kept."""
    before = certificates._kept.cache_info()
    async with gate(space, tmp_path, trust) as here:
        huge = TrustSpace().intermediate.issue(dn(HOST), *(f"{n:04}.fr" for n in range(2000)))
        assert "UNKNOWN_CA" in await here.alert(huge, version=version)
        line = here.line("trust.handshake_refused")
        assert (line["octets"], "dn" in line) == (len(huge.der), False)
        await here.alert(TrustSpace().operator(HOST), version=version)
        assert here.kept_nothing()
    assert certificates._kept.cache_info() == before


@pytest.mark.parametrize("row", [row for row in HANDSHAKES if row.reason != "purpose"], ids=lambda row: row.name)
async def test_chain_and_dates_are_checked_whatever_the_purposes(space, trust, tmp_path, row):
    """The setting is about one check and loosens no other."""
    async with gate(space, tmp_path, trust, purposes=BOTH) as here:
        identity = row.made(space)
        assert row.alert in await here.alert(identity, version=row.version)
        line = here.line("trust.handshake_refused")
        assert (line["check"], line["serial"]) == ("chain", f"{identity.serial:x}")
        assert row.reason in line["reason"]
        assert here.kept_nothing()


async def test_tls_1_1_is_refused(space, trust, tmp_path):
    """TLS-2."""
    async with gate(space, tmp_path, trust) as here:
        reason = await here.alert(listed(space), version=ssl.TLSVersion.TLSv1_1)
        assert "PROTOCOL_VERSION" in reason
        assert here.line("smtp.tls.failed")["reason"] == "UNSUPPORTED_PROTOCOL"
        assert here.kept_nothing()


async def test_without_starttls_nothing_is_said(space, trust, tmp_path):
    """530 5.7.0, whatever network it comes from (TLS-1, WL-8)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.connect()
        for command in (MAIL, RCPT, "DATA", "VRFY a", "RSET"):
            assert (await peer.ask(command))[:9] == "530 5.7.0"
        await peer.close()
        assert here.line("smtp.refused")["status"] == "5.7.0"
        assert here.kept_nothing()


async def test_bytes_behind_starttls_are_never_executed(space, trust, tmp_path):
    """501 and the end, as without certificates."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.connect()
        await peer.send(f"STARTTLS\r\n{MAIL}\r\n".encode())
        assert (await peer.hear())[:9] == "501 5.5.2"
        assert await peer.hear() == ""
        assert here.line("smtp.refused")["code"] == 501
        assert here.kept_nothing()


async def test_implicit_tls_asks_for_certificates_as_well(space, trust, tmp_path):
    """TLS from the first byte."""
    async with gate(space, tmp_path, trust, tls=TlsMode.IMPLICIT) as here:

        async def over_tls(identity: Identity | None) -> Peer:
            peer = await here.knock(here.client_context(identity))
            assert (await peer.hear()).startswith("220")
            assert "STARTTLS" not in await peer.ask(EHLO)
            return peer

        for identity, event in ((space.operator(STRANGER), "operator_unlisted"), (None, "no_certificate")):
            peer = await over_tls(identity)
            await refused(peer, "554 5.7.1")
            await peer.close()
            assert here.line(f"trust.{event}")["code"] == 554
        assert here.kept_nothing()
        await accepted(here, await over_tls(listed(space)))
