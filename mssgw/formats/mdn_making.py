"""Writing read receipts (RFC 8098): a patient's, in the words of Mon espace santé, and a program's (MDN-3 to MDN-7)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum

from mssgw.core.addresses import Address
from mssgw.formats.fin_shown import as_sent
from mssgw.formats.french_time import MONTHS
from mssgw.formats.own_parts import Written, header_value, mime_part, product_field, text_part, thread_fields
from mssgw.formats.own_reports import WHOLE_LIMIT, report, returned
from mssgw.formats.words import decoded, encoded

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Disposition(StrEnum):
    """What a receipt says, in the words of its field."""

    DISPLAYED = "manual-action/MDN-sent-automatically; displayed"  # req: SD-13
    PROCESSED = "automatic-action/MDN-sent-automatically; processed"  # req: MDN-7


_SUBJECTS = {Disposition.DISPLAYED: "Accusé de lecture", Disposition.PROCESSED: "Accusé de traitement"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt by ``reader``, a mailbox, to ``to``. ``reader_name``: as the letter called him.

    ``sent_at``: when the letter was written, in the reader's time. ``original``: the letter, or as much of it as was
    read; ``whole``: all of it. ``product``: of this gateway, "" when it is not configured (FMT-9).
    ``quotes``: repeat the letter, its subject and the reader's name; not when the reader could have written them.
    """

    disposition: Disposition
    reader: Address
    reader_name: str = field(default="", repr=False)
    to: Address
    subject: str = field(repr=False)
    sent_at: datetime
    original_message_id: str
    message_id: str
    written_at: datetime
    hostname: str
    original: bytes = field(repr=False)
    whole: bool
    product: str
    quotes: bool = True


def write_receipt(receipt: Receipt) -> Written:
    """The message: text, machine part, the letter that it is about (MDN-5)."""
    about, eight_bit = _about(receipt) if receipt.quotes else (None, False)
    parts = (
        text_part("text/plain; charset=utf-8", _text(receipt).replace("\n", "\r\n").encode("utf-8")),
        mime_part("message/disposition-notification", "7bit", _machine_part(receipt)),
        *((about,) if about is not None else ()),
    )
    fields = (
        b"From: <" + receipt.reader.text.encode("utf-8") + b">",
        b"To: <" + receipt.to.text.encode("utf-8") + b">",
        b"Subject: " + encoded(_subject(receipt)).encode("ascii"),
        b"Date: " + header_value(format_datetime(receipt.written_at)),
        b"Message-ID: " + header_value(receipt.message_id),
        *thread_fields(receipt.original_message_id),
        b"Auto-Submitted: auto-replied",
        *product_field(receipt.product),
    )
    kind, seed = "disposition-notification", receipt.message_id
    content = report(fields, parts, kind=kind, seed=seed, eight_bit=eight_bit)
    plain = receipt.to.ascii_only and receipt.reader.ascii_only
    return Written(content=content, eight_bit=eight_bit, smtputf8=not plain)


def _subject(receipt: Receipt) -> str:
    what = _SUBJECTS[receipt.disposition]
    return f"{what} : {receipt.subject}"[:400] if receipt.quotes else what


def personal_name(lists: Iterable[str], mailbox: Address) -> str:
    """The name that stands before this mailbox in unfolded address lists; "" without one, or an ambiguous one."""
    for text in lists:
        at = text.lower().find(f"<{mailbox.key}>")
        if at >= 0:
            before = text[:at].rstrip()
            if before.endswith('"'):
                name = before[:-1].rpartition('"')[2]
            else:
                name = before[max(map(before.rfind, ',;>"')) + 1 :]
            return " ".join(_CONTROL.sub(" ", decoded(name.strip())).split())[:100]
    return ""


def _text(receipt: Receipt) -> str:
    if receipt.disposition is Disposition.PROCESSED:
        return (
            f"Le message que vous avez envoyé le {_day(receipt.sent_at, ' à')} a été intégré par l'application de "
            f"votre destinataire {receipt.reader.text}.\nCela ne signifie pas qu'une personne l'a lu.\n"
            "Merci de ne pas répondre à ce message.\n"
        )
    name = receipt.reader_name if receipt.quotes else ""
    reader = f"{receipt.reader.text} {name}".rstrip()
    return (  # req: MDN-3
        f"Le message que vous avez envoyé le {_day(receipt.sent_at)} a bien été ouvert par votre destinataire "
        f"{reader}.\nCela ne garantit pas la bonne prise de connaissance de son contenu.\n"
        "Merci de ne pas répondre à ce message.\n"
    )


def _day(at: datetime, then: str = "") -> str:
    """Day, month, hour; Mon espace santé says nothing between."""
    return f"{at.day} {MONTHS[at.month - 1]}{then} {at:%H:%M}"


def _machine_part(receipt: Receipt) -> bytes:  # req: MDN-6
    reader = f"rfc822; {receipt.reader.text}"
    fields = (
        ("Reporting-UA", f"{receipt.hostname}; mssgw"),
        ("Original-Recipient", reader),
        ("Final-Recipient", reader),
        ("Original-Message-ID", receipt.original_message_id),
        ("Disposition", receipt.disposition.value),
    )
    return b"".join(header_value(f"{name}: {value}") + b"\r\n" for name, value in fields)


def _about(receipt: Receipt) -> tuple[bytes, bool]:
    letter = as_sent(receipt.original)
    return returned(letter, whole=receipt.whole and len(letter) <= WHOLE_LIMIT)
