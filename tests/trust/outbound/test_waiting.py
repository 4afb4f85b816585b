"""How early a recipient is refused, and how long a letter waits for one (WHO-9, WL-8)."""

from dataclasses import replace

import pytest

from mssgw.core.addresses import Address
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.trust import LIST_UNUSABLE, UNLISTED_DOMAIN
from mssgw.flow.attempt import ROUTE_LOST
from tests import pki
from tests.trust.courier import ESTABLISHMENT, MX, SECRETARY, THEIRS, courier, server, showing, told_nothing
from tests.trust.outbound.rows import HOUR, delivered, named, waits
from tests.trust.outbound.test_refused import tls_1_1


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
        assert peer.sessions == []
    assert await gw.states() == ["bounced"]
    assert [name for name, _ in gw.outcomes] == ["delivery.deferred", "delivery.bounced"]
    assert gw.outcomes[-1][1]["status"] == "5.7.1"


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
            await waits(gw, peer, "454 4.7.5 ", "operator")
            trust.listed_names = names
            await gw.attempt()
    await delivered(gw, peer)


async def test_a_handshake_that_fails_is_no_look_at_who_is_there(space, honest, trust, tmp_path) -> None:
    """It was put right with a new certificate, before the list that names it: one look at that, and one is too few."""
    async with courier(tmp_path, space, trust) as gw:
        async with tls_1_1(space, tmp_path) as peer:
            gw.port = peer.port
            await gw.keep()
            await gw.attempt()
            assert (await gw.last_reply())[:9] == "454 4.7.4"
        gw.clock.at += 10 * HOUR
        trust.listed_names = {THEIRS: {named("mx.ancien.fr")}}
        async with server(showing(honest, tmp_path, space)) as peer:
            gw.port = peer.port
            await gw.attempt()
            await waits(gw, peer, "454 4.7.5 ", "operator")


async def test_a_next_hop_that_a_reload_took_away_keeps_its_forty_eight_hours(space, trust, tmp_path) -> None:
    """It is our own mail server that is missing, and no list is to blame: neither queue nor notice says so (WL-8)."""
    async with courier(tmp_path, space, trust) as gw:
        gw.live.settings = replace(
            gw.live.settings, routes=replace(gw.live.settings.routes, ours=frozenset({SECRETARY.domain}))
        )
        await gw.keep("Q1", SECRETARY)
        for _ in range(3):
            await gw.attempt()
            assert await gw.last_reply() == f"{ROUTE_LOST.code} {ROUTE_LOST.status} {ROUTE_LOST.text}"
            gw.clock.at += 5 * HOUR
    assert await gw.states() == ["queued"]


async def test_an_unreachable_next_hop_keeps_its_forty_eight_hours(space, trust, tmp_path) -> None:
    async with courier(tmp_path, space, trust) as gw:
        gw.port = 1
        await gw.keep()
        await gw.attempt()
        gw.clock.at += 20 * HOUR
        await gw.attempt()
    assert await gw.states() == ["queued"]
    assert [name for name, _ in gw.outcomes] == ["delivery.deferred"] * 2
    assert gw.alarms() == []
