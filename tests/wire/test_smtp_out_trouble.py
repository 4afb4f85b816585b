"""Peers and networks that fail: what was not accepted waits, what may have been is not sent twice in one attempt."""

import asyncio
import socket
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from mssgw.core.delivery import Bounced, Deferred, Delivered, Outcome
from mssgw.core.errors import NoLongerOurs
from mssgw.core.replies import Reply
from mssgw.edges.smtp_limits import PoolLimits, Timeouts
from mssgw.edges.smtp_replies import GARBLED, LOST, SILENT
from mssgw.ports import Body
from tests.wire.outbound import (
    LETTER,
    LOCKSTEP,
    MANNERS,
    ONE,
    THREE,
    Shelf,
    inline,
    letter,
    route,
    sent,
    spooled,
    to,
    transport,
)
from tests.wire.scripted_server import ALL, CLOSE, SILENCE, Act, Answer, Script, ScriptedServer

HURRY = Timeouts(connect=2, greeting=0.2, command=0.2, data=0.2, final=0.2, quit=0.2)


def statuses(outcomes: Sequence[Outcome]) -> list[tuple[type, str]]:
    return [(type(outcome), outcome.reply.status) for outcome in outcomes]


@MANNERS
@pytest.mark.parametrize("moment", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "DOT"])
@pytest.mark.parametrize("act", [CLOSE, SILENCE], ids=["closes", "is-silent"])
async def test_a_peer_that_goes_away_at_any_step_leaves_the_letter_waiting(
    offers: tuple[str, ...], moment: str, act: Act
) -> None:
    if moment == "BODY" and act is SILENCE:
        moment = "DOT"  # a peer that reads on and never answers: the same thing
    async with ScriptedServer({moment: act}, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE, timeouts=HURRY)
    assert statuses(outcomes) == [(Deferred, "4.4.2")] * 3
    assert len(server.sessions) == (1 if moment != "RCPT" else 3 if act is CLOSE else 2)
    assert len(server.bodies) == (moment == "DOT")


BAD = "RCPT TO:<dr.beta"


@MANNERS
@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"hello\r\n", GARBLED),
        (b"250 " + b"x" * 5000 + b"\r\n", GARBLED),
        (b"421 4.3.2 Closing\r\n", Reply(421, "4.3.2", "Closing")),
        (CLOSE, LOST),
        (SILENCE, SILENT),
    ],
    ids=["words", "long-line", "421", "closes", "is-silent"],
)
async def test_a_recipient_whom_the_peer_cannot_stand_does_not_hold_back_the_others(
    offers: tuple[str, ...], answer: Answer, reply: Reply
) -> None:
    """Every attempt was the same transaction, and after 48 hours all bounced."""
    async with ScriptedServer({BAD: answer}, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE, timeouts=HURRY)
    assert statuses(outcomes) == [(Delivered, "2.0.0"), (Deferred, reply.status), (Delivered, "2.0.0")]
    assert outcomes[1] == Deferred(reply=reply, next_hop="127.0.0.1")
    assert [len(session.bodies) for session in server.sessions] == [0, 1]
    assert [len(session.said(BAD)) for session in server.sessions] == [1, 0]


@MANNERS
@pytest.mark.parametrize("body", [inline(LETTER), spooled(len(LETTER))], ids=["at-once", "in-segments"])
async def test_a_letter_that_is_no_longer_ours_does_not_go_out_to_its_end(offers: tuple[str, ...], body: Body) -> None:
    """The process stood still for longer than a lease lasts: whoever claimed the letter has sent it, or does."""
    script: Script = {BAD: b"550 5.1.1 No\r\n"}
    async with ScriptedServer(script, offers=offers) as server, transport(spool=Shelf(LETTER)) as out:
        with pytest.raises(NoLongerOurs):
            await out.send(route(server), letter(body), THREE, lambda: False)
        await server.settled()
        assert server.bodies == []
        outcomes = await out.send(route(server), letter(body), THREE, lambda: True)
    assert [type(outcomes[n]) for n in range(3)] == [Delivered, Bounced, Delivered]
    assert len(server.sessions) == 2, "the first connection was cut"


async def test_who_has_the_letter_before_it_is_no_longer_ours_is_told_of() -> None:
    """What was taken is recorded if it can be; the others wait."""
    ours = iter([True, False])
    async with ScriptedServer() as server, transport(limits=PoolLimits(recipients=2)) as out:
        outcomes = await out.send(route(server), letter(), THREE, lambda: next(ours))
    assert [outcomes[n] for n in range(2)] == [outcomes[0]] * 2
    assert isinstance(outcomes[0], Delivered)
    assert outcomes[2] == Deferred(reply=LOST, next_hop="127.0.0.1")
    assert len(server.bodies) == 1


@MANNERS
@pytest.mark.parametrize(
    ("moment", "answer", "collective"),
    [
        ("GREETING", b"421 4.3.2 Closing\r\n", False),
        ("MAIL", b"451 4.3.2 Busy\r\n", False),
        ("RCPT", b"451 4.3.2 Busy\r\n", False),
        ("DATA", b"451 4.3.2 Busy\r\n", True),
        ("DOT", b"451 4.3.2 Busy\r\n", True),
        ("DOT", b"421 4.3.2 Closing\r\n", True),
        ("DOT", SILENCE, True),
    ],
)
async def test_what_may_be_for_the_sake_of_one_recipient_only_says_so(
    offers: tuple[str, ...], moment: str, answer: Answer, collective: bool
) -> None:
    """Who has an answer of his own, or one that was given before anybody was named, is held back by nobody."""
    async with ScriptedServer({moment: answer}, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE, timeouts=HURRY)
    assert [outcome.collective for outcome in outcomes if isinstance(outcome, Deferred)] == [collective] * 3


async def test_a_recipient_refused_beside_one_who_breaks_the_dialogue_is_asked_for_again() -> None:
    """Whose refusal it was, nobody can tell."""
    script: Script = {"RCPT TO:<dr.alpha": [b"550 5.1.1 No\r\n", b"250 2.1.5 ok\r\n"], BAD: b"hello\r\n"}
    async with ScriptedServer(script) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert statuses(outcomes) == [(Delivered, "2.0.0"), (Deferred, "4.5.0"), (Delivered, "2.0.0")]


async def test_the_recipients_of_a_further_transaction_go_on_without_the_bad_one() -> None:
    async with ScriptedServer({BAD: CLOSE}) as server:
        outcomes = await sent(server, deliveries=THREE, limits=PoolLimits(recipients=1))
    assert statuses(outcomes) == [(Delivered, "2.0.0"), (Deferred, "4.4.2"), (Delivered, "2.0.0")]


@pytest.mark.parametrize(("answer", "sessions"), [(CLOSE, 4), (b"hello\r\n", 4), (b"421 4.3.2 Busy\r\n", 2)])
async def test_a_peer_that_breaks_off_at_every_recipient_is_not_hammered(answer: Answer, sessions: int) -> None:
    """After 421 one further connection, else three; the next attempt is the queue's to time."""
    six = to(*(f"dr.{name}@x.example" for name in ("a", "b", "c", "d", "e", "f")))
    async with ScriptedServer({"RCPT": answer}) as server:
        outcomes = await sent(server, deliveries=six)
    assert {type(outcome) for outcome in outcomes} == {Deferred}
    assert len({outcome.reply for outcome in outcomes}) == 1
    assert len(server.sessions) == sessions


@pytest.mark.parametrize(
    ("offers", "answer", "sessions"),
    [(ALL, CLOSE, 5), (LOCKSTEP, CLOSE, 5), (LOCKSTEP, b"hello\r\n", 5), (LOCKSTEP, b"421 4.5.3 Too many\r\n", 3)],
)
async def test_a_peer_that_breaks_off_after_so_many_recipients_gets_the_letter_for_those(
    offers: tuple[str, ...], answer: Answer, sessions: int
) -> None:
    """Whoever was left out, there was one recipient too many, and nobody ever had the letter."""
    six = to(*(f"dr.{name}@x.example" for name in ("a", "b", "c", "d", "e", "f")))
    ok = b"250 2.1.5 ok\r\n"
    async with ScriptedServer({"RCPT": [*[ok, ok, answer] * (sessions - 1), ok]}, offers=offers) as server:
        outcomes = await sent(server, deliveries=six)
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 2 + [Deferred] * 4
    assert [len(session.bodies) for session in server.sessions] == [0] * (sessions - 1) + [1]
    assert len(server.sessions[-1].said("RCPT")) == 2


@MANNERS
async def test_however_many_the_peer_cannot_stand_those_it_took_before_have_the_letter(offers: tuple[str, ...]) -> None:
    names = ("good1", "bad1", "good2", "bad2", "bad3", "bad4", "good3")
    async with ScriptedServer({"RCPT TO:<bad": CLOSE}, offers=offers) as server:
        outcomes = await sent(server, deliveries=to(*(f"{name}@x.example" for name in names)))
    assert [name for name, each in zip(names, outcomes, strict=True) if isinstance(each, Delivered)] == [
        "good1",
        "good2",
    ]
    assert all(outcome.collective for outcome in outcomes if isinstance(outcome, Deferred)), "they are tried apart"
    assert len(server.bodies) == 1


async def test_the_one_recipient_of_a_letter_costs_one_connection() -> None:
    async with ScriptedServer({"RCPT": CLOSE}) as server:
        [outcome] = await sent(server)
    assert outcome == Deferred(reply=LOST, next_hop="127.0.0.1")
    assert len(server.sessions) == 1


async def test_recipients_refused_before_the_loss_stay_refused() -> None:
    async with ScriptedServer({"RCPT TO:<dr.alpha": b"550 5.1.1 No\r\n", "DATA": CLOSE}, offers=LOCKSTEP) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert statuses(outcomes) == [(Bounced, "5.1.1"), (Deferred, "4.4.2"), (Deferred, "4.4.2")]


async def test_nobody_listening_is_a_deferral() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with transport() as out:
            outcomes = await out.send(route(unused.getsockname()[1]), letter(), ONE)
    assert statuses(list(outcomes.values())) == [(Deferred, "4.4.1")]
    assert outcomes[0].down
    assert outcomes[0].reply.text == "Connexion au serveur suivant impossible (Connection refused)"


async def test_a_host_that_says_another_is_down_is_not_down_itself() -> None:
    """Its words quote the recipient: nobody else is told them."""
    async with ScriptedServer({"RCPT": b"451 4.4.1 <dr.alpha@x.example>: timed out\r\n"}) as server:
        [outcome] = await sent(server)
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.status, outcome.down) == ("4.4.1", False)


async def test_a_failed_connection_takes_no_place_in_the_pool() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        there = route(unused.getsockname()[1])
        async with transport(limits=PoolLimits(connections=1), timeouts=Timeouts(attempt=1)) as out:
            outcomes = [(await out.send(there, letter(), ONE))[0] for _ in range(3)]
    assert statuses(outcomes) == [(Deferred, "4.4.1")] * 3


@pytest.mark.parametrize(("answer", "alarm"), [(b"421 4.3.2 Busy\r\n", False), (b"554 5.3.2 Not here\r\n", True)])
@pytest.mark.parametrize("moment", ["GREETING", "HELO"])
async def test_a_host_that_will_not_talk_to_us_refuses_no_letter(moment: str, answer: bytes, alarm: bool) -> None:
    """A 5xx before MAIL is about us or the host: the letter waits and an administrator hears of it."""
    async with ScriptedServer({moment: answer, "EHLO": b"502 5.5.1 What?\r\n"}) as server:
        [outcome] = await sent(server)
    assert isinstance(outcome, Deferred)
    assert outcome.reply.status == "4.4.1"
    assert outcome.reply.text.endswith(answer.decode().strip())
    assert outcome.alarm is alarm


@pytest.mark.parametrize("answer", [b"451 4.3.2 Later\r\n", b"450 Busy\r\n"])
async def test_a_host_that_refuses_ehlo_for_now_is_no_old_one(answer: bytes) -> None:
    """Greeted with HELO it offers nothing, and a letter in 8 bits bounced for want of 8BITMIME."""
    async with ScriptedServer({"EHLO": answer}) as server:
        [outcome] = await sent(server, letter(b"Subject: x\r\n\r\nsant\xc3\xa9\r\n"))
    assert isinstance(outcome, Deferred)
    assert outcome.down
    assert not outcome.alarm
    assert server.commands == [server.commands[0]]


async def test_a_host_that_wants_more_after_the_final_dot_gets_nothing_more() -> None:
    """It would take the next letter for the rest of this one."""
    async with ScriptedServer({"DOT": b"354 more\r\n"}) as server, transport() as out:
        outcomes = [(await out.send(route(server.port), letter(), ONE))[0] for _ in range(2)]
    assert statuses(outcomes) == [(Deferred, "4.5.0")] * 2
    assert len(server.sessions) == 2


@MANNERS
@pytest.mark.parametrize("moment", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_421_ends_the_dialogue_and_is_what_the_others_are_told(offers: tuple[str, ...], moment: str) -> None:
    async with ScriptedServer({moment: b"421 4.3.2 Closing\r\n"}, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert outcomes == [Deferred(reply=Reply(421, "4.3.2", "Closing"), next_hop="127.0.0.1")] * 3


# Replies that are none, too many, or out of turn


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n",
        b"199 what\r\n",
        b"600 what\r\n",
        b"250-a\r\n251 b\r\n",
        b"2500 x\r\n",
        b"354 already\r\n",
        b"\r\n",
        b"250 " + b"x" * 5000 + b"\r\n",
        b"250-" + b"x" * 6000,
        b"250-x\r\n" * 10_000,
    ],
    ids=["words", "1xx", "6xx", "two-codes", "four-digits", "3xx", "empty", "long-line", "no-line-end", "endless"],
)
@MANNERS
async def test_a_reply_that_makes_no_sense_ends_the_connection(offers: tuple[str, ...], answer: bytes) -> None:
    async with ScriptedServer({"MAIL": answer}, offers=offers) as server:
        [outcome] = await sent(server, timeouts=HURRY)
    assert statuses([outcome]) == [(Deferred, "4.5.0")]
    assert server.bodies == []


@MANNERS
@pytest.mark.parametrize("moment", ["MAIL", "RCPT"])
async def test_a_reply_too_many_is_not_matched_to_the_next_command(offers: tuple[str, ...], moment: str) -> None:
    """One by one the extra reply is seen at once; pipelined it makes DATA's answer a 250, which is none."""
    async with ScriptedServer({moment: b"250 2.1.0 ok\r\n250 2.1.0 ok\r\n"}, offers=offers) as server:
        [outcome] = await sent(server)
    assert statuses([outcome]) == [(Deferred, "4.5.0")]
    assert server.bodies == []


@MANNERS
async def test_a_refusal_on_a_dialogue_that_went_wrong_bounces_nobody(offers: tuple[str, ...]) -> None:
    """The 550 stands where the answer about dr.alpha should be; who it is about, nobody can tell."""
    async with ScriptedServer({"MAIL": b"250 2.1.0 ok\r\n550 5.1.1 No\r\n"}, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert statuses(outcomes) == [(Deferred, "4.5.0")] * 3


@MANNERS
async def test_the_refusal_of_the_last_recipient_is_not_taken_for_that_of_the_letter(offers: tuple[str, ...]) -> None:
    """With a reply too many before it, it stood where the answer to DATA should be, and all bounced."""
    script: Script = {"MAIL": b"250 2.1.0 ok\r\n250 2.1.0 ok\r\n", "RCPT TO:<dr.gamma": b"550 5.1.1 No\r\n"}
    async with ScriptedServer(script, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert statuses(outcomes) == [(Deferred, "4.5.0")] * 3
    assert server.bodies == []


@MANNERS
@pytest.mark.parametrize("then", [b"250 2.0.0 ok\r\n", b"421 4.3.2 Closing\r\n", CLOSE, SILENCE])
async def test_a_refusal_at_data_is_one_of_the_letter_whatever_follows(offers: tuple[str, ...], then: Answer) -> None:
    script: Script = {"RCPT TO:<dr.gamma": b"550 5.1.1 No\r\n", "DATA": b"554 5.7.1 Not this one\r\n", "RSET": then}
    async with ScriptedServer(script, offers=offers) as server, transport(timeouts=HURRY) as out:
        outcomes = await out.send(route(server), letter(), THREE)
        assert statuses([outcomes[n] for n in range(3)]) == [(Bounced, "5.7.1"), (Bounced, "5.7.1"), (Bounced, "5.1.1")]
        server.script |= {"DATA": b"354 Go on\r\n", "RSET": b"250 2.0.0 ok\r\n"}
        [outcome] = (await out.send(route(server), letter(), ONE)).values()
    assert isinstance(outcome, Delivered)


async def test_an_acceptance_before_the_final_dot_is_believed_by_nobody() -> None:
    data = b"x" * 65_534 + b"\r\n"
    async with ScriptedServer({"DATA": b"354 Go on\r\n250 2.0.0 queued\r\n"}) as server:
        [outcome] = await sent(server, letter(spooled(len(data))), spool=Shelf(data))
    assert statuses([outcome]) == [(Deferred, "4.5.0")]
    assert server.bodies == []


async def test_a_refusal_in_the_middle_of_the_body_is_an_answer() -> None:
    """Some peers stop reading at their size limit, say so and close."""
    data = b"x" * 65_534 + b"\r\n"
    async with ScriptedServer({"BODY": b"552 5.3.4 Too big\r\n"}) as server:
        shelf = Shelf(*[data] * 400)
        [outcome] = await sent(server, letter(spooled(len(data) * 400)), spool=shelf)
    assert outcome == Bounced(reply=Reply(552, "5.3.4", "Too big"), next_hop="127.0.0.1")
    assert server.bodies == []


async def test_an_answer_to_the_letter_counts_even_if_more_follows() -> None:
    async with ScriptedServer({"DOT": b"250 2.0.0 queued\r\n250 2.0.0 and more\r\n"}) as server, transport() as out:
        first = await out.send(route(server), letter(), ONE)
        second = await out.send(route(server), letter(), ONE)
    assert isinstance(first[0], Delivered)
    assert isinstance(second[0], Delivered)
    assert len(server.sessions) == 2


async def test_the_reply_text_is_bounded_and_printable() -> None:
    async with ScriptedServer({"DOT": b"550-5.7.1 caf\xc3\xa9 \x07\r\n550 5.7.1 " + b"y" * 3000 + b"\r\n"}) as server:
        [outcome] = await sent(server)
    assert outcome.reply.status == "5.7.1"
    assert outcome.reply.text.startswith("caf? ?")
    assert len(outcome.reply.text) == 500


@pytest.mark.parametrize("text", [b"", b" 4.0.0 odd class", b" no status"])
async def test_a_status_that_the_peer_did_not_give_is_not_made_up(text: bytes) -> None:
    async with ScriptedServer({"DOT": b"250" + text + b"\r\n"}) as server:
        [outcome] = await sent(server)
    assert outcome.reply == Reply(250, "", text.decode().strip())


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("act", [CLOSE, SILENCE], ids=["closes", "is-silent"])
async def test_no_answer_to_the_final_dot_is_never_tried_again_in_the_same_attempt(kept: bool, act: Act) -> None:
    """The peer may have it: sending again at once would be a likely duplicate, later it is a possible one."""
    ok = b"250 2.0.0 ok\r\n"
    async with ScriptedServer({"DOT": [ok, act] if kept else act}) as server:
        async with transport(timeouts=HURRY) as out:
            if kept:
                await out.send(route(server), letter(), ONE)
            outcomes = await out.send(route(server), letter(), ONE)
        await server.settled()
    assert statuses(list(outcomes.values())) == [(Deferred, "4.4.2")]
    assert len(server.bodies) == 1 + kept
    assert len(server.sessions) == 1


async def test_a_peer_that_stops_reading_is_given_up() -> None:
    """A plain socket, since the stand-in's streams read ahead."""
    data = b"x" * 65_534 + b"\r\n"
    stored = letter(spooled(len(data) * 400))

    async def answer_and_go_deaf(listener: socket.socket) -> socket.socket:
        loop = asyncio.get_running_loop()
        peer, _ = await loop.sock_accept(listener)
        await loop.sock_sendall(peer, b"220 deaf.example\r\n")
        for end, answer in (
            (b"EHLO gw.example\r\n", b"250-x\r\n250 PIPELINING\r\n"),
            (b"DATA\r\n", b"250 1\r\n250 2\r\n354 3\r\n"),
        ):
            heard = b""
            while not heard.endswith(end):
                heard += await loop.sock_recv(peer, 4096)
            await loop.sock_sendall(peer, answer)
        return peer

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        peer = asyncio.create_task(answer_and_go_deaf(listener))
        async with transport(timeouts=HURRY, spool=Shelf(*[data] * 400)) as out:
            outcomes = await out.send(route(listener.getsockname()[1]), stored, ONE)
        (await peer).close()
    assert outcomes == {0: Deferred(reply=SILENT, next_hop="127.0.0.1")}


async def test_the_whole_attempt_has_a_limit() -> None:
    """A peer that always answers just in time must not hold a letter longer than its lease."""
    async with ScriptedServer({"DOT": SILENCE}) as server:
        outcomes = await sent(server, timeouts=Timeouts(attempt=0.3))
    assert statuses(outcomes) == [(Deferred, "4.4.2")]


async def test_a_cancelled_attempt_leaves_no_connection_behind() -> None:
    async with ScriptedServer({"DOT": [SILENCE, b"250 2.0.0 ok\r\n"]}) as server, transport() as out:
        attempt = asyncio.create_task(out.send(route(server), letter(), ONE))
        await server.body_came.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await server.settled()
        [outcome] = (await out.send(route(server), letter(), ONE)).values()
    assert isinstance(outcome, Delivered)
    assert len(server.sessions) == 2


async def test_a_closed_transport_sends_nothing() -> None:
    async with ScriptedServer() as server, transport() as out:
        await out.close()
        outcomes = await out.send(route(server), letter(), ONE)
    assert statuses(list(outcomes.values())) == [(Deferred, "4.3.2")]
    assert server.sessions == []


# What is said about it


async def test_logs_name_the_hop_and_never_what_the_peer_said() -> None:
    quoting = b"550 5.1.1 <279035121518989@patient.mssante.fr> unknown\r\n"
    with capture_logs() as logs:
        async with ScriptedServer({"RCPT": quoting, "DATA": b"503 5.5.1 no\r\n"}) as server:
            [outcome] = await sent(server)
        async with ScriptedServer({"GREETING": quoting}) as refusing:
            await sent(refusing)
    assert "279035121518989" in outcome.reply.text  # it goes to the failure notice
    connected, failed = logs
    assert connected == {
        "event": "delivery.connected",
        "route": "next",
        "host": "127.0.0.1",
        "port": server.port,
        "tls": None,
        "log_level": "info",
    }
    assert failed == {
        "event": "delivery.connection_failed",
        "route": "next",
        "host": "127.0.0.1",
        "port": refusing.port,
        "tls": "none",
        "code": 451,
        "status": "4.4.1",
        "why": "SMTPConnectResponseError 550",
        "log_level": "warning",
    }
