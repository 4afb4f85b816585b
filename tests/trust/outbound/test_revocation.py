"""Who is revoked gets nothing; for what cannot be known, the letter waits (TLS-5, WL-8)."""

import pytest

from tests.trust.courier import courier, server, showing, told_nothing
from tests.trust.outbound.rows import HOUR, NOW, delivered, waits
from tests.wire.scripted_server import ScriptedServer


async def test_a_revoked_certificate_gets_nothing(space, honest, trust, tmp_path) -> None:
    trust.revoked = {honest.serial}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    await waits(gw, peer, "454 4.7.5 ", "revocation")
    assert "revoque" in await gw.last_reply()


async def test_a_revoked_authority_takes_its_operators_with_it(space, honest, trust, tmp_path) -> None:
    trust.revoked = {space.intermediate.serial}
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    await waits(gw, peer, "454 4.7.5 ", "revocation")


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
        await waits(gw, peer, "451 4.7.1 ", "revocation" if unknown == "revoked" else "white-list")
        assert gw.alarms() == ["delivery.deferred"] * 2
        assert len(gw.lines("delivery.peer_not_trusted")) == 2
        setattr(trust, unknown, known)
        await gw.attempt()
    await delivered(gw, peer)


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
        await waits(gw, peer, "451 4.7.1 ", "revocation")
        trust.publish()
        await gw.attempt()
    await delivered(gw, peer)


async def test_a_list_that_has_ended_is_gone_by_within_its_grace(space, honest, trust, tmp_path) -> None:
    trust.grace = 2 * HOUR
    trust.publish(this_update=NOW - 3 * HOUR, next_update=NOW - HOUR)
    async with courier(tmp_path, space, trust) as gw, server(showing(honest, tmp_path, space)) as peer:
        gw.port = peer.port
        await gw.keep()
        await gw.attempt()
    await delivered(gw, peer)
