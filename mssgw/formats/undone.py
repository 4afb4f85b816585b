"""A multipart that is said to be in base64 or quoted-printable, which RFC 2045 6.4 forbids and many programs write.

Most readers pass over that. Those that undo the encoding first find the delimiters that are encoded, and so another
letter: such a delimiter is looked for, in what of it may be an encoding to the most lenient of them.
"""

import base64
import re
from typing import Protocol

from mssgw.formats.headers import without_comments
from mssgw.formats.parts import Octets

_NO_LETTERS = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
# A soft line break, also with the white space that some overlook, and the dot that the wire form adds.
_SOFT_BREAK = re.compile(rb"=[ \t]*+\r\n\.?")
_BEGUN = re.compile(rb"=[ \t]*+(?:\r\n?)?")  # what may become one, or have that dot
_PASSED_OVER = re.compile(rb"\0{2,}+")
_LONGEST = 65_536  # octets of white space, which would be looked through for each piece


class Undone(Protocol):
    """Watches what follows the header of such a multipart."""

    def shows_another(self, octets: Octets) -> bool:
        """Whether a delimiter of its boundary is encoded in these octets, in wire form, and those before."""

    def ends_with_another(self) -> bool:
        """There are no more: whether one is in what was held back."""


def undone(encoding: str, boundary: bytes) -> Undone | None:
    """None when nothing is to be undone. ``encoding``: as its header says."""
    told = without_comments(encoding).strip(" \t;\"'").lower()
    if "base64" in told:
        return _OfBase64(boundary)
    return _OfQuotedPrintable(boundary) if "quoted-printable" in told else None


class _OfBase64:
    """Letter by letter: whatever a reader passes over, ends at or begins anew with, the letters stay the same."""

    def __init__(self, boundary: bytes) -> None:
        self._wanted = tuple(_letters_of(b"--" + boundary, behind) for behind in range(3))
        self._last = b""

    def shows_another(self, octets: Octets) -> bool:
        letters = self._last + bytes(octets).translate(None, _NO_LETTERS)
        self._last = letters[-max(map(len, self._wanted)) :]
        return any(wanted in letters for wanted in self._wanted)

    def ends_with_another(self) -> bool:
        return False


def _letters_of(octets: bytes, behind: int) -> bytes:
    """The letters that these octets always have in base64, with so many octets before them in the first four."""
    letters = base64.b64encode(bytes(behind) + octets).rstrip(b"=")
    whole = (behind + len(octets)) * 8 // 6
    return letters[-(-behind * 8 // 6) : whole]


class _OfQuotedPrintable:
    """A delimiter of which an octet, or the line end before it, is encoded. However long a paragraph: of what was
    looked at, only the end is kept in which one may begin."""

    def __init__(self, boundary: bytes) -> None:
        self._plain = b"\n--" + boundary
        octets = (bytes([octet]) for octet in b"--" + boundary)
        each = rb"\0?+".join(b"(?:%s|(?i:=%s))" % (re.escape(octet), octet.hex().encode()) for octet in octets)
        self._wanted = re.compile(rb"(?:\n|=0[AaDd])\0?+" + each)
        self._longest = len("=0A\0") * len(self._plain)
        self._last = b"\n"  # so that every line begins after a line end; soft breaks are one NUL, however many
        self._rest = b""  # what may become a soft break

    def shows_another(self, octets: Octets) -> bool:
        text = self._rest + bytes(octets)
        begun = text.rfind(b"=")
        cut = begun if begun >= 0 and _BEGUN.fullmatch(text, begun) else len(text)
        self._rest = text[cut:]
        return self._is_in(text[:cut]) or len(self._rest) > _LONGEST

    def ends_with_another(self) -> bool:
        return self._is_in(self._rest)

    def _is_in(self, text: bytes) -> bool:
        marked = _PASSED_OVER.sub(b"\0", self._last + _SOFT_BREAK.sub(b"\0", text))
        self._last = marked[-self._longest :]
        return any(found[0] != self._plain for found in self._wanted.finditer(marked))
