"""What the parts of a letter hold once their transfer encoding is undone, as strictly as their readers are lenient.

Where programs may read a part in two ways, it has several readings, so that a document in any of them is found. What
they agree on is one reading: base64 that is whole, quoted-printable, octets as they are. A text may hold files in
uuencode between its lines, which some programs still show as attachments.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO

from mssgw.formats import b64, cms, qp, uuencode, watch
from mssgw.formats.charsets import is_known_to_shift
from mssgw.formats.headers import without_comments
from mssgw.formats.magic import holds_a_mac_file
from mssgw.formats.parts import Octets, Part
from mssgw.formats.wire import unstuffed

_DELIMITER = re.compile(rb"^--[^\r\n]", re.M)  # whatever the boundary
_ODDLY_NAMED = re.compile(r"[\\(*]|[^\t -~]|boundary.*boundary", re.I)  # in a type: readers may differ in the boundary
_UU = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
_OF_A_MAC = frozenset(
    f"application/{each}"
    for each in ("mac-binhex40", "mac-binhex", "x-mac-binhex40", "binhex", "x-binhex", "macbinary", "x-macbinary")
)
_LETTERS = ("message/rfc822", "message/global")
NAMED_LETTERS = (".eml", ".emlx", ".nws", ".mht", ".mhtml", ".mbox")  # which programs open as letters
_MAILBOXES = frozenset({"application/mbox", "application/x-mbox"})
_TYPED_LETTERS = _MAILBOXES | {"application/x-mimearchive", "application/mhtml"}
TAKEN_APART = "multipart/"  # by some programs only, which find parts in it
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
    def is_typed_letter(self) -> bool:
        return self.media_type.startswith(_LETTERS)

    @property
    def is_named_letter(self) -> bool:
        """Whether its name, or the type of a file of letters, says so."""
        return self.media_type in _TYPED_LETTERS or any(name.endswith(NAMED_LETTERS) for name in self.names)

    @property
    def is_mailbox(self) -> bool:
        """Whether it may be several letters in a file."""
        return self.media_type in _MAILBOXES or any(name.endswith(".mbox") for name in self.names)

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
        """The part itself, what some take for more parts, and the files in uuencode in it."""
        octets = self._taken.getvalue()  # no copy: all others of what may be 20 MB count
        self._taken = BytesIO()
        encoding = self._encoding()
        names, media_type = self._part.names, self._part.kind.value
        if is_of_a_mac(media_type, encoding):
            yield Item(names=names, media_type=media_type, readings=())
            return
        plain = unstuffed(octets)
        if self._part.names_a_boundary and _delimiter(self._part).search(plain):
            yield Item(names=(), media_type=TAKEN_APART, readings=(plain,))
        files = list(uuencode.files(plain, whole=True)) if encoding in _UU else []
        for name, each in files:
            yield Item(names=(*names, name), media_type=media_type, readings=_told(each))
        if files:
            yield _as_it_stands(names, media_type, plain)
            return
        readings = () if self._shifts else _told(self._read(plain, encoding))
        yield Item(names=names, media_type=media_type, readings=readings)
        for name, each in _files_in(readings):
            yield Item(names=(name,), media_type="application/octet-stream", readings=_told(each))
        # As with the watch: no program looks for such in a picture or PDF in base64.
        if not watch.may_be_text(media_type, names, encoding):
            readings = tuple(each[: watch.BEGINNING] for each in readings)
        if any(map(watch.has_a_foreign_file, readings)):
            yield Item(names=(), media_type="application/octet-stream", readings=())

    def _read(self, plain: bytes, encoding: str) -> tuple[bytes, ...]:
        """Where an encoding is not to be (RFC 2046 5.2.1), is not told plainly, or is not what it is said to be, some
        programs undo none. As it stands, no S/MIME in base64 is any to be read."""
        readings, kind = _read(plain, encoding), self._part.kind.value
        is_doubtful = encoding != self._part.encoding or kind.startswith("message/")
        is_doubtful |= len(readings) > 1 and not cms.is_called_smime(kind, self._part.names)
        is_more = is_doubtful and plain not in readings and not b64.is_all(plain)
        return (*readings, plain) if is_more else readings

    @property
    def _shifts(self) -> bool:
        """Whether it is XML in a charset told beside it, in which no octet says where an element begins."""
        kind = self._part.kind
        return "xml" in kind.value and is_known_to_shift(kind.parameters.get("charset", ""))

    def _encoding(self) -> str:
        return without_comments(self._part.encoding).strip(" \t;\"'")


def is_of_a_mac(media_type: str, encoding: str) -> bool:
    """Whether it is said to be in BinHex or MacBinary, which some programs undo and we do not read."""
    return media_type in _OF_A_MAC or "binhex" in encoding


class Attachments:
    """A keeper (parts.Keeper) of every part of a letter."""

    def __init__(self) -> None:
        self.kept: list[Attachment] = []

    def offer(self, part: Part) -> Attachment:
        self.kept.append(Attachment(part))
        return self.kept[-1]


def _delimiter(part: Part) -> re.Pattern[bytes]:
    """How a line begins that is a delimiter for programs which take apart whatever names a boundary. Outlook leaves it
    in the type of a text that it made of a report, and begins lines with dashes."""
    kind = part.kind
    is_odd = kind.doubtful or _ODDLY_NAMED.search(part.header.first("content-type"))
    boundary = b"" if is_odd else kind.short_boundary or kind.boundary or b""
    surely_read = re.match(rb"[^ ;]*", boundary)
    assert surely_read is not None
    return re.compile(rb"^--" + re.escape(surely_read[0]), re.M) if surely_read[0] else _DELIMITER


def _told(readings: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The same, or none where some programs unpack one of them."""
    return () if any(map(holds_a_mac_file, readings)) else readings


def _as_it_stands(names: tuple[str, ...], media_type: str, plain: bytes) -> Item:
    """A part in uuencode for a program that does not know it. One that has nothing else in it is not what its name
    and its type say."""
    item = Item(names=names, media_type=media_type, readings=(plain,))
    if item.is_typed_letter or item.is_named_letter or not plain.lstrip().startswith(b"begin"):
        return item
    return Item(names=(), media_type="application/octet-stream", readings=(plain,))


def _files_in(readings: tuple[bytes, ...]) -> Iterable[tuple[str, tuple[bytes, ...]]]:
    """The files in uuencode in a text, each once: most are the same in all its readings."""
    found = (file for text in readings if uuencode.may_begin(text) for file in uuencode.files(text))
    return found if len(readings) == 1 else dict.fromkeys(found)


def _read(plain: bytes, encoding: str) -> tuple[bytes, ...]:
    match encoding:
        case "base64":
            return b64.readings(plain)
        case "quoted-printable":
            return qp.readings(plain)
        case "7bit" | "8bit" | "binary":
            return (plain,)
        case _:  # as it stands, unless a program guesses what is meant
            return tuple(dict.fromkeys((plain, *b64.readings(plain), *qp.readings(plain))))
