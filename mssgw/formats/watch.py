"""Watching a part, however long and in whatever transfer encoding, for what may come far down in it:

- the directory of a zip, for a zip may begin with anything (xdm.is_xdm);
- in a text, the name of a document, for a page may come before it, and files in uuencode, yEnc or BinHex between the
  lines, which some programs still show as attachments (attachments.py).

What it is, a validator says.
"""

import binascii
import re
from typing import Protocol

from mssgw.formats import b64, qp

# Programs read the mode with sscanf or Python's int(): any white space around, a sign, 0o, underscores.
BEGIN = rb"begin(-base64)?[ \t]++[-+]?(?:0[oO])?[0-7_]++"
# The same with its white space, or as soon as there is more of either than anybody writes.
_BEGIN = re.compile(rb"\nbegin(?:-base64)?(?:[ \t]{13}|[ \t]{1,12}[-+]?(?:0[oO])?(?:[0-7_]{13}|[0-7_]{1,12}[ \t]))")
_OPENED_AS_TEXT = (".htm", ".html", ".xhtml", ".ics", ".vcs", ".vcf")
_TEXTS = frozenset({"application/ics", "application/x-vcard"})
# Of a part. No report of a letter's fate has one, and readers who take any message apart find a file below it.
_FIELD = re.compile(rb"\ncontent-(?:type|disposition|transfer-encoding)[ \t]*:", re.I)
_FOREIGN = (b"=ybegin ", b"(This file must be converted with BinHex")  # lines before a file in yEnc or BinHex
BEGINNING = 900  # octets in which a file in BinHex or yEnc mostly begins, whatever it is said to be
_LONGEST = 128  # octets that this may take, or more
_DIRECTORY_END = b"PK\5\6"
_DOCUMENT = b"ClinicalDocument"
_ENCODED = (b"Q2xpbmljYWxEb2N1bWVud", b"NsaW5pY2FsRG9jdW1lbn", b"DbGluaWNhbERvY3VtZW50")  # that name in base64
_FOLDS = b"\r\n\t "
# From the first W on, which each of them has: text has few, and hardly anything goes on like that.
_FOLDED = rb"[\r\n\t ]*+"
_TAILS = (each[each.index(b"W") + 1 :] for each in _ENCODED)
_MAY_BE_ENCODED = re.compile(
    b"W%s(?:%s)" % (_FOLDED, b"|".join(_FOLDED.join(bytes([octet]) for octet in tail) for tail in _TAILS))
)
_LONG_LINE = 8_192  # octets of quoted-printable; RFC 2045 says 76


def may_be_text(kind: str, names: tuple[str, ...], encoding: str) -> bool:
    """Whether programs look for files between the lines of it: none does in a picture or PDF in base64, which most
    octets of most letters are. ``kind``: the media type."""
    return encoding != "base64" or is_opened_as_text(kind, names) or any(name.endswith(".hqx") for name in names)


def is_opened_as_text(kind: str, names: tuple[str, ...]) -> bool:
    """Whether it is a text by its type, or a page, an appointment or a card by its name, whatever it begins with."""
    return kind.startswith("text/") or kind in _TEXTS or any(name.endswith(_OPENED_AS_TEXT) for name in names)


def has_a_field(report: bytes) -> bool:
    """Whether what tells the fate of a letter has a field that makes a part of what follows."""
    return _FIELD.search(b"\n" + report) is not None


def has_an_encoded_document(text: bytes) -> bool:
    """Whether the name of a document is in there in base64, folded or not."""
    if b"W" not in text or not _MAY_BE_ENCODED.search(text):
        return False
    letters = text.translate(None, _FOLDS)
    return any(each in letters for each in _ENCODED)


class Decoder(Protocol):
    """Undoes a transfer encoding, piece by piece. Raises ValueError for what programs read in two ways."""

    def feed(self, octets: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class Watch:
    """Of one part. ``text``: whether it may be one; ``report``: whether it is one of a letter's fate. ``found``: a
    file, a zip or a document may be in here, or it is encoded so oddly that programs read it in two ways."""

    def __init__(self, encoding: str, *, text: bool = True, report: bool = False) -> None:
        self._text, self._report = text, report
        self._decoder: Decoder = _DECODERS.get(encoding, _AsItStands)()
        self._last = b"\n"
        self.found = False

    def take(self, octets: bytes) -> bool:
        """More of it, in wire form and transfer encoding. False: it needs no more."""
        try:
            self._look(self._decoder.feed(octets))
        except ValueError:
            self.found = True
        return not self.found

    def end(self) -> None:
        """There is no more."""
        try:
            self._look(self._decoder.end())
        except ValueError:
            self.found = True

    def _look(self, decoded: bytes) -> None:
        octets = self._last + decoded
        self._last = octets[-_LONGEST:]
        self.found = self.found or _has_a_directory(octets) or (self._text and _has_a_file(octets))
        self.found = self.found or (self._report and _FIELD.search(octets) is not None)


def _holds(octets: bytes, word: bytes) -> bool:
    # One octet is found ten times as fast as several, and where it is missing they are.
    return word[:1] in octets and word in octets


def _has_a_directory(octets: bytes) -> bool:
    return b"\5" in octets and _DIRECTORY_END in octets  # which no text has


def has_a_foreign_file(text: bytes) -> bool:
    """Whether a line begins a file in an encoding that some programs show as an attachment, and we do not read."""
    return any(text.startswith(each) or b"\n" + each in text for each in _FOREIGN if _holds(text, each))


def _has_a_file(text: bytes) -> bool:
    # Plain words are found several times as fast as a pattern.
    if _holds(text, _DOCUMENT) or (_holds(text, b"begin") and _BEGIN.search(text)):
        return True
    return has_a_foreign_file(text) or has_an_encoded_document(text)


class Lines:
    """Of all that follows a header, as it stands: whether a line of it begins a file, for readers who see but text."""

    def __init__(self) -> None:
        self._last = b"\n"

    def begin_a_file(self, octets: bytes) -> bool:
        text = self._last + octets
        self._last = text[-_LONGEST:]
        return (_holds(text, b"begin") and _BEGIN.search(text) is not None) or has_a_foreign_file(text)


class _AsItStands:
    def feed(self, octets: bytes) -> bytes:
        return octets

    def end(self) -> bytes:
        return b""


class _QuotedPrintable:
    """By whole lines: a soft break joins two. White space after the ``=`` of one counts for some programs only."""

    def __init__(self) -> None:
        self._line = b""  # that has not ended

    def feed(self, octets: bytes) -> bytes:
        encoded = self._line + octets
        cut = encoded.rfind(b"\n") + 1
        lines, self._line = encoded[:cut], encoded[cut:]
        white = b" \r\n" in lines or b"\t\r\n" in lines
        if len(self._line) > _LONG_LINE or (white and qp.WHITE_AFTER_SOFT_BREAK.search(lines)):
            raise ValueError
        return self._undone(lines)

    def end(self) -> bytes:
        return self._undone(self._line)

    def _undone(self, lines: bytes) -> bytes:
        plain = binascii.a2b_qp(lines)
        if qp.is_doubtful(lines, plain):
            raise ValueError
        return plain


_DECODERS: dict[str, type[Decoder]] = {"base64": b64.Stream, "quoted-printable": _QuotedPrintable}
