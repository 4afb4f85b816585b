"""What becomes of a letter at the next hop: outcomes, bytes, extensions."""

from collections.abc import AsyncIterator

import pytest

from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered
from mssgw.core.envelope import ForwardPath, Notify
from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.core.replies import INTERNAL_ERROR, Reply
from mssgw.edges.smtp_limits import PoolLimits
from mssgw.ports import Body
from tests.wire.outbound import (
    LETTER,
    LOCKSTEP,
    MANNERS,
    ONE,
    THREE,
    TRACE,
    Shelf,
    hot,
    inline,
    letter,
    sent,
    spooled,
    to,
)
from tests.wire.scripted_server import ALL, CLOSE, Script, ScriptedServer

# The dialogue


@MANNERS
async def test_a_letter_is_delivered_with_the_reply_of_the_next_hop(offers: tuple[str, ...]) -> None:
    async with ScriptedServer(offers=offers) as server:
        [outcome] = await sent(server)
    accepted = Reply(250, "2.0.0", "queued as ABC123")
    assert outcome == Delivered(reply=accepted, next_hop="127.0.0.1", dsn_passed_on=True)
    assert server.bodies == [TRACE + LETTER]


async def test_a_peer_that_pipelines_gets_mail_rcpt_and_data_in_one_write() -> None:
    async with ScriptedServer() as server:
        await sent(server, deliveries=THREE)
    verbs = [command.split(":")[0] for command in server.sessions[0].ahead]
    assert verbs == ["MAIL FROM", "RCPT TO", "RCPT TO", "RCPT TO"]


async def test_a_peer_that_does_not_pipeline_gets_one_command_at_a_time() -> None:
    async with ScriptedServer(offers=LOCKSTEP) as server:
        await sent(server, deliveries=THREE)
    assert server.sessions[0].ahead == []
    assert len(server.sessions[0].said("RCPT")) == 3


@MANNERS
async def test_each_recipient_has_the_outcome_that_the_peer_gave_it(offers: tuple[str, ...]) -> None:
    script: Script = {
        "RCPT TO:<dr.alpha": b"550-5.1.1 No such\r\n550 5.1.1 mailbox\r\n",
        "RCPT TO:<dr.gamma": b"450 4.2.1 Later\r\n",
    }
    async with ScriptedServer(script, offers=offers) as server:
        alpha, beta, gamma = await sent(server, deliveries=THREE)
    assert alpha == Bounced(reply=Reply(550, "5.1.1", "No such mailbox"), next_hop="127.0.0.1")
    assert isinstance(beta, Delivered)
    assert gamma == Deferred(reply=Reply(450, "4.2.1", "Later"), next_hop="127.0.0.1")
    assert server.bodies == [TRACE + LETTER]


@MANNERS
@pytest.mark.parametrize(
    ("moment", "answer", "kind"),
    [
        ("MAIL", b"550 5.7.1 No\r\n", Bounced),
        ("MAIL", b"451 4.7.1 Greylisted\r\n", Deferred),
        ("RCPT", b"550 5.7.1 No\r\n", Bounced),
        ("RCPT", b"451 4.7.1 Greylisted\r\n", Deferred),
        ("DATA", b"554 5.7.1 No\r\n", Bounced),
        ("DATA", b"451 4.3.0 Later\r\n", Deferred),
        ("DOT", b"554 5.7.1 No\r\n", Bounced),
        ("DOT", b"452 4.3.1 Full\r\n", Deferred),
    ],
)
async def test_a_refusal_at_any_step_is_the_outcome_of_all(
    offers: tuple[str, ...], moment: str, answer: bytes, kind: type
) -> None:
    script: Script = {moment: answer}
    if moment in ("MAIL", "RCPT") and offers is ALL:
        script["DATA"] = b"503 5.5.1 No recipients\r\n"
    async with ScriptedServer(script, offers=offers) as server:
        outcomes = await sent(server, deliveries=THREE)
    text = answer.decode().strip()
    assert [(type(one), str(one.reply)) for one in outcomes] == [(kind, text)] * 3
    assert server.bodies == ([TRACE + LETTER] if moment == "DOT" else [])


async def test_a_peer_that_wants_data_for_no_recipient_gets_no_message() -> None:
    """RFC 2920 allows a 354 after every RCPT failed; even an empty message would then be a message."""
    async with ScriptedServer({"RCPT": b"550 5.1.1 No\r\n"}) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert [type(one) for one in outcomes] == [Bounced] * 3
    assert server.bodies == []
    assert "RSET" not in server.commands


async def test_552_for_too_many_recipients_means_later() -> None:
    async with ScriptedServer({"RCPT TO:<dr.gamma": b"552 5.5.3 Too many\r\n"}) as server:
        outcomes = await sent(server, deliveries=THREE)
    assert outcomes[2] == Deferred(reply=Reply(452, "4.5.3", "Too many"), next_hop="127.0.0.1")


async def test_530_to_mail_is_about_the_two_servers_and_not_about_the_letter() -> None:
    async with ScriptedServer({"MAIL": b"530 5.7.0 Must issue STARTTLS\r\n"}, offers=LOCKSTEP) as server:
        [outcome] = await sent(server)
    assert isinstance(outcome, Deferred)
    assert outcome.alarm


async def test_many_recipients_go_in_groups() -> None:
    """RFC 5321 section 4.5.3.1.8 promises room for 100 recipients, and no more."""
    many = to(*(f"dr{n}@x.example" for n in range(25)))
    async with ScriptedServer() as server:
        outcomes = await sent(server, deliveries=many, limits=PoolLimits(recipients=10))
    assert [type(one) for one in outcomes] == [Delivered] * 25
    assert len(server.bodies) == 3
    assert len(server.sessions) == 1


async def test_a_lost_connection_defers_the_groups_that_follow() -> None:
    many = to(*(f"dr{n}@x.example" for n in range(6)))
    ok = b"250 2.0.0 ok\r\n"
    async with ScriptedServer({"DOT": [ok, CLOSE]}) as server:
        outcomes = await sent(server, deliveries=many, limits=PoolLimits(recipients=2))
    assert [type(one) for one in outcomes] == [Delivered] * 2 + [Deferred] * 4
    assert len(server.bodies) == 2


# The bytes


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"..\r\n",
        b"..\r\n...\r\n..a\r\n",
        b"a" * 900_000 + b"\r\n",
        b"Subject: x\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
        b"\t \r\n  trailing  \r\n\r\n\r\n",
    ],
    ids=["empty", "one-line-end", "dot", "dots", "long-line", "eight-bit", "white-space"],
)
@pytest.mark.parametrize("whole", [True, False])
async def test_the_body_arrives_octet_for_octet_as_it_was_stored(data: bytes, whole: bool) -> None:
    """In one piece from memory, and in several from the spool (the stand-in keeps stuffed dots)."""
    segments = [data[i : i + 65_536] for i in range(0, len(data), 65_536)]
    stored = letter(inline(data) if whole else spooled(len(data)))
    async with ScriptedServer() as server:
        [outcome] = await sent(server, stored, spool=Shelf(*segments))
    assert isinstance(outcome, Delivered)
    assert server.bodies == [TRACE + data]


async def test_a_large_hot_body_arrives_whole_and_is_not_read_back() -> None:
    segments = [(b"%05d" % n) + b"x" * 65_529 + b"\r\n" for n in range(100)]
    shelf = Shelf()
    async with ScriptedServer() as server:
        [outcome] = await sent(server, letter(hot(*segments)), spool=shelf)
    assert isinstance(outcome, Delivered)
    assert server.bodies == [TRACE + b"".join(segments)]
    assert shelf.reads == 0


@pytest.mark.parametrize("segments", [(), (b"a" * 70_000,)], ids=["at-once", "half-way"])
@pytest.mark.parametrize("error", [Gone(), Undecryptable()])
async def test_an_unreadable_body_is_raised_and_never_ends_with_a_dot(
    segments: tuple[bytes, ...], error: Gone | Undecryptable
) -> None:
    async with ScriptedServer() as server:
        with pytest.raises(type(error)):
            await sent(server, letter(spooled(140_000)), spool=Shelf(*segments, then=error))
        await server.settled()
    assert server.bodies == []
    assert len(server.sessions[0].said("DATA")) == bool(segments)  # nothing of it at hand: not even begun


class ReadOnce(Shelf):
    """A spool whose disk fails after the first reading."""

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        if self.reads:
            raise StoreUnavailable("the spool failed: EIO")
        async for segment in super().read(body):
            yield segment


async def test_a_body_that_cannot_be_read_again_takes_no_outcome_from_those_who_have_the_letter() -> None:
    """They would get it a second time. The others wait for the next attempt, which raises when it delivers nothing."""
    many, segments = to(*(f"dr{n}@x.example" for n in range(4))), (b"a" * 998 + b"\r\n",) * 100
    async with ScriptedServer() as server:
        outcomes = await sent(
            server, letter(spooled(100_000)), many, spool=ReadOnce(*segments), limits=PoolLimits(recipients=2)
        )
    assert [type(one) for one in outcomes] == [Delivered] * 2 + [Deferred] * 2
    assert outcomes[2] == Deferred(reply=INTERNAL_ERROR, alarm=True)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("segment", [b"a" * 98 + b"\r\n", b"a" * 200], ids=["cut-short", "without-line-end"])
async def test_a_body_that_is_not_the_one_stored_never_ends_with_a_dot(segment: bytes) -> None:
    async with ScriptedServer() as server:
        with pytest.raises(Undecryptable):
            await sent(server, letter(spooled(200)), spool=Shelf(segment))
        await server.settled()
    assert server.bodies == []


# Extensions


async def test_what_the_peer_offers_is_said_and_nothing_else() -> None:
    bare = to(ForwardPath(address=Address.parse("dr.alpha@x.example"), notify=frozenset({Notify.NEVER})))
    async with ScriptedServer(offers=()) as server:
        [outcome] = await sent(server, letter(ret="HDRS", envid="E+2B1"), bare)
    assert server.commands[1:3] == ["MAIL FROM:<cardiologie@hopital.example>", "RCPT TO:<dr.alpha@x.example>"]
    assert isinstance(outcome, Delivered)
    assert not outcome.dsn_passed_on


async def test_a_peer_without_ehlo_is_spoken_to_with_helo() -> None:
    async with ScriptedServer({"EHLO": b"502 5.5.1 What?\r\n"}) as server:
        [outcome] = await sent(server)
    assert isinstance(outcome, Delivered)
    assert server.commands[:2] == ["EHLO gw.example", "HELO gw.example"]


async def test_delivery_report_wishes_are_passed_on() -> None:
    """RFC 3461: RET, ENVID and ORCPT as they came; an ORCPT is made where there was none."""
    told = ForwardPath(
        address=Address.parse("dr.alpha@x.example"),
        notify=frozenset({Notify.SUCCESS, Notify.FAILURE}),
        orcpt="rfc822;alpha+2Bold@y.example",
    )
    plain = ForwardPath(address=Address.parse("a+b=c@x.example"))
    async with ScriptedServer() as server:
        await sent(server, letter(ret="HDRS", envid="E+2B1"), to(told, plain))
    mail, first, second = server.commands[1:4]
    assert mail == (f"MAIL FROM:<cardiologie@hopital.example> SIZE={len(TRACE + LETTER)} RET=HDRS ENVID=E+2B1")
    assert first == "RCPT TO:<dr.alpha@x.example> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;alpha+2Bold@y.example"
    assert second == "RCPT TO:<a+b=c@x.example> ORCPT=rfc822;a+2Bb+3Dc@x.example"


async def test_a_wish_that_could_smuggle_a_command_is_left_out() -> None:
    hostile = ForwardPath(address=Address.parse("dr.alpha@x.example"), orcpt="rfc822;a\r\nRCPT TO:<evil@x.example>")
    async with ScriptedServer() as server:
        await sent(server, letter(envid="a\r\nRSET"), to(hostile))
    assert server.sessions[0].said("RCPT") == ["RCPT TO:<dr.alpha@x.example>"]
    assert server.sessions[0].said("RSET") == []


async def test_an_address_that_could_smuggle_a_command_is_bounced() -> None:
    hostile = Address(text="a@x.example>\r\nRCPT TO:<evil@x.example", key="a@x.example", domain="x.example")
    async with ScriptedServer() as server:
        bad, good = await sent(server, deliveries=to(ForwardPath(address=hostile), "dr.beta@x.example"))
    assert isinstance(bad, Bounced)
    assert isinstance(good, Delivered)
    assert len(server.sessions[0].said("RCPT")) == 1


@pytest.mark.parametrize("over", [0, 1])
async def test_size_is_checked_before_mail_and_exactly(over: int) -> None:
    """RFC 1870 counts trace headers and not the dots that stuffing added (SD-1)."""
    data = b"..dot\r\n" * 100
    limit = len(TRACE) + len(data) - 100 - over
    async with ScriptedServer(offers=("PIPELINING", f"SIZE {limit}")) as server:
        [outcome] = await sent(server, letter(data))
    if over:
        assert isinstance(outcome, Bounced)
        assert (outcome.reply.code, outcome.reply.status) == (552, "5.3.4")
        assert server.sessions[0].said("MAIL") == []
    else:
        assert isinstance(outcome, Delivered)
        assert server.sessions[0].said("MAIL")[0].endswith(f" SIZE={limit}")


async def test_size_zero_means_no_limit() -> None:
    async with ScriptedServer(offers=("SIZE 0",)) as server:
        [outcome] = await sent(server)
    assert isinstance(outcome, Delivered)


EIGHT = b"Subject: x\r\n\r\nsant\xc3\xa9\r\n"


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("declared", [True, False])
async def test_eight_bit_to_a_seven_bit_hop_is_bounced_before_mail(in_memory: bool, declared: bool) -> None:
    """Whether it was declared or not: what counts is what the bytes are."""
    body = inline(EIGHT) if in_memory else spooled(len(EIGHT))
    async with ScriptedServer(offers=("PIPELINING",)) as server:
        [outcome] = await sent(server, letter(body, eight_bit=declared), spool=Shelf(EIGHT))
    assert isinstance(outcome, Bounced)
    assert (outcome.reply.code, outcome.reply.status) == (554, "5.6.3")
    assert server.sessions[0].said("MAIL") == []


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_seven_bit_letter_declared_eight_bit_passes_a_seven_bit_hop(in_memory: bool) -> None:
    """Exchange declares everything 8BITMIME; an all-ASCII letter needs nothing of the hop."""
    body = inline(LETTER) if in_memory else spooled(len(LETTER))
    async with ScriptedServer(offers=("PIPELINING",)) as server:
        [outcome] = await sent(server, letter(body, eight_bit=True), spool=Shelf(LETTER))
    assert isinstance(outcome, Delivered)
    assert "BODY=" not in server.sessions[0].said("MAIL")[0]


@pytest.mark.parametrize("declared", [True, False])
async def test_eight_bit_to_a_hop_that_takes_it_goes_unchanged_and_declared(declared: bool) -> None:
    async with ScriptedServer() as server:
        await sent(server, letter(EIGHT, eight_bit=declared))
    assert server.sessions[0].said("MAIL")[0].endswith(" BODY=8BITMIME")
    assert server.bodies == [TRACE + EIGHT]


async def test_an_internationalised_recipient_needs_smtputf8_and_the_others_do_not() -> None:
    async with ScriptedServer(offers=ALL[:2]) as server:
        utf8, plain = await sent(server, deliveries=to("zo\u00e9@x.example", "dr.beta@x.example"))
    assert isinstance(utf8, Bounced)
    assert (utf8.reply.code, utf8.reply.status) == (553, "5.6.7")
    assert isinstance(plain, Delivered)


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        (b"Subject: sant\xc3\xa9\r\n\r\nx\r\n", {"smtputf8": True}),
        (LETTER, {"reverse_path": Address.parse("zo\u00e9@hopital.example")}),
    ],
)
@pytest.mark.parametrize("in_memory", [True, False])
async def test_an_internationalised_message_needs_smtputf8(
    body: bytes, envelope: dict[str, object], in_memory: bool
) -> None:
    stored = letter(inline(body) if in_memory else spooled(len(body)), **envelope)
    async with ScriptedServer(offers=ALL[:2]) as server:
        [outcome] = await sent(server, stored, spool=Shelf(body))
    assert isinstance(outcome, Bounced)
    assert outcome.reply.status == "5.6.7"
    assert server.sessions[0].said("MAIL") == []


@pytest.mark.parametrize("body", [LETTER, EIGHT], ids=["all-ascii", "body-in-8-bit"])
@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_letter_of_ascii_addresses_and_header_passes_a_hop_without_smtputf8(
    body: bytes, in_memory: bool
) -> None:
    """Some programs announce SMTPUTF8 with every letter as soon as it is offered, as we do."""
    halves = body[:20], body[20:]
    stored = letter(inline(body) if in_memory else spooled(len(body)), smtputf8=True)
    async with ScriptedServer(offers=ALL[:2]) as server:
        [outcome] = await sent(server, stored, spool=Shelf(*halves))
    assert isinstance(outcome, Delivered)
    assert "SMTPUTF8" not in server.sessions[0].said("MAIL")[0]
    assert server.bodies == [TRACE + body]


async def test_smtputf8_is_used_where_it_is_offered() -> None:
    async with ScriptedServer() as server:
        [outcome] = await sent(server, deliveries=to("zo\u00e9@x.example"))
    assert isinstance(outcome, Delivered)
    assert server.commands[1].endswith(" SMTPUTF8")
    assert server.commands[2] == "RCPT TO:<zo\u00e9@x.example>"


async def test_the_null_reverse_path_is_sent_as_such() -> None:
    async with ScriptedServer(offers=()) as server:
        await sent(server, letter(reverse_path=None), ONE)
    assert server.commands[1] == "MAIL FROM:<>"
