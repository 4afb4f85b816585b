"""Outbound LMTP against a scripted store: each recipient has its own fate, and nothing wrong is believed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pytest

from mssgw.core.delivery import Bounced, Deferred, Delivered, Outcome
from mssgw.core.errors import NoLongerOurs
from mssgw.core.routes import TlsPolicy
from mssgw.edges.lmtp_out import LmtpTransport
from mssgw.edges.smtp_limits import Timeouts
from tests.wire.outbound import LETTER, ONE, THREE, TRACE, Shelf, hot, letter, no_tls, route
from tests.wire.scripted_server import CLOSE, SILENCE, Answer, ScriptedServer

HELLO = b"250-store.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n"
BLUNT = b"250 store.example\r\n"
FATES = b"250 2.0.0 saved\r\n550 5.7.1 not for you\r\n451 4.3.0 later\r\n"
BRISK = Timeouts(connect=0.5, greeting=0.5, command=0.5, data=0.5, final=0.5, attempt=5)


@asynccontextmanager
async def transport(**more: Any) -> AsyncIterator[LmtpTransport]:
    made = LmtpTransport(**({"hostname": "gw.example", "spool": Shelf(), "tls_contexts": no_tls} | more))
    try:
        yield made
    finally:
        await made.close()


def store(script: dict[str, Answer | list[Answer]] | None = None, **more: Any) -> ScriptedServer:
    return ScriptedServer({"LHLO": HELLO, **(script or {})}, **more)


async def sent(server: ScriptedServer, deliveries: Any = THREE, **more: Any) -> list[Outcome]:
    async with transport(**more) as out:
        outcomes = await out.send(route(server), letter(), deliveries)
    await server.settled()
    return [outcomes[one.number] for one in deliveries]


@pytest.mark.parametrize("hello", [HELLO, BLUNT])
async def test_each_recipient_gets_the_reply_of_its_own(hello: bytes) -> None:
    """In the order of RCPT, with pipelining or without."""
    async with store({"LHLO": hello, "DOT": FATES}) as server:
        one, two, three = await sent(server)
    assert isinstance(one, Delivered)
    assert isinstance(two, Bounced)
    assert isinstance(three, Deferred)
    assert not server.sessions[0].said("EHLO")


@pytest.mark.parametrize("hello", [HELLO, BLUNT])
async def test_who_was_refused_at_rcpt_gets_no_reply_to_the_dot(hello: bytes) -> None:
    """Or the others' fates would be mixed up."""
    refused = b"550 5.1.1 unknown\r\n"
    async with store(
        {"LHLO": hello, "RCPT TO:<dr.beta": refused, "DOT": b"250 2.0.0 a\r\n452 4.2.2 full\r\n"}
    ) as server:
        one, two, three = await sent(server)
    assert isinstance(one, Delivered)
    assert isinstance(two, Bounced)
    assert isinstance(three, Deferred)
    assert three.reply.status == "4.2.2"


async def test_the_letter_carries_the_queue_id_by_which_it_is_known_again() -> None:
    """On top; the rest is as it goes out by SMTP."""
    async with store() as server:
        await sent(server, ONE)
    assert server.bodies == [b"X-Mssgw-Id: Q1\r\n" + TRACE + LETTER]


async def test_a_letter_that_is_no_longer_ours_does_not_go_out_to_its_end() -> None:
    """The store could not be asked whether it has it already."""
    async with store() as server, transport() as out:
        with pytest.raises(NoLongerOurs):
            await out.send(route(server), letter(), THREE, lambda: False)
        await server.settled()
    assert server.bodies == []


async def test_replies_that_stop_half_way_are_as_good_as_they_go() -> None:
    """Who was answered is not asked again; the others wait."""
    async with store({"DOT": b"250 2.0.0 saved\r\n"}) as server:
        one, two, three = await sent(server, timeouts=BRISK)
    assert isinstance(one, Delivered)
    assert isinstance(two, Deferred)
    assert isinstance(three, Deferred)


@pytest.mark.parametrize("moment", ["GREETING", "LHLO", "MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("answer", [CLOSE, SILENCE, b"421 4.3.2 shutting down\r\n", b"what?\r\n", b"250\r\n" * 9])
async def test_whatever_a_store_does_the_letter_waits(moment: str, answer: Answer) -> None:
    """At any moment: nothing is lost, and every wait ends."""
    if answer == b"250\r\n" * 9 and moment == "DOT":
        answer = b"354 go on\r\n" * 3
    async with store({moment: answer}) as server:
        outcomes = await sent(server, timeouts=BRISK)
    assert all(isinstance(outcome, Deferred) for outcome in outcomes), outcomes


@pytest.mark.parametrize("moment", ["RCPT", "DOT"])
async def test_a_full_mailbox_is_emptied_some_day(moment: str) -> None:
    """Dovecot says 552; the letter waits all the same, and its sender is told in time."""
    async with store({moment: b"552 5.2.2 <dr.alpha@x.example> Quota exceeded\r\n"}) as server:
        (outcome,) = await sent(server, ONE)
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.code, outcome.reply.status) == (452, "4.2.2")


async def test_one_connection_serves_letter_after_letter() -> None:
    """As by SMTP."""
    async with store() as server, transport() as out:
        for _ in range(3):
            outcomes = await out.send(route(server), letter(hot(LETTER, LETTER)), ONE)
            assert isinstance(outcomes[0], Delivered)
    assert len(server.sessions) == 1


async def test_starttls_comes_before_the_first_letter(ours: SSLContext, trust: SSLContext) -> None:
    """Where the route requires it; LHLO is said again."""
    async with store(tls=ours) as server, transport(tls_contexts=lambda _: trust) as out:
        outcomes = await out.send(route(server, host="localhost", tls=TlsPolicy.REQUIRE), letter(), ONE)
    assert isinstance(outcomes[0], Delivered)
    assert server.sessions[0].tls
    assert server.sessions[0].commands[:3] == ["LHLO gw.example", "STARTTLS", "LHLO gw.example"]


@pytest.mark.parametrize(
    "script",
    [
        {"LHLO": BLUNT},
        {"STARTTLS": b"454 4.7.0 no\r\n"},
        {"STARTTLS": b"220 2.0.0 ready\r\n250 injected\r\n"},
        {"STARTTLS": b"220 2.0.0 ready\r\n2"},
    ],
)
async def test_without_it_nothing_goes_out(
    script: dict[str, Answer | list[Answer]], ours: SSLContext, trust: SSLContext
) -> None:
    """No falling back to clear text, and nothing in clear behind the agreement."""
    async with store(script, tls=ours) as server, transport(tls_contexts=lambda _: trust, timeouts=BRISK) as out:
        outcomes = await out.send(route(server, host="localhost", tls=TlsPolicy.REQUIRE), letter(), ONE)
    assert isinstance(outcomes[0], Deferred)
    assert not [command for command in server.commands if command.startswith(("MAIL", "RCPT"))]


async def test_a_certificate_for_another_name(ours: SSLContext, trust: SSLContext) -> None:
    """An alarm, and the letter waits."""
    trust.check_hostname = True
    async with store(tls=ours) as server, transport(tls_contexts=lambda _: trust) as out:
        outcomes = await out.send(route(server, host="127.0.0.2", tls=TlsPolicy.REQUIRE), letter(), ONE)
    assert isinstance(outcomes[0], Deferred)


@pytest.mark.parametrize(("make", "said"), [("absent", "No such file or directory"), ("file", "Connection refused")])
async def test_a_socket_that_nobody_listens_on(tmp_path: Path, make: str, said: str) -> None:
    """The store is down: the letter waits."""
    path = tmp_path / "lmtp"
    if make == "file":
        path.touch()
    async with transport() as out:
        outcomes = await out.send(route(1, host=str(path)), letter(), ONE)
    assert isinstance(outcomes[0], Deferred)
    assert (outcomes[0].down, said in outcomes[0].reply.text) == (True, True)
