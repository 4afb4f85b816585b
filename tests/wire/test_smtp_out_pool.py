"""Connections to a next hop that are shared, kept, and found stale."""

import asyncio

import pytest

from mssgw.core.delivery import Bounced, Delivered
from mssgw.edges.smtp_limits import PoolLimits
from tests.wire.outbound import LETTER, MANNERS, ONE, TRACE, letter, route, sent, transport
from tests.wire.scripted_server import ALL, CLOSE, Script, ScriptedServer


async def test_letters_to_one_route_share_a_connection() -> None:
    async with ScriptedServer() as server:
        async with transport() as out:
            for _ in range(5):
                assert isinstance((await out.send(route(server), letter(), ONE))[0], Delivered)
        await server.settled()
    assert len(server.sessions) == 1
    assert server.bodies == [TRACE + LETTER] * 5
    assert server.commands[-1] == "QUIT"


async def test_two_routes_never_share_a_connection() -> None:
    """A reload that changes a route's login or TLS policy must not go on with what was opened before."""
    async with ScriptedServer(offers=(*ALL, "AUTH PLAIN")) as server, transport() as out:
        await out.send(route(server), letter(), ONE)
        await out.send(route(server, login="gw", password="secret"), letter(), ONE)
    assert len(server.sessions) == 2


async def test_a_connection_carries_so_many_letters_and_no_more() -> None:
    async with ScriptedServer() as server, transport(limits=PoolLimits(messages=2)) as out:
        for _ in range(5):
            await out.send(route(server), letter(), ONE)
    assert [len(session.bodies) for session in server.sessions] == [2, 2, 1]


async def test_only_so_many_connections_lead_to_one_next_hop() -> None:
    async with ScriptedServer() as server, transport(limits=PoolLimits(connections=3)) as out:
        outcomes = await asyncio.gather(*(out.send(route(server), letter(), ONE) for _ in range(20)))
    assert all(isinstance(outcome[0], Delivered) for outcome in outcomes)
    assert len(server.sessions) == 3


async def test_an_idle_connection_is_quit_after_its_time() -> None:
    async with ScriptedServer() as server, transport(limits=PoolLimits(idle=0.05)) as out:
        await out.send(route(server), letter(), ONE)
        await server.settled()
        await out.send(route(server), letter(), ONE)
    assert server.sessions[0].commands[-1] == "QUIT"
    assert len(server.sessions) == 2


async def test_a_refused_letter_is_reset_before_the_next() -> None:
    ok = b"250 2.1.5 ok\r\n"
    script: Script = {"RCPT": [b"550 5.1.1 No\r\n", ok], "DATA": [b"503 5.5.1 No recipients\r\n", b"354 Go on\r\n"]}
    async with ScriptedServer(script) as server, transport() as out:
        assert isinstance((await out.send(route(server), letter(), ONE))[0], Bounced)
        assert isinstance((await out.send(route(server), letter(), ONE))[0], Delivered)
    assert len(server.sessions) == 1
    assert server.commands.index("RSET") < [n for n, one in enumerate(server.commands) if one.startswith("MAIL")][1]


@MANNERS
@pytest.mark.parametrize("answer", [CLOSE, b"421 4.4.2 Idle too long\r\n"], ids=["closed", "421"])
async def test_a_kept_connection_that_went_stale_costs_no_attempt(offers: tuple[str, ...], answer: bytes) -> None:
    ok = b"250 2.1.0 ok\r\n"
    async with ScriptedServer({"MAIL": [ok, answer, ok]}, offers=offers) as server, transport() as out:
        await out.send(route(server), letter(), ONE)
        [outcome] = (await out.send(route(server), letter(), ONE)).values()
    assert isinstance(outcome, Delivered)
    assert [len(session.bodies) for session in server.sessions] == [1, 1]


@MANNERS
async def test_a_stale_connection_on_which_no_letter_went_out_costs_no_attempt(offers: tuple[str, ...]) -> None:
    """It was opened for a letter that turned out not to fit the peer, and rested in the pool since."""
    script: Script = {"MAIL": [CLOSE, b"250 2.1.0 ok\r\n"]}
    async with ScriptedServer(script, offers=(*offers, "SIZE 2000")) as server, transport() as out:
        assert isinstance((await out.send(route(server), letter(b"x" * 3_000 + b"\r\n"), ONE))[0], Bounced)
        assert isinstance((await out.send(route(server), letter(), ONE))[0], Delivered)
    assert [len(session.bodies) for session in server.sessions] == [0, 1]


async def test_a_fresh_connection_that_dies_is_not_tried_again_at_once() -> None:
    async with ScriptedServer({"MAIL": CLOSE}) as server:
        await sent(server)
    assert len(server.sessions) == 1


async def test_a_connection_that_the_peer_closed_while_idle_is_not_used() -> None:
    ok = b"250 2.0.0 ok\r\n"
    script: Script = {"DOT": [ok + b"421 4.4.2 Good night\r\n", ok]}
    async with ScriptedServer(script) as server, transport() as out:
        await out.send(route(server), letter(), ONE)
        await server.settled()
        [outcome] = (await out.send(route(server), letter(), ONE)).values()
    assert isinstance(outcome, Delivered)
    assert [len(session.said("MAIL")) for session in server.sessions] == [1, 1]
