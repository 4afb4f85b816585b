"""The header by which a letter that we put into a mailbox is known again: after a crash, and when it is read."""

import re

from mssgw.core.errors import GatewayError

HEADER = "X-Mssgw-Id"

_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_FIELD = re.compile(rb"x-mssgw-id:[ \t]*([A-Za-z0-9._-]{1,100})[ \t]*(?:\r?\n|$)", re.IGNORECASE)


class MalformedLetterId(GatewayError):
    """An id that would not stand in a header field as it is."""


def letter_id_field(letter_id: str) -> bytes:
    """The field with its line end. Raises MalformedLetterId."""
    if not _ID.fullmatch(letter_id):
        raise MalformedLetterId
    return f"{HEADER}: {letter_id}\r\n".encode()


def letter_id_of(header: bytes) -> str | None:
    """The id in a header, or its beginning: of the first such field, for ours stands on top of all others."""
    found = _FIELD.match(header) or re.search(rb"\n" + _FIELD.pattern, header, re.IGNORECASE)
    return found[1].decode() if found else None
