"""Delivery notices (RFC 3464): failure, delay and relay, written in French for people and in fields for machines.

The notice is 7-bit ASCII, its lines at most 998 octets, unless it returns an 8-bit letter whole or goes to an
internationalised address: Written says so.
"""

import re
from email.utils import format_datetime

from mssgw.core.addresses import Address
from mssgw.core.envelope import Envelope
from mssgw.formats.dsn_text import subject_of, text_of_notice
from mssgw.formats.fates import Action, Fate, NoticeOf
from mssgw.formats.own_parts import (
    UNSAFE,
    Written,
    from_gateway,
    header_value,
    mime_part,
    product_field,
    text_part,
    thread_fields,
)
from mssgw.formats.own_reports import WHOLE_LIMIT, report, returned
from mssgw.formats.words import encoded

__all__ = ["Action", "Fate", "NoticeOf", "Written", "returns_whole", "write_notice"]

_XCHAR = re.compile(r"\+([0-9A-F]{2})")


def returns_whole(action: Action, envelope: Envelope, size: int) -> bool:
    """Whether a notice returns the whole letter of that size: asked for, a failure, not too long."""  # req: SD-1
    return action is Action.FAILED and envelope.ret == "FULL" and size <= WHOLE_LIMIT  # RFC 3461 section 4.3


def write_notice(notice: NoticeOf) -> Written:
    """Write the message. The reverse-path must not be null: a notice is never answered (SD-4)."""
    to = notice.envelope.reverse_path
    assert to is not None
    about, eight_bit = _about(notice)
    parts = (
        text_part("text/plain; charset=utf-8", text_of_notice(notice).encode("utf-8")),
        mime_part("message/delivery-status", "7bit", _status(notice)),
        about,
    )
    fields = (
        from_gateway(f"MAILER-DAEMON@{notice.hostname}"),
        b"To: <" + to.text.encode("utf-8") + b">",
        b"Subject: " + encoded(subject_of(notice)).encode("ascii"),
        b"Date: " + header_value(format_datetime(notice.written_at)),
        b"Message-ID: " + header_value(notice.message_id),
        *thread_fields(notice.original_message_id),
        b"Auto-Submitted: auto-replied",
        *product_field(notice.product),
    )  # fmt: skip
    seed = f"{notice.message_id} {notice.spool_id}"
    content = report(fields, parts, kind="delivery-status", seed=seed, eight_bit=eight_bit)
    return Written(content=content, eight_bit=eight_bit, smtputf8=not to.ascii_only)


def _status(notice: NoticeOf) -> bytes:
    """message/delivery-status: fields about the letter, then a group for each recipient (RFC 3464 section 2)."""
    letter = [
        ("Reporting-MTA", f"dns; {notice.hostname}"),
        ("Original-Envelope-Id", _decoded_xtext(notice.envelope.envid or "")),
        ("X-Mssgw-Queue-Id", notice.spool_id),
        ("Arrival-Date", format_datetime(notice.arrived_at)),
    ]
    groups = [letter, *(_fate_fields(fate, notice) for fate in notice.fates)]
    return b"\r\n".join(
        b"".join(header_value(f"{name}: {value}") + b"\r\n" for name, value in group if value) for group in groups
    )


def _fate_fields(fate: Fate, notice: NoticeOf) -> list[tuple[str, str]]:
    kind, _, original = (fate.forward_path.orcpt or "").partition(";")
    until = notice.retry_until if notice.action is Action.DELAYED else None
    return [
        ("Original-Recipient", f"{kind}; {_decoded_xtext(original)}" if original else ""),
        ("Final-Recipient", _recipient(fate.forward_path.address)),
        ("Action", notice.action.value),
        ("Status", fate.status(notice.action)),
        ("Remote-MTA", f"dns; {fate.speaker}" if fate.speaker else ""),  # only who said it (RFC 3464 section 2.3.5)
        ("Diagnostic-Code", f"{'smtp' if fate.speaker else 'x-mssgw'}; {fate.reply}" if fate.reply else ""),
        ("Last-Attempt-Date", format_datetime(fate.attempted_at) if fate.attempted_at else ""),
        ("Will-Retry-Until", format_datetime(until) if until else ""),
    ]


def _recipient(address: Address) -> str:
    """``rfc822; …``, or the 7-bit ``utf-8; …`` form of an internationalised address (RFC 6533 section 3)."""
    if address.ascii_only:
        return f"rfc822; {address.text}"
    return "utf-8; " + "".join(
        char if char.isascii() and char not in "\\+=" else f"\\x{{{ord(char):X}}}" for char in address.text
    )


def _decoded_xtext(xtext: str) -> str:
    """ENVID and ORCPT as the sender meant them (RFC 3461 section 4); undecoded if that would not be plain ASCII."""
    plain = _XCHAR.sub(lambda hexa: chr(int(hexa[1], 16)), xtext)
    return xtext if UNSAFE.search(plain) else plain


def _about(notice: NoticeOf) -> tuple[bytes, bool]:
    letter = notice.original
    size = len(letter) if notice.original_size is None else notice.original_size
    return returned(letter, whole=bool(letter) and returns_whole(notice.action, notice.envelope, size))
