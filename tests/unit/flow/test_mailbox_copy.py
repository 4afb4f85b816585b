"""A patient's copy: what ends the exchange says so, and no receipt is left for his mail client to send."""

from dataclasses import replace

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, Party
from mssgw.core.clients import Client
from mssgw.core.conversation import Pair
from mssgw.core.envelope import Role
from mssgw.core.facts import Exchange
from mssgw.core.message import MessageHead
from mssgw.core.routes import Route, RouteKind, TlsPolicy
from mssgw.flow.mailbox_copy import ENDS, Copies
from mssgw.formats.mime import Scanner
from mssgw.ports.mailbox import INBOX, MDN_SENT
from tests.wire.outbound import SENDER, TRACE, Shelf, hot, inline, letter, spooled, to

PATIENT = "279035121518989@patient.mssante.fr"
OURS = Client(name="h", role=Role.ESTABLISHMENT, domains=frozenset({SENDER.domain}))
STORE = Route(
    name="store:s:patients",
    kind=RouteKind.IMAP,
    host="imap.x.example",
    tls=TlsPolicy.REQUIRE,
    patients=True,
    folders=(INBOX,),
    marks_subject=True,
)
ABOVE = b"Return-Path: <" + SENDER.text.encode() + b">\r\n"
ASKS = b"Disposition-Notification-To: <service@hopital.example>\r\n"
FIN = b"X-MSS-MES: FIN\r\n"


def content(*fields: bytes, subject: bytes = b"essai") -> bytes:
    """In wire form."""
    above = b"From: <" + SENDER.text.encode() + b">\r\nMessage-ID: <l1@hopital.example>\r\n"
    return above + b"Subject: " + subject + b"\r\n" + b"".join(fields) + b"\r\n..\r\nBonjour\r\n"


def head_of(wire: bytes) -> MessageHead:
    scanner = Scanner()
    scanner.feed(wire)
    return scanner.finish()


async def copy(
    wire: bytes, *, route: Route = STORE, bal: Bal | None = None, cut: int = 0
) -> tuple[bytes, frozenset[str]]:
    """What goes into the mailbox, and its flags."""
    (delivery,) = to(PATIENT)
    patient = delivery.forward_path.address
    exchange = Exchange(
        forward_path=delivery.forward_path, party=Party.PATIENT, relayable=True, pair=Pair(patient, SENDER)
    )
    stored = letter(hot(wire[:cut], wire[cut:]) if cut else inline(wire))
    facts = replace(
        stored.facts, head=head_of(wire), exchanges=(exchange,), client=OURS, sender_bal=bal or Bal(kind=BalKind.ORG)
    )
    copies = Copies(Shelf(), hostname="gw.example")
    made = await copies.of(route, replace(stored, facts=facts), delivery)
    octets = b"".join([piece async for piece in copies.octets(made)])
    assert len(octets) == made.size
    return octets, made.flags


def plain(wire: bytes) -> bytes:
    return wire.replace(b"\r\n..\r\n", b"\r\n.\r\n")


async def test_an_ordinary_letter_lies_there_as_it_was_sent() -> None:
    wire = content()
    assert await copy(wire) == (ABOVE + TRACE + plain(wire), frozenset())


async def test_a_letter_that_ends_the_exchange_says_so_in_its_subject() -> None:
    """And by a keyword; nothing else of it changes (FIN-2)."""
    octets, flags = await copy(content(FIN))
    assert flags == {ENDS}
    assert octets == ABOVE + b"X-Mssgw-Fin: subject\r\n" + TRACE + plain(content(FIN, subject=b"[FIN] essai"))


@pytest.mark.parametrize("cut", range(1, 150, 7))
async def test_wherever_its_segments_part(cut: int) -> None:
    assert await copy(content(FIN), cut=cut) == await copy(content(FIN))


async def test_a_subject_that_is_fin_says_it_already() -> None:
    """FIN-1."""
    wire = content(subject=b"[FIN]")
    assert await copy(wire) == (ABOVE + TRACE + plain(wire), frozenset({ENDS}))


async def test_a_webmail_may_be_told_by_the_keyword_alone() -> None:
    octets, flags = await copy(content(FIN), route=replace(STORE, marks_subject=False))
    assert (octets, flags) == (ABOVE + TRACE + plain(content(FIN)), {ENDS})


async def test_a_robot_that_closes_with_every_letter_says_so() -> None:
    """FIN-4."""
    closes = Bal(kind=BalKind.APP, closes_on_send=True)
    octets, flags = await copy(content(), bal=closes)
    assert flags == {ENDS}
    assert b"Subject: [FIN] essai\r\n" in octets


async def test_not_where_the_patient_may_answer_somebody_else() -> None:
    """Its Reply-To opened another exchange (WHO-7)."""
    closes = Bal(kind=BalKind.APP, closes_on_send=True)
    octets, flags = await copy(content(b"Reply-To: <service@hopital.example>\r\n"), bal=closes)
    assert flags == frozenset()
    assert b"[FIN]" not in octets


async def test_a_near_miss_ends_nothing() -> None:
    octets, flags = await copy(content(subject=b"Re: [FIN]"))
    assert (flags, b"X-Mssgw-Fin" in octets) == (frozenset(), False)


async def test_no_receipt_is_left_to_his_mail_client() -> None:
    """We send it (RFC 3503); but where we do not, his program may ask him."""
    assert (await copy(content(ASKS)))[1] == {MDN_SENT}
    elsewhere = ASKS.replace(b"hopital", b"autre")
    assert (await copy(content(elsewhere)))[1] == frozenset()


async def test_a_professionals_copy_is_the_letter_alone() -> None:
    own = replace(STORE, patients=False, marks_subject=False)
    assert await copy(content(FIN, ASKS), route=own) == (ABOVE + TRACE + plain(content(FIN, ASKS)), frozenset())


async def test_a_long_letter_is_read_again_from_the_spool() -> None:
    """Its header first, to know where the mark goes; the size is right before the first octet is sent."""
    wire = content(FIN)
    shelf = Shelf(wire[:50], wire[50:])
    (delivery,) = to(PATIENT)
    exchange = Exchange(
        forward_path=delivery.forward_path,
        party=Party.PATIENT,
        relayable=True,
        pair=Pair(Address.parse(PATIENT), SENDER),
    )
    stored = letter(spooled(len(wire) - 1))
    facts = replace(stored.facts, head=head_of(wire), exchanges=(exchange,), client=OURS)
    copies = Copies(shelf, hostname="gw.example")
    made = await copies.of(STORE, replace(stored, facts=facts), delivery)
    octets = b"".join([piece async for piece in copies.octets(made)])
    assert (len(octets), shelf.reads) == (made.size, 2)
