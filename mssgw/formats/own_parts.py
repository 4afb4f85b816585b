"""What all letters of our own are made of: header values that cannot begin another line, and one part of text."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mssgw.formats.words import encoded

UNSAFE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A finished message: CRLF, not dot-stuffed (see wire.stuffed). The flags say what its next hop must offer."""

    content: bytes = field(repr=False)
    eight_bit: bool = False
    smtputf8: bool = False


def header_value(value: str) -> bytes:
    """A header value: nothing in it can begin another line or field, and it fits into one."""
    return UNSAFE.sub("?", value)[:900].encode("ascii")


def from_gateway(address: str) -> bytes:
    """The From: of what we write in our own name, so that readers always meet the same one."""
    name = encoded("Passerelle de messagerie sécurisée").encode("ascii")
    return b"From: " + name + b"\r\n " + header_value(f"<{address}>")


def folder_name(folder: str) -> str:
    """An IMAP folder as mail programs in French show it."""
    return "Boîte de réception" if folder.upper() == "INBOX" else folder


def thread_fields(original: str | None) -> Iterator[bytes]:
    """In-Reply-To and References of an answer to the letter with this Message-ID; nothing when it has none."""
    if original is not None and len(original) <= 900 and not UNSAFE.search(original):
        yield b"In-Reply-To: " + original.encode("ascii")
        yield b"References: " + original.encode("ascii")


def product_field(product: str) -> Iterator[bytes]:  # req: FMT-9, FMT-12
    """X-MSS-NIL of a letter of ours into the trust space; nothing when no reference is configured."""
    if product:
        yield b"X-MSS-NIL: " + header_value(product)


def mime_part(kind: str, encoding: str, content: bytes) -> bytes:
    """A MIME part, its header included."""
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode("ascii") + content


def text_part(kind: str, content: bytes) -> bytes:
    """A MIME part of text, quoted-printable."""
    return mime_part(kind, "quoted-printable", binascii.b2a_qp(content))
