"""Reports of ours (RFC 6522), notices and receipts: text for people, fields for machines, the letter they are about.

That letter is returned whole only where it can stand in a report as it is; else its header is, as text.
"""

import re
from collections.abc import Sequence
from hashlib import sha256

from mssgw.formats.own_parts import mime_part, text_part

WHOLE_LIMIT = 1_048_576  # octets: of a longer letter a report carries the header only.  req: SD-1
HEADER_LIMIT = 65_536  # octets of a returned header
_LINE = 998


def report(fields: Sequence[bytes], parts: Sequence[bytes], *, kind: str, seed: str, eight_bit: bool) -> bytes:
    """The message. ``fields``: its header without what tells its form; ``kind``: its report-type.

    ``seed``: what the boundary is made from; that of one message is always the same.
    """
    boundary = _boundary(seed, parts)
    form = (
        b"MIME-Version: 1.0",
        f"Content-Type: multipart/report; report-type={kind};".encode("ascii") + b'\r\n boundary="' + boundary + b'"',
        b"Content-Transfer-Encoding: " + (b"8bit" if eight_bit else b"7bit"),
    )
    body = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts) + b"\r\n--" + boundary + b"--\r\n"
    return b"\r\n".join((*fields, *form)) + b"\r\n" + body


def returned(letter: bytes, *, whole: bool) -> tuple[bytes, bool]:
    """The part that returns a letter, and whether it is 8-bit. ``whole``: all of it may go back, if it can."""
    header, _, _ = letter.partition(b"\r\n\r\n")
    if whole and header.isascii() and _fits(letter):
        eight_bit = not letter.isascii()
        return mime_part("message/rfc822", "8bit" if eight_bit else "7bit", letter), eight_bit
    if len(header) > HEADER_LIMIT:
        header = header[:HEADER_LIMIT].rpartition(b"\r\n")[0]
    clean = b"\r\n".join(re.sub(rb"[\r\n\0]", b"?", line) for line in header.split(b"\r\n"))
    charset = "utf-8" if _is_utf8(clean) else "iso-8859-1"
    return text_part(f"text/rfc822-headers; charset={charset}", clean + b"\r\n"), False


def _boundary(seed: str, parts: Sequence[bytes]) -> bytes:
    """One that occurs in no part, whatever the returned letter holds."""
    tried = seed.encode("utf-8", "replace")
    while True:
        tried = sha256(tried).hexdigest()[:40].encode("ascii")
        if not any(tried in part for part in parts):
            return b"=_" + tried  # "=_" occurs in neither base64 nor quoted-printable


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fits(letter: bytes) -> bool:
    """Whether all lines are clean and short enough to be sent on without a change."""
    clean = letter.count(b"\r") == letter.count(b"\n") == letter.count(b"\r\n") and b"\0" not in letter
    return clean and max(map(len, letter.split(b"\r\n"))) <= _LINE
