"""Several servers of a domain, and several domains of a server: each is vetted for itself (TLS-6)."""

import pytest

from mssgw.core.addresses import Address
from tests import pki
from tests.trust.courier import MX, THEIRS, courier, server, showing, told_nothing
from tests.trust.outbound.rows import HOUR, delivered, named


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
    await delivered(gw, other)
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
