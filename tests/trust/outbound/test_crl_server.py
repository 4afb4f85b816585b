"""The web server of the revocation lists, as it goes down and comes back: letters go out, then wait (TLS-5, WL-8)."""

from tests.trust.courier import MX, THEIRS, courier, server, showing, told_nothing
from tests.trust.outbound.rows import delivered
from tests.trust.published import from_server


async def test_letters_go_out_while_the_lists_of_a_server_that_is_down_are_valid(
    space, honest, tmp_path, monkeypatch
) -> None:
    """And wait when these have ended, with an alarm and not one octet said of them, until the server is back."""
    async with (
        from_server(space, tmp_path, monkeypatch, (THEIRS, MX)) as source,
        courier(tmp_path, space, source.at_work.space) as gw,
    ):
        await source.heard("trust.crl_taken")
        await source.goes_down()
        async with server(showing(honest, tmp_path, space)) as peer:
            gw.port = peer.port
            await gw.keep("Q1")
            await gw.attempt()
            await delivered(gw, peer)
            assert gw.alarms() == []
            await source.crls_end()
            await gw.keep("Q2")
            await gw.attempt()
            said = [one for one in peer.commands if one.startswith("MAIL")]
            assert len(said) == len(peer.bodies) == 1, "nor over the connection that was kept"
        assert sorted(await gw.states()) == ["delivered", "queued"]
        async with server(showing(honest, tmp_path, space), port=gw.port) as peer:
            await gw.attempt()
            assert told_nothing(peer)
            await peer.settled()
        assert (await gw.last_reply()).startswith("451 4.7.1 ")
        assert {line["check"] for line in gw.lines("delivery.peer_not_trusted")} == {"revocation"}
        assert gw.alarms() == ["delivery.deferred"] * 2
        source.publish_crls()
        await source.site.up()
        await source.heard("trust.crl_taken", of=4)
        async with server(showing(honest, tmp_path, space), port=gw.port) as peer:
            await gw.attempt()
            assert len(peer.bodies) == 1
    assert await gw.states() == ["delivered"] * 2
