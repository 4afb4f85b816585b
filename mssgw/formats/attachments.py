"""What the parts of a letter hold once their transfer encoding is undone, as strictly as their readers are lenient.

Where programs may read a part in two ways, it has several readings, so that a document in any of them is found. What
they agree on is one reading: base64 that is whole, quoted-printable, octets as they are. A text may hold files in
uuencode between its lines, which some programs still show as attachments.
"""

import binascii
import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO

from mssgw.formats import b64, watch
from mssgw.formats.charsets import is_known_to_shift
from mssgw.formats.headers import without_comments
from mssgw.formats.parts import Octets, Part
from mssgw.formats.wire import unstuffed

_MOST_RUNS = 10_000  # of base64, each ended by its padding
_MOST_FILES = 500  # in uuencode in one part
_WHITE = b"\r\n\t "
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_LETTERS = bytes(set(range(256)) - set(_ALPHABET + b"="))
_MOST_READ = 4  # times the octets of a part: files that begin within others are read again
_BEGIN = re.compile(rb"^" + watch.BEGIN + rb"([^\n]*)$", re.M)
_SOFT_BREAK = re.compile(rb"=[ \t]++\r\n")
_UU = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
_CLAIMING = (".xml", ".zip", ".cda", ".xsl", ".xslt")
_HARMLESS = (".pdf", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gif", ".rtf", ".txt", ".htm", ".html")
_HARMLESS_TYPES = ("application/pdf", "image/", "text/")
_CLAIMED = re.compile(r"(?:application|text)/(?:.{1,80}\+xml|xml|(?:x-)?zip(?:-compressed)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file that comes with a letter. ``names``: those that it is given, without their white space, lower case.

    ``readings``: what programs may read in it, the usual one first; none when there is no telling.
    """

    names: tuple[str, ...] = field(repr=False)
    media_type: str
    readings: tuple[bytes, ...] = field(repr=False)

    @property
    def content(self) -> bytes:
        """The usual reading."""
        return self.readings[0] if self.readings else b""

    @property
    def is_certain(self) -> bool:
        """Whether all programs read the same."""
        return len(self.readings) == 1

    @property
    def calls_itself_document(self) -> bool:
        """Whether name or type say that it is XML or a zip."""
        return bool(_CLAIMED.fullmatch(self.media_type)) or any(name.endswith(_CLAIMING) for name in self.names)

    @property
    def calls_itself_harmless(self) -> bool:
        """Whether name or type say that it is something to be read or looked at."""
        return self.media_type.startswith(_HARMLESS_TYPES) or any(name.endswith(_HARMLESS) for name in self.names)


class Attachment:
    """A taker (parts.Taker) of one whole part. It is to be read once: ``items`` empties it."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._taken = BytesIO()

    def take(self, octets: Octets) -> bool:
        self._taken.write(octets)
        return True

    def items(self) -> Iterator[Item]:
        """The part itself, and the files in uuencode in it."""
        octets = self._taken.getvalue()  # no copy: all others of what may be 20 MB count
        self._taken = BytesIO()
        encoding, media_type = self._encoding(), self._part.kind.value
        plain = unstuffed(octets)
        if encoding in _UU:
            files = list(_uuencoded(plain))
            yield from (
                Item(names=(*self._part.names, name), media_type=media_type, readings=each) for name, each in files
            )
            if files:
                return
        readings = () if self._shifts else _read(plain, encoding)
        yield Item(names=self._part.names, media_type=media_type, readings=readings)
        for name, each in _files_in(readings):
            yield Item(names=(name,), media_type="application/octet-stream", readings=each)

    @property
    def _shifts(self) -> bool:
        """Whether it is XML in a charset told beside it, in which no octet says where an element begins."""
        kind = self._part.kind
        return "xml" in kind.value and is_known_to_shift(kind.parameters.get("charset", ""))

    def _encoding(self) -> str:
        return without_comments(self._part.encoding).strip(" \t;\"'")


class Attachments:
    """A keeper (parts.Keeper) of every part of a letter."""

    def __init__(self) -> None:
        self.kept: list[Attachment] = []

    def offer(self, part: Part) -> Attachment:
        self.kept.append(Attachment(part))
        return self.kept[-1]


def _files_in(readings: tuple[bytes, ...]) -> Iterable[tuple[str, tuple[bytes, ...]]]:
    """The files in uuencode in a text, each once: most are the same in all its readings."""
    found = (file for text in readings if _may_begin_uuencode(text) for file in _uuencoded(text))
    return found if len(readings) == 1 else dict.fromkeys(found)


def _may_begin_uuencode(plain: bytes) -> bool:
    # The word alone is found several times as fast as with its line end.
    return b"begin" in plain and (plain.startswith(b"begin") or b"\nbegin" in plain)


def _read(plain: bytes, encoding: str) -> tuple[bytes, ...]:
    match encoding:
        case "base64":
            return _from_base64(plain)
        case "quoted-printable":
            return _from_qp(plain)
        case "7bit" | "8bit" | "binary":
            return (plain,)
        case _:  # as it stands, unless a program guesses what is meant
            return tuple(dict.fromkeys((plain, *_from_base64(plain), *_from_qp(plain))))


def _from_base64(octets: bytes) -> tuple[bytes, ...]:
    """One reading when it is without fault, but for the padding that some leave out.

    Else programs end at the first octet that does not belong, or pass over it; end at padding, or go on after it.
    """
    with contextlib.suppress(b64.NotBase64):
        return (b64.strictly(octets, padded=False),)
    compact = octets.translate(None, _WHITE)
    stray = re.search(rb"[^A-Za-z0-9+/]", compact)
    runs = [run for run in re.split(rb"=+", compact.translate(None, _NO_LETTERS), maxsplit=_MOST_RUNS) if run]
    if len(runs) > _MOST_RUNS:
        return ()
    pieces = [_lenient(run) for run in runs]
    return tuple(dict.fromkeys((b"".join(pieces), *pieces, _lenient(compact[: stray.start() if stray else None]))))


def _from_qp(octets: bytes) -> tuple[bytes, ...]:
    """White space after the ``=`` that ends a line does not count (RFC 2045 6.7), but for some programs it does."""
    return tuple(dict.fromkeys((binascii.a2b_qp(_SOFT_BREAK.sub(b"=\r\n", octets)), binascii.a2b_qp(octets))))


def _lenient(letters: bytes) -> bytes:
    """Letters of base64 without padding; one too many is left out."""
    letters = letters[:-1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _uuencoded(text: bytes) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Name and readings of each file in uuencode that begins on a line of this text, also within another one.

    One without readings comes last when they are too many, or together too much.
    """
    left = _MOST_READ * len(text)
    for number, begin in enumerate(_BEGIN.finditer(text)):
        if number == _MOST_FILES or left < 0:
            yield "", ()
            return
        name = begin[2].decode("utf-8", "replace").strip().lower()
        at = begin.end()
        if begin[1]:
            end = text.find(b"\n====", at)
            end = end if end >= 0 else len(text)
            readings = _from_base64(text[at:end])
        else:
            end, readings = _uu_lines(text, at + 1)
        left -= end - at
        yield name, readings


def _uu_lines(text: bytes, at: int) -> tuple[int, tuple[bytes, ...]]:
    """Up to ``end``, and where that is. One that never ends, or with a line that is none, has no certain reading: what
    was read, twice."""
    read: list[bytes] = []
    while at < len(text):
        end = text.find(b"\n", at)
        end = end if end >= 0 else len(text)
        line = text[at:end].rstrip(b"\r")
        if line in (b"end", b"end "):
            return at, (b"".join(read),)
        try:
            read.append(binascii.a2b_uu(line))
        except binascii.Error:
            break
        at = end + 1
    return at, (b"".join(read), b"")
