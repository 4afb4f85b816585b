"""What nobody may have whose right to it is not proved: not one octet of a letter (TLS-1...7)."""

import asyncio
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mssgw.core.delivery import DISTRUSTED
from tests import pki
from tests.trust.courier import MX, OFFERS, THEIRS, courier, server, showing, told_nothing
from tests.trust.outbound.rows import HOUR, NOW, delivered, waits
from tests.wire.scripted_server import CLOSE, ScriptedServer


@dataclass(frozen=True)
class Row:
    """``peer`` makes the server; ``check`` fails, ``status`` is the letter's; ``detail`` stands in the log."""

    name: str
    peer: Callable[[pki.TrustSpace, Path], ScriptedServer]
    status: str
    check: str = ""
    detail: str = ""
    dn: str = ""


def of(make: Callable[[pki.TrustSpace], pki.Identity]) -> Callable[[pki.TrustSpace, Path], ScriptedServer]:
    return lambda space, folder: server(showing(make(space), folder, space))


def tls_1_1(space: pki.TrustSpace, folder: Path) -> ScriptedServer:
    context = showing(space.operator(MX), folder, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return Alerting(None, offers=OFFERS, tls=context)


class Alerting(ScriptedServer):
    """One that sends its alert when the handshake fails, as servers do; asyncio's closes without a word."""

    async def _answer(self, moment: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        said = await super()._answer(moment, reader, writer)
        if moment == "STARTTLS":
            assert self.tls is not None
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = self.tls.wrap_bio(incoming, outgoing, server_side=True)
            refused = False
            while not refused:
                incoming.write(await reader.read(65_536))
                try:
                    tls.do_handshake()
                except ssl.SSLError as error:
                    refused = not isinstance(error, ssl.SSLWantReadError)
                writer.write(outgoing.read())
                await writer.drain()
            await reader.read()
            raise ConnectionError
        return said


def suspicious(version: ssl.TLSVersion) -> Callable[[pki.TrustSpace, Path], ScriptedServer]:
    """One that does not trust ours: that is expired there, say."""

    def make(space: pki.TrustSpace, folder: Path) -> ScriptedServer:
        context = showing(space.operator(MX), folder, pki.TrustSpace())
        context.minimum_version = context.maximum_version = version
        return Alerting(None, offers=OFFERS, tls=context)

    return make


def plain(script: dict[str, object] | None = None, offers: tuple[str, ...] | None = None):
    def make(space: pki.TrustSpace, folder: Path) -> ScriptedServer:
        given = {} if offers is None else {"offers": offers}
        return server(showing(space.operator(MX), folder, space), script, **given)

    return make


def elsewhere(host: str, *hosts: str, **choices: object) -> Callable[[pki.TrustSpace], pki.Identity]:
    return lambda space: space.intermediate.issue(pki.operator_dn(host), *(hosts or (MX,)), **choices)


def many_names(*pairs: tuple[str, str]) -> Callable[[pki.TrustSpace], pki.Identity]:
    return lambda space: space.intermediate.issue(pairs, MX)


ROWS = [
    Row("no STARTTLS", plain(offers=("SIZE 50000000", "AUTH PLAIN")), "4.7.4"),
    Row("STARTTLS refused", plain({"STARTTLS": b"454 4.7.0 TLS not available\r\n"}), "4.7.4"),
    Row("STARTTLS answered with nonsense", plain({"STARTTLS": b"250 2.0.0 fine, go on\r\n"}), "4.7.4"),
    Row("closed at STARTTLS", plain({"STARTTLS": CLOSE}), "4.4.2"),
    Row("self-signed", of(lambda _: pki.self_signed(pki.operator_dn(MX), MX)), DISTRUSTED, "chain", "self-signed"),
    Row("wrong authority", of(lambda _: pki.TrustSpace().operator(MX)), DISTRUSTED, "chain", ""),
    Row("expired", of(lambda s: s.operator(MX, not_after=NOW - HOUR)), DISTRUSTED, "chain", "expired"),
    Row("not yet valid", of(lambda s: s.operator(MX, not_before=NOW + HOUR)), DISTRUSTED, "chain", "not yet valid"),
    Row("clientAuth only", of(lambda s: s.operator(MX, purposes=("clientAuth",))), DISTRUSTED, "chain", "purpose"),
    Row("another host", of(elsewhere(MX, "mx.ailleurs.fr")), DISTRUSTED, "host", "mismatch"),
    Row("an unlisted DN", of(elsewhere("mx.inconnu.fr")), DISTRUSTED, "operator", "", "mx.inconnu.fr"),
    Row("the DN of another domain", of(elsewhere("mx.autre.fr")), DISTRUSTED, "domain", "", "mx.autre.fr"),
    Row("no CN", of(many_names(("O", "GIP"), ("C", "FR"))), DISTRUSTED, "subject"),
    Row("two CNs", of(many_names(("CN", MX), ("CN", "mx.autre.fr"), ("C", "FR"))), DISTRUSTED, "subject"),
    Row("a wildcard", of(many_names(("CN", "*.hopital.fr"), ("C", "FR"))), DISTRUSTED, "subject"),
    Row("a NUL in the CN", of(many_names(("CN", f"{MX}\0.evil.fr"), ("C", "FR"))), DISTRUSTED, "subject"),
    Row("TLS 1.1 only", tls_1_1, "4.7.4 La negociation TLS avec le serveur suivant echoue"),
    Row("ours refused, TLS 1.2", suspicious(ssl.TLSVersion.TLSv1_2), "4.7.0 Le serveur suivant refuse le certificat"),
    Row("ours refused, TLS 1.3", suspicious(ssl.TLSVersion.TLSv1_3), "4.7.0 Le serveur suivant refuse le certificat"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_whoever_is_not_trusted_gets_nothing(space, trust, tmp_path, row: Row) -> None:
    """And an administrator hears of it, once with the reason and once with the letter."""
    async with courier(tmp_path, space, trust) as gw, row.peer(space, tmp_path) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    assert peer.sessions, "the peer was never asked"
    assert told_nothing(peer)
    assert await gw.states() == ["queued"]
    assert row.status in await gw.last_reply()
    if row.check:
        [line] = gw.lines("delivery.peer_not_trusted")
        assert (line["check"], line["domain"], line["host"]) == (row.check, THEIRS, MX)
        assert row.detail in line["detail"]
        assert row.dn in line["dn"]
        assert len(peer.sessions[0].commands) <= 2, "no second EHLO"
    else:
        [line] = gw.lines("delivery.connection_failed")
        assert line["status"] == row.status[:5]
    assert gw.alarms() == ([] if row.status == "4.4.2" else ["delivery.deferred"])


@pytest.mark.parametrize(
    "injected", [b"250-evil\r\n250 AUTH PLAIN\r\n", b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n"]
)
async def test_what_a_hostile_server_says_in_clear_after_starttls_is_forgotten(
    space, honest, trust, tmp_path, injected
) -> None:
    """RFC 3207 section 4.2: or a go-between would answer for the operator whom it cannot be."""
    script = {"STARTTLS": b"220 go\r\n" + injected}
    stranger = space.intermediate.issue(pki.operator_dn("mx.autre.fr"), MX)
    async with courier(tmp_path, space, trust) as gw:
        async with server(showing(stranger, tmp_path, space), script) as peer:
            gw.port = peer.port
            await gw.keep()
            await gw.attempt()
        await waits(gw, peer, "454 4.7.5 ", "domain")
        async with server(showing(honest, tmp_path, space), script) as peer:
            gw.port = peer.port
            await gw.attempt()
        assert peer.commands.count("EHLO gw.example") == 2
    await delivered(gw, peer)


async def test_a_spoofed_mx_gets_no_mail(space, trust, tmp_path) -> None:
    """Another operator, valid and listed, whom a forged DNS names as our recipient's: the list says otherwise."""
    forged = space.operator("mx.autre.fr")
    async with courier(tmp_path, space, trust) as gw, server(showing(forged, tmp_path, space)) as peer:
        gw.port = peer.port
        gw.zone |= {(f"{THEIRS}.", "MX"): ["10 mx.autre.fr."], ("mx.autre.fr.", "A"): ["127.0.0.1"]}
        await gw.keep()
        await gw.attempt()
    await waits(gw, peer, "454 4.7.5 ", "domain")
    [line] = gw.lines("delivery.peer_not_trusted")
    assert (line["host"], line["domain"]) == ("mx.autre.fr", THEIRS)
