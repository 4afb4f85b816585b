"""Read receipts (RFC 8098): reading the machine part, in its own grammar and in that of the PFI (MDN-5 to MDN-7)."""

import re

from mssgw.core.message import Mdn
from mssgw.formats.headers import Header, comparable, message_id, read_header, without_comments

# "displayed", "processed/error", and the PFI's "processed/Error: 902^Patient inconnu"
_DISPOSITION = re.compile(
    r"[^;]{0,200};\s{0,50}([A-Za-z-]{1,40})\s{0,50}(?:/\s{0,50}([A-Za-z-]{1,40}))?[^:]{0,200}(?::(.*))?", re.S
)
_CODE = re.compile(r"\s{0,50}([A-Za-z0-9._-]{1,40})\s{0,50}(?:\^|$)")


def read_mdn(content: bytes) -> Mdn | None:
    """Read a decoded message/disposition-notification part; None without a readable Disposition. Never raises."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # from base64, LF alone may end them
    header = read_header(lines.strip(b"\r\n"))
    found = _DISPOSITION.fullmatch(without_comments(header.first("disposition")))
    if found is None:
        return None
    original = message_id(header.first("original-message-id"))
    return Mdn(
        original_message_id=comparable(original) if original else None,
        disposition=found[1].lower(),
        error=_error(header, found[2], found[3]),
    )


def _error(header: Header, modifier: str | None, label: str | None) -> str | None:
    """The code of a failure, without its label: that is free text."""  # req: MDN-7
    for text in (label, header.first("error"), header.first("failure")):
        if text and (code := _CODE.match(text)) is not None:
            return code[1]
    failed = (modifier or "").lower() in ("error", "failed", "failure")
    return "error" if failed or header.first("error") else None
