"""The Received: field that we prepend to what we relay (RFC 5321 section 4.4), and how to know our own again."""

import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime

from mssgw.core.addresses import Address
from mssgw.core.envelope import Origin

COLLECTED_BY = "IMAP"  # the protocol of letters that we fetched from a mailbox

_HELO = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")
_IP = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_PROTOCOL = re.compile(r"[A-Z0-9]{1,16}")


def received(origin: Origin, *, hostname: str, spool_id: str, accepted_at: datetime) -> bytes:
    """One folded, ASCII Received: field with its line ends. ``accepted_at`` is aware; it dates the field.

    There is no ``for`` clause: it would show the address of one patient to every other reader of the message.
    What the peer said of itself is kept only where it has the form of a host name.
    """
    helo = origin.helo if _HELO.fullmatch(origin.helo) else "unknown"
    peer = f" ({_literal(origin.peer)})" if _IP.fullmatch(origin.peer) else ""
    came_from = f"from {helo}{peer}\r\n\t" if origin.helo or peer else ""  # a notice of ours came from nowhere
    protocol = f" with {origin.protocol}" if _PROTOCOL.fullmatch(origin.protocol) else ""  # RFC 3848
    return (
        f"Received: {came_from}by {hostname}{protocol} id {spool_id};\r\n\t{format_datetime(accepted_at)}\r\n"
    ).encode("ascii")


def return_path(reverse_path: Address | None) -> bytes:
    """The field of a letter that has arrived in its mailbox (RFC 5321 section 4.4); UTF-8 where the address is."""
    return f"Return-Path: <{reverse_path.text if reverse_path is not None else ''}>\r\n".encode()


def _literal(ip: str) -> str:
    """An address literal: RFC 5321 section 4.1.3."""
    return f"[IPv6:{ip}]" if ":" in ip else f"[{ip}]"


def own_hop(fields: Iterable[str], hostname: str, *, collected: bool = False) -> bool:
    """Whether one of these Received: values, unfolded or not, says that ``hostname`` wrote it: the letter loops.

    A forged one only stops the letter of its forger. ``collected``: it may have passed through us on its way to the
    mailbox that it was fetched from; it loops when it was fetched before.
    """
    how = rf"\s+with\s+{COLLECTED_BY}" if collected else ""
    looks_like_ours = re.compile(rf"(?:^|\s)by\s+{re.escape(hostname)}{how}(?=[\s;(]|$)", re.IGNORECASE)
    return any(looks_like_ours.search(value) for value in fields)
