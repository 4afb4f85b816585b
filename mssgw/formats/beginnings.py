"""What the parts of a letter look like by name, type and first octets, and what hides behind these, told while they
stream by.

Cheap and suspicious: it keeps letters without documents away from the validators, and lets nothing pass that a reader
could take for a clinical document. What a part really is, a validator says.
"""

import re

from mssgw.core.report import Carried
from mssgw.formats import cms
from mssgw.formats.attachments import is_of_a_mac
from mssgw.formats.magic import COMPOUND, Kind, begins_in_ebcdic, holds_a_mac_file, kind_of
from mssgw.formats.parts import Excerpt, Octets, Part, Taker
from mssgw.formats.watch import Watch, has_a_field, has_a_foreign_file, may_be_text

_LOOKED_AT = 1_400  # octets in transfer encoding: some 1,000 of content, the kilobyte in which a PDF must begin
_NAMED = (".eml", ".nws", ".mht", ".mbox", ".xml", ".zip", ".xsl", ".xslt", ".cda")
_TYPED = ("xml", "zip", "cda", "hl7", "mimearchive", "mhtml", "mbox")
_PLAIN_ENCODINGS = frozenset({"7bit", "8bit", "binary", "base64", "quoted-printable"})
# Its first element is one of HTML's own: after a comment, a DOCTYPE and in any namespace there may stand a document.
_HTML = re.compile(
    # Not possessive: before 3.11.5, re takes what an alternative matched in part for a match of what is.
    rb"(?:\s|<!--[^-]*+(?:-(?!->)[^-]*+)*-->|<!doctype\s+html[^>\[]*+>)*"
    rb"</?(?:html|head|body|meta|style|div|p|span|table|font|br|center|b|i|a)[\s/>]",
    re.I,
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n\t ]*+[=\r\n\t ]*+")
# Their fields are no header of a letter, unless one says so: some programs take apart whatever is a message.
REPORTS = frozenset({"message/delivery-status", "message/disposition-notification"})
# But zips: of those a validator tells.
_ARCHIVES = (
    b"\x1f\x8b\x08",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\0",
    b"BZh",
)
_IMAGES = frozenset({Kind.JPEG, Kind.PNG, Kind.TIFF})


class Beginnings:
    """A keeper (parts.Keeper) of the first octets of every part."""

    def __init__(self) -> None:
        self._last: _Beginning | None = None
        self._may = False
        self._carried: set[Carried] = set()

    def offer(self, part: Part) -> Taker | None:
        self._end_last()
        # Once a validator is asked, what hides behind first octets is its business.
        names = part.names
        self._last = _Beginning(part, names, None if self._may else _watch(part, names))
        return self._last

    def look(self) -> tuple[bool, frozenset[Carried]]:
        """Whether a validator must look at the letter, and what comes along that needs none to be told."""
        self._end_last()
        return self._may, frozenset(self._carried)

    def _end_last(self) -> None:
        """The last part has ended."""
        last, self._last = self._last, None
        if last is not None:
            last.end()
            may, what = _look(last)
            self._may = self._may or may
            self._carried |= {what} if what is not None else set()


class _Beginning(Excerpt):
    """The first octets of a part, and whether what a reader takes for a file may come behind them."""

    def __init__(self, part: Part, names: tuple[str, ...], watch: Watch | None) -> None:
        super().__init__(part, _LOOKED_AT)
        self.names = names
        self._watch = watch

    @property
    def hides(self) -> bool:
        return self._watch is not None and self._watch.found

    def take(self, octets: Octets) -> bool:
        wants = super().take(octets)
        return (self._watch is not None and not self._watch.found and self._watch.take(bytes(octets))) or wants

    def end(self) -> None:
        if self._watch is not None:
            self._watch.end()


def is_report(kind: str, content: bytes) -> bool:
    """Whether it tells the fate of a letter, and no program takes it for one."""
    return kind in REPORTS and not has_a_field(content)


def _watch(part: Part, names: tuple[str, ...]) -> Watch | None:
    kind = part.kind.value
    if any(word in kind for word in _TYPED):
        return None  # what says that it is XML or a zip is looked at anyway
    return Watch(part.encoding, text=may_be_text(kind, names, part.encoding), report=kind in REPORTS)


def _look(excerpt: _Beginning) -> tuple[bool, Carried | None]:
    part, content, names = excerpt.part, excerpt.content, excerpt.names
    kind, what = part.kind.value, kind_of(content)
    if not content.strip():  # blank to its end, or what comes after so much of nothing has something to hide
        what = Kind.XML if excerpt.full else Kind.OTHER
    may = excerpt.hides or _may_be_one(excerpt, names) or _looks_like_one(kind, content, what)
    if cms.is_called_smime(kind, names) or cms.content_type(content):  # req: SD-14
        may = may or cms.may_be_read(content)
        return may, Carried.OPAQUE if cms.is_encrypted(content) else None
    return may, Carried.ARCHIVE if content.startswith(_ARCHIVES) else _told(names, kind, what)


def _may_be_one(excerpt: _Beginning, names: tuple[str, ...]) -> bool:
    """By what is said of it."""
    part = excerpt.part
    kind = part.kind.value
    # Also as it stands: of a field that is damaged, programs read more than we do.
    fields = (part.header.first(f"content-{field}").lower() for field in ("type", "disposition"))
    said = "\n".join((*names, *fields))
    if any(word in said for word in _NAMED) or any(word in kind for word in _TYPED):
        return True
    if is_of_a_mac(kind, part.encoding) or part.names_a_boundary:
        return True
    if kind.startswith("message/") and not is_report(kind, excerpt.content):
        return True  # a letter in a letter
    # uuencode and the like, which some readers decode; damaged base64, which every reader repairs differently
    return part.encoding not in _PLAIN_ENCODINGS or (part.encoding == "base64" and _is_damaged(excerpt))


def _is_damaged(excerpt: _Beginning) -> bool:
    return not _BASE64.fullmatch(excerpt.raw) or (excerpt.full and b"=" in excerpt.raw)


def _looks_like_one(kind: str, content: bytes, what: Kind) -> bool:
    match what:
        case Kind.XML:
            # A page that a browser shows: any other root may have a document below it.
            return not (kind == "text/html" and _HTML.match(content)) or b"ClinicalDocument" in content
        case Kind.ZIP | Kind.PROGRAM:  # a program may be called a PDF
            return True
        case _ if content.startswith(COMPOUND):
            return True
        case _ if holds_a_mac_file(content) or has_a_foreign_file(content):
            return True
        case _:
            return b"ClinicalDocument" in content or b"\nbegin" in b"\n" + content or begins_in_ebcdic(content)


def _told(names: tuple[str, ...], kind: str, what: Kind) -> Carried | None:
    if kind == "application/pgp-encrypted":
        return Carried.OPAQUE
    if kind in ("application/ms-tnef", "application/vnd.ms-tnef") or "winmail.dat" in names:
        return Carried.WINMAIL
    if what is Kind.PDF:
        return Carried.PDF
    return Carried.IMAGE if what in _IMAGES else None
