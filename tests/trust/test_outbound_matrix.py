"""The way out between operators: no octet of a letter to anybody whose right to it is not proved (TLS-1...7, WL-8).

Each row: what the peer saw, what the log says, and that the letter is still there.
"""

import asyncio
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mssgw.core.addresses import Address, domain_key
from mssgw.core.delivery import DISTRUSTED
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.names import Name
from mssgw.core.routes import Route, TlsPolicy
from mssgw.core.trust import LIST_UNUSABLE, UNLISTED_DOMAIN
from tests import pki
from tests.trust.courier import ESTABLISHMENT, MX, OFFERS, SECRETARY, THEIRS, courier, server, showing, told_nothing
from tests.trust.real import RealTrust
from tests.wire.scripted_server import CLOSE, ScriptedServer

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def space() -> pki.TrustSpace:
    return pki.TrustSpace()


@pytest.fixture(scope="module")
def honest(space: pki.TrustSpace) -> pki.Identity:
    """The operator of THEIRS, on the host that its MX names."""
    return space.operator(MX)


def named(host: str) -> Name:
    return Name.of(pki.operator_dn(host))


@pytest.fixture
def trust(space: pki.TrustSpace) -> RealTrust:
    return RealTrust(space, {THEIRS: {named(MX)}, "autre.mssante.fr": {named("mx.autre.fr")}})


# The healthy case


async def test_a_letter_goes_to_the_operator_whom_the_list_names(space, honest, trust, tmp_path) -> None:
    """By MX, over TLS with certificates on both sides; the peer hears nothing but EHLO and STARTTLS before."""
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    assert await gw.states() == ["delivered"]
    assert len(peer.bodies) == 1
    assert peer.commands[:3] == ["EHLO gw.example", "STARTTLS", "EHLO gw.example"]
    assert [line["tls"] for line in gw.lines("delivery.connected")] == ["TLSv1.3"]
    assert gw.alarms() == []


@pytest.mark.parametrize("which", ["mx1.hopital.fr", MX, "mx3.hopital.fr"])
async def test_any_of_the_certificates_of_a_domain_will_do(space, trust, tmp_path, which) -> None:
    """1,082 domains of the real list have two to five (WL-4)."""
    trust.listed_names[THEIRS] = {named(host) for host in ("mx1.hopital.fr", MX, "mx3.hopital.fr")}
    identity = space.intermediate.issue(pki.operator_dn(which), MX)
    async with courier(tmp_path, space, trust) as gw, server(showing(identity, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    assert await gw.states() == ["delivered"]


@pytest.mark.parametrize("domain", ["HOPITAL.MSSANTE.FR", "hôpital.mssante.fr", "HÔPITAL.mssante.fr"])
async def test_a_domain_is_the_same_in_capitals_and_accents(space, honest, trust, tmp_path, domain) -> None:
    key = domain_key(domain)
    trust.listed_names = {key: {named(MX)}}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port, gw.zone[(f"{key}.", "MX")] = peer.port, [f"10 {MX}."]
        await gw.keep("Q1", Address.parse(f"dr.martin@{domain}"))
        await gw.attempt()
    assert await gw.states() == ["delivered"]


async def test_a_configured_next_hop_is_no_reason_to_trust_it(space, honest, trust, tmp_path) -> None:
    """It keeps its host, and has to be the domain's operator all the same (TLS-6)."""
    route = Route(name=f"operator:o:{THEIRS}", host="127.0.0.1", tls=TlsPolicy.MUTUAL, domain=THEIRS)
    by_ip = space.intermediate.issue(pki.operator_dn(MX), "127.0.0.1")
    stranger = space.intermediate.issue(pki.operator_dn("mx.autre.fr"), "127.0.0.1")
    async with courier(tmp_path, space, trust, by_domain={THEIRS: route}) as gw:
        gw.zone.clear()
        async with server(showing(stranger, tmp_path, space)) as peer:
            gw.port = peer.port
            await gw.keep()
            await gw.attempt()
        assert told_nothing(peer)
        assert gw.lines("delivery.peer_not_trusted")[0]["check"] == "domain"
        async with server(showing(by_ip, tmp_path, space)) as peer:
            gw.port = peer.port
            await gw.attempt()
    assert await gw.states() == ["delivered"]


# What nobody may have


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
            incoming.write(await reader.read(65_536))
            with pytest.raises(ssl.SSLError):
                tls.do_handshake()
            writer.write(outgoing.read())
            await writer.drain()
            await reader.read()
            raise ConnectionError
        return said


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
    Row("TLS 1.1 only", tls_1_1, "4.7.5"),
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
        assert line["status"] == row.status
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
        assert told_nothing(peer)
        assert await gw.states() == ["queued"]
        async with server(showing(honest, tmp_path, space), script) as peer:
            gw.port = peer.port
            await gw.attempt()
        assert peer.commands.count("EHLO gw.example") == 2
        assert len(peer.bodies) == 1
    assert await gw.states() == ["delivered"]


async def test_a_spoofed_mx_gets_no_mail(space, trust, tmp_path) -> None:
    """Another operator, valid and listed, whom a forged DNS names as our recipient's: the list says otherwise."""
    forged = space.operator("mx.autre.fr")
    async with courier(tmp_path, space, trust) as gw, server(showing(forged, tmp_path, space)) as peer:
        gw.port = peer.port
        gw.zone |= {(f"{THEIRS}.", "MX"): ["10 mx.autre.fr."], ("mx.autre.fr.", "A"): ["127.0.0.1"]}
        await gw.keep()
        await gw.attempt()
    assert told_nothing(peer)
    [line] = gw.lines("delivery.peer_not_trusted")
    assert (line["check"], line["host"], line["domain"]) == ("domain", "mx.autre.fr", THEIRS)
    assert await gw.states() == ["queued"]


# Revocation, and what we cannot know


async def test_a_revoked_certificate_gets_nothing(space, honest, trust, tmp_path) -> None:
    trust.revoked = {honest.serial}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    assert told_nothing(peer)
    assert gw.lines("delivery.peer_not_trusted")[0]["check"] == "revocation"
    assert await gw.states() == ["queued"]
    assert "revoque" in await gw.last_reply()


async def test_a_revoked_authority_takes_its_operators_with_it(space, honest, trust, tmp_path) -> None:
    trust.revoked = {space.intermediate.serial}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    assert told_nothing(peer)
    assert await gw.states() == ["queued"]


async def test_a_kept_connection_is_asked_about_before_each_letter(space, honest, trust, tmp_path) -> None:
    """Revoked while it was kept: closed, and the letter waits; no second body goes over it (TLS-5)."""
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep("Q1")
        await gw.attempt()
        await gw.keep("Q2")
        await gw.attempt()
        assert len(peer.sessions) == 1, "it was kept"
        trust.revoked = {honest.serial}
        await gw.keep("Q3")
        await gw.attempt()
        assert len(peer.bodies) == 2
        assert peer.sessions[0].said("QUIT") == []
        assert told_nothing(_rest_of(peer))
    assert sorted(await gw.states()) == ["delivered", "delivered", "queued"]
    kept, anew = gw.lines("delivery.peer_not_trusted")
    assert (kept["check"], kept["kept"], anew["kept"]) == ("revocation", True, False)


async def test_who_is_revoked_while_it_lets_us_wait_gets_no_octet_of_the_letter(space, honest, trust, tmp_path) -> None:
    """Replies may be minutes in coming; a revocation counts within one (TLS-5)."""

    class RevokedAtData(dict):
        def get(self, key, default=None):
            if key == "DATA":
                trust.revoked = {honest.serial}
            return super().get(key, default)

    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port, peer.script = peer.port, RevokedAtData(peer.script)
        await gw.keep()
        await gw.attempt()
        await peer.settled()
        assert peer.commands[-1] == "DATA"
        assert (peer.bodies, peer.sessions[0].unfinished) == ([], b"")
    assert await gw.states() == ["queued"]
    assert gw.lines("delivery.peer_not_trusted")[0]["check"] == "revocation"


def _rest_of(peer: ScriptedServer) -> ScriptedServer:
    """The peer without its first connection."""
    rest = ScriptedServer()
    rest.sessions = peer.sessions[1:]
    return rest


@pytest.mark.parametrize("unknown", ["revoked", "listed_names"])
async def test_what_cannot_be_found_out_is_waited_for(space, honest, trust, tmp_path, unknown) -> None:
    """No usable CRL, or no usable list: 451 4.7.1, and the letter goes out when there is one; never bounced for it
    before [delivery] give_up_after (WL-8)."""
    known = getattr(trust, unknown)
    setattr(trust, unknown, None)
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
        gw.clock.at += 30 * HOUR
        await gw.attempt()
        assert told_nothing(peer)
        assert (await gw.last_reply()).startswith("451 4.7.1 ")
        assert await gw.states() == ["queued"]
        assert gw.alarms() == ["delivery.deferred"] * 2
        setattr(trust, unknown, known)
        await gw.attempt()
    assert await gw.states() == ["delivered"]
    checks = {line["check"] for line in gw.lines("delivery.peer_not_trusted")}
    assert checks == {"revocation" if unknown == "revoked" else "white-list"}


@pytest.mark.parametrize("flaw", ["expired", "of the intermediate only", "of the root only"])
async def test_without_every_list_that_is_needed_nobody_is_trusted(space, honest, trust, tmp_path, flaw) -> None:
    """Leaf and intermediate are looked up, each in its issuer's list; one that has ended says nothing (TLS-5)."""
    if flaw == "expired":
        trust.publish(this_update=NOW - 3 * HOUR, next_update=NOW - HOUR)
    else:
        trust.publish(which=(space.intermediate if flaw == "of the intermediate only" else space.root,))
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
        assert told_nothing(peer)
        assert await gw.states() == ["queued"]
        assert (await gw.last_reply()).startswith("451 4.7.1 ")
        assert gw.lines("delivery.peer_not_trusted")[0]["check"] == "revocation"
        trust.publish()
        await gw.attempt()
    assert await gw.states() == ["delivered"]


async def test_a_list_that_has_ended_is_gone_by_within_its_grace(space, honest, trust, tmp_path) -> None:
    trust.grace = 2 * HOUR
    trust.publish(this_update=NOW - 3 * HOUR, next_update=NOW - HOUR)
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    assert await gw.states() == ["delivered"]


async def test_a_domain_that_leaves_the_list_takes_its_letters_back(space, honest, trust, tmp_path) -> None:
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        del trust.listed_names[THEIRS]
        await gw.attempt()
        assert peer.sessions == []
        assert "liste blanche" in await gw.last_reply()
        gw.clock.at += 5 * HOUR
        await gw.attempt()
    assert await gw.states() == ["bounced"]


# At RCPT already


@pytest.mark.parametrize("domain", [THEIRS, "hôpital-inconnu.mssante.fr", "sante.example"])
async def test_a_recipient_is_refused_as_early_as_the_list_allows(space, trust, tmp_path, domain) -> None:
    """Unlisted: 550 5.7.1, so that the sender's server tells its user. No list: 451 4.7.1 (WHO-9, WL-8)."""
    path = ForwardPath(address=Address.parse(f"dr.martin@{domain}"))
    envelope = Envelope(reverse_path=SECRETARY, forward_paths=(), origin=Origin(role=Role.ESTABLISHMENT, client="ch"))
    async with courier(tmp_path, space, trust) as gw:
        refusal = await gw.flow.reception.recipient(ESTABLISHMENT, envelope, path)
        assert refusal == (None if domain == THEIRS else UNLISTED_DOMAIN)
        trust.listed_names = None
        assert await gw.flow.reception.recipient(ESTABLISHMENT, envelope, path) == LIST_UNUSABLE
    told = [(name, fields["rule"], fields["status"]) for name, fields in gw.events.seen]
    refused = [] if domain == THEIRS else [("letter.refused", "route-exists", "5.7.1")]
    assert told == [*refused, ("letter.deferred_at_intake", "list-is-usable", "4.7.1")]


# How long it waits


async def test_distrust_is_told_to_the_sender_after_four_hours(space, trust, tmp_path) -> None:
    """Certificates rotate: tried again meanwhile. Then a failure notice 5.7.1 (WL-8)."""
    stranger = space.intermediate.issue(pki.operator_dn("mx.autre.fr"), MX)
    async with courier(tmp_path, space, trust) as gw, server(showing(stranger, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        accepted = gw.clock.now()
        while await gw.states() == ["queued"]:
            await gw.attempt()
        waited = gw.clock.now() - accepted
    assert 4 * HOUR <= waited <= 5.3 * HOUR
    name, fields = gw.outcomes[-1]
    assert (name, fields["code"], fields["status"]) == ("delivery.bounced", 550, "5.7.1")
    assert len(gw.outcomes) > 5
    assert told_nothing(peer)


async def test_a_single_look_is_not_enough_to_give_up(space, honest, trust, tmp_path) -> None:
    """The next hop was away for a night and came back with a new certificate, before the list that names it."""
    async with courier(tmp_path, space, trust) as gw:
        gw.port = 1
        await gw.keep()
        await gw.attempt()
        gw.clock.at += 10 * HOUR
        names, trust.listed_names = trust.listed_names, {THEIRS: {named("mx.ancien.fr")}}
        async with server(showing(honest, tmp_path, space)) as peer:
            gw.port = peer.port
            await gw.attempt()
            assert await gw.states() == ["queued"]
            trust.listed_names = names
            await gw.attempt()
    assert await gw.states() == ["delivered"]


async def test_an_unreachable_next_hop_keeps_its_forty_eight_hours(space, trust, tmp_path) -> None:
    async with courier(tmp_path, space, trust) as gw:
        gw.port = 1
        await gw.keep()
        await gw.attempt()
        gw.clock.at += 20 * HOUR
        await gw.attempt()
    assert await gw.states() == ["queued"]
    assert gw.alarms() == []


# Several servers for a domain


def two_mx(gw, second: str = "mx2.hopital.fr") -> None:
    gw.zone[(f"{THEIRS}.", "MX")] = [f"10 {MX}.", f"20 {second}."]
    gw.zone[(f"{second}.", "A")] = ["127.0.0.2"]


async def test_the_next_mx_is_tried_where_the_first_is_not_trusted(space, trust, tmp_path) -> None:
    trust.listed_names[THEIRS] = {named("mx2.hopital.fr")}
    first, second = space.operator(MX), space.operator("mx2.hopital.fr")
    async with courier(tmp_path, space, trust) as gw, server(showing(first, tmp_path, space)) as one:
        async with server(showing(second, tmp_path, space), address="127.0.0.2", port=one.port) as other:
            gw.port = one.port
            two_mx(gw)
            await gw.keep()
            await gw.attempt()
        assert told_nothing(one)
        assert len(other.bodies) == 1
    assert await gw.states() == ["delivered"]
    assert [line["host"] for line in gw.lines("delivery.peer_not_trusted")] == [MX]


async def test_two_servers_and_neither_trusted(space, trust, tmp_path) -> None:
    trust.listed_names[THEIRS] = {named("mx9.hopital.fr")}
    first, second = space.operator(MX), space.operator("mx2.hopital.fr")
    async with courier(tmp_path, space, trust) as gw, server(showing(first, tmp_path, space)) as one:
        async with server(showing(second, tmp_path, space), address="127.0.0.2", port=one.port) as other:
            gw.port = one.port
            two_mx(gw)
            await gw.keep()
            await gw.attempt()
            gw.clock.at += 5 * HOUR
            await gw.attempt()
        assert told_nothing(one)
        assert told_nothing(other)
    assert await gw.states() == ["bounced"]
    assert [line["host"] for line in gw.lines("delivery.peer_not_trusted")] == [MX, "mx2.hopital.fr"] * 2


async def test_a_trusted_server_that_is_away_is_waited_for(space, honest, trust, tmp_path) -> None:
    """One server of the domain is not trusted and the other does not answer: that one may come back."""
    first = space.intermediate.issue(pki.operator_dn("mx.inconnu.fr"), MX)
    async with courier(tmp_path, space, trust) as gw, server(showing(first, tmp_path, space)) as one:
        gw.port = one.port
        two_mx(gw)
        await gw.keep()
        for _ in range(2):
            await gw.attempt()
            gw.clock.at += 10 * HOUR
        assert told_nothing(one)
    assert await gw.states() == ["queued"]
    assert gw.alarms() == ["delivery.deferred"] * 2


@pytest.mark.parametrize("addresses", [["127.0.0.1", "127.0.0.3"], ["127.0.0.3", "127.0.0.1"]])
async def test_a_second_address_that_is_away_is_waited_for_like_a_second_server(
    space, trust, tmp_path, addresses
) -> None:
    """The same question and the same answer; who was not trusted is told all the same."""
    first = space.intermediate.issue(pki.operator_dn("mx.inconnu.fr"), MX)
    async with courier(tmp_path, space, trust) as gw, server(showing(first, tmp_path, space)) as one:
        gw.port, gw.zone[(f"{MX}.", "A")] = one.port, addresses
        await gw.keep()
        for _ in range(2):
            await gw.attempt()
            gw.clock.at += 10 * HOUR
        assert told_nothing(one)
    assert await gw.states() == ["queued"]
    assert (await gw.last_reply())[:9] == "451 4.4.1"
    assert gw.alarms() == ["delivery.deferred"] * 2
    assert len(gw.lines("delivery.peer_not_trusted")) == len(gw.lines("delivery.connection_failed")) == 2


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("hosts", [False, True], ids=["addresses", "hosts"])
async def test_no_starttls_beside_a_server_that_is_not_trusted(space, trust, tmp_path, hosts, turned) -> None:
    """Nobody knows whose that one is: the letter waits for it, whichever of the two was met first."""
    wrong = pki.TrustSpace().intermediate.issue(pki.operator_dn(MX), MX, "mx2.hopital.fr")
    context = showing(wrong, tmp_path, space)
    both = ["127.0.0.2", "127.0.0.1"] if turned else ["127.0.0.1", "127.0.0.2"]
    async with (
        courier(tmp_path, space, trust) as gw,
        server(context, address=both[0]) as one,
        server(context, address=both[1], port=one.port, offers=("SIZE 50000000",)) as other,
    ):
        gw.port = one.port
        if hosts:
            two_mx(gw)
        else:
            gw.zone[(f"{MX}.", "A")] = ["127.0.0.1", "127.0.0.2"]
        await gw.keep()
        for _ in range(2):
            await gw.attempt()
            gw.clock.at += 10 * HOUR
        assert told_nothing(one)
        assert told_nothing(other)
    assert await gw.states() == ["queued"]
    assert (await gw.last_reply())[:9] == "454 4.7.4"


async def test_two_domains_on_one_server_share_no_connection(space, honest, trust, tmp_path) -> None:
    """Each connection is vetted for one domain: nobody's letter goes out on what was admitted for another."""
    trust.listed_names["autre.mssante.fr"] = {named("mx.autre.fr")}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port, gw.zone[("autre.mssante.fr.", "MX")] = peer.port, [f"10 {MX}."]
        await gw.keep("Q1")
        await gw.attempt()
        await gw.keep("Q2", Address.parse("dr.durand@autre.mssante.fr"))
        await gw.attempt()
    assert len(peer.bodies) == 1
    assert sorted(await gw.states()) == ["delivered", "queued"]
    assert gw.lines("delivery.peer_not_trusted")[0]["domain"] == "autre.mssante.fr"


# Our own certificate


async def test_a_renewed_certificate_is_shown_without_dropping_a_session(space, honest, trust, tmp_path) -> None:
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep("Q1")
        await gw.attempt()
        before = gw.identity.pair.client
        space.operator("mx.ch.fr").write_apart(tmp_path, "ours")
        assert [gw.identity.look(), gw.identity.look()] == [False, True]
        assert gw.identity.pair.client is not before
        await gw.keep("Q2")
        await gw.attempt()
        assert len(peer.sessions) == 1, "the session that was open goes on"
    assert await gw.states() == ["delivered"] * 2
    assert "trust.certificate_renewed" in [name for name, _ in gw.events.seen]


async def test_a_gateway_without_its_certificate_sends_nothing(space, honest, trust, tmp_path) -> None:
    """The peer demands one that it trusts: in TLS 1.3 its refusal comes after our side of the handshake has ended."""
    foreign = pki.TrustSpace().operator("mx.ch.fr")
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        foreign.write_apart(tmp_path, "ours")
        assert [gw.identity.look(), gw.identity.look()] == [False, True]
        await gw.keep()
        await gw.attempt()
    assert told_nothing(peer)
    assert await gw.states() == ["queued"]
