"""A letter that its reader has dealt with, as its mailbox gives it back, and the receipt that says so."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry
from mssgw.core.message import Content, MessageHead
from mssgw.core.settings import Settings
from mssgw.flow.ids import new_id
from mssgw.flow.own_letters import OwnLetter
from mssgw.formats.fin_shown import as_sent
from mssgw.formats.french_time import local
from mssgw.formats.headers import Header, read_header
from mssgw.formats.mdn_making import Disposition, Receipt, personal_name, write_receipt
from mssgw.formats.mime import Scanner
from mssgw.formats.own_reports import WHOLE_LIMIT
from mssgw.formats.wire import stuffed
from mssgw.ports import Collected, Mailbox, ReceiptSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLetter:
    """``octets``: as it lies there, or as much as a receipt needs; ``whole``: all of it.

    ``header``: what stands on top of it there; ``head``: of the letter as it was sent.
    """

    octets: bytes = field(repr=False)
    whole: bool
    header: Header
    head: MessageHead


async def read_letter(mailbox: Mailbox, uid: int) -> OpenedLetter:
    """Of a long letter not much more than its header is read. Raises NoSuchMessage, and as Mailbox does."""
    octets, whole = bytearray(), True
    pieces = mailbox.fetch(uid)
    async for piece in pieces:
        octets += piece
        if len(octets) > WHOLE_LIMIT:
            whole = False
            if (aclose := getattr(pieces, "aclose", None)) is not None:
                await aclose()
            break
    letter = bytes(octets)
    scanner = Scanner()
    scanner.feed(stuffed(as_sent(letter)))
    header = read_header(letter.partition(b"\r\n\r\n")[0])
    return OpenedLetter(octets=letter, whole=whole, header=header, head=scanner.finish())


def own_receipt(
    letter: OpenedLetter,
    disposition: Disposition,
    *,
    reader: Address,
    to: Address,
    now: datetime,
    settings: Settings,
    entries: tuple[Entry, ...] = (),
    collected: Collected | None = None,
    seen: ReceiptSeen | None = None,
    quotes: bool = True,
) -> OwnLetter:
    """The receipt of ``reader``'s mailbox, for ``to``. The letter has a Message-ID. ``seen``: counted with it.

    ``quotes``: repeat what lies in the mailbox; see Receipt.
    """
    spool_id, head = new_id(now), letter.head
    message_id = f"<{spool_id}@{settings.hostname}>"
    assert head.message_id is not None
    receipt = Receipt(
        disposition=disposition,
        reader=reader,
        reader_name=personal_name((*letter.header.texts("to"), *letter.header.texts("cc")), reader),
        to=to,
        subject=head.subject,
        sent_at=_sent_at(letter.header, now),
        original_message_id=head.message_id,
        message_id=message_id,
        written_at=now,
        hostname=settings.hostname,
        original=letter.octets,
        whole=letter.whole,
        product=settings.own_product,
        quotes=quotes,
    )
    return OwnLetter(
        spool_id=spool_id,
        message_id=message_id,
        written=write_receipt(receipt),
        to=to,
        content=Content.MDN,
        entries=entries,
        collected=collected,
        receipt=seen,
    )


def _sent_at(header: Header, otherwise: datetime) -> datetime:
    """By its Date, in the time of the reader. A time that no calendar holds is none (OverflowError)."""
    try:
        written = parsedate_to_datetime(header.first("date"))
        return local(written if written.tzinfo is not None else written.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return local(otherwise)
