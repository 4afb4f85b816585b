"""The healthy case: a letter goes to whom the white list names for its domain (TLS-6, WL-4)."""

import pytest

from mssgw.core.addresses import Address, domain_key
from mssgw.core.routes import Route, TlsPolicy
from tests import pki
from tests.trust.courier import MX, THEIRS, courier, server, showing, told_nothing
from tests.trust.outbound.rows import delivered, named, waits


async def test_a_letter_goes_to_the_operator_whom_the_list_names(space, honest, trust, tmp_path) -> None:
    """By MX, over TLS with certificates on both sides; the peer hears nothing but EHLO and STARTTLS before."""
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    await delivered(gw, peer)
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
    await delivered(gw, peer)
    assert gw.lines("delivery.peer_not_trusted") == []


@pytest.mark.parametrize("domain", ["HOPITAL.MSSANTE.FR", "hôpital.mssante.fr", "HÔPITAL.mssante.fr"])
async def test_a_domain_is_the_same_in_capitals_and_accents(space, honest, trust, tmp_path, domain) -> None:
    key = domain_key(domain)
    trust.listed_names = {key: {named(MX)}}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port, gw.zone[(f"{key}.", "MX")] = peer.port, [f"10 {MX}."]
        await gw.keep("Q1", Address.parse(f"dr.martin@{domain}"))
        await gw.attempt()
    await delivered(gw, peer)


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
        await waits(gw, peer, "454 4.7.5 ", "domain")
        async with server(showing(by_ip, tmp_path, space)) as peer:
            gw.port = peer.port
            await gw.attempt()
        await delivered(gw, peer)


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
    await delivered(gw, peer)
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
    [line] = gw.lines("delivery.connection_failed")
    assert (line["host"], line["status"]) == (MX, "4.4.2")
