"""What the parts of a letter look like by name, type and first octets, told while they stream by.

Cheap and suspicious: it keeps letters without documents away from the validators, and lets nothing pass that a reader
could take for a clinical document. What a part really is, a validator says.
"""

import re

from mssgw.core.report import Carried
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.parts import Excerpt, Part, Taker

_LOOKED_AT = 1_400  # octets in transfer encoding: some 1,000 of content, the kilobyte in which a PDF must begin
_NAMED = (".eml", ".xml", ".zip", ".xsl", ".xslt", ".cda")
_TYPED = ("xml", "zip", "cda", "hl7")
_PLAIN_ENCODINGS = frozenset({"7bit", "8bit", "binary", "base64", "quoted-printable"})
_HTML = re.compile(
    rb"\s*<(?:!--|!doctype\s+html|/?(?:html|head|body|meta|style|div|p|span|table|font|br|center|b|i|a)\b)", re.I
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n\t ]*+[=\r\n\t ]*+")
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification"})
_ENCRYPTED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"})
_IMAGES = frozenset({Kind.JPEG, Kind.PNG, Kind.TIFF})


class Beginnings:
    """A keeper (parts.Keeper) of the first octets of every part."""

    def __init__(self) -> None:
        self._kept: list[Excerpt] = []

    def offer(self, part: Part) -> Taker | None:
        self._kept.append(excerpt := Excerpt(part, _LOOKED_AT))
        return excerpt

    def look(self) -> tuple[bool, frozenset[Carried]]:
        """Whether a validator must look at the letter, and what comes along that needs none to be told."""
        looks = [_look(each) for each in self._kept]
        return any(may for may, _ in looks), frozenset(what for _, what in looks if what is not None)


def _look(excerpt: Excerpt) -> tuple[bool, Carried | None]:
    part = excerpt.part
    kind, content = part.kind.value, excerpt.content
    named = part.disposition.parameters.get("filename") or part.kind.parameters.get("name") or ""
    name, what = named.strip().lower(), kind_of(content)
    if what is Kind.XML and len(excerpt.raw) < _LOOKED_AT and not content.strip():
        what = Kind.OTHER  # a part that is blank to its end
    return _may_be_one(part, name, kind, excerpt.raw) or _looks_like_one(kind, content, what), _told(name, kind, what)


def _may_be_one(part: Part, name: str, kind: str, raw: bytearray) -> bool:
    """By what is said of it."""
    if name.endswith(_NAMED) or any(word in kind for word in _TYPED):
        return True
    if kind.startswith("message/") and kind not in _REPORTS:
        return True  # a letter in a letter
    # uuencode and the like, which some readers undo; damage, which each mends in its way
    return part.encoding not in _PLAIN_ENCODINGS or (part.encoding == "base64" and not _BASE64.fullmatch(raw))


def _looks_like_one(kind: str, content: bytes, what: Kind) -> bool:
    match what:
        case Kind.XML:
            return not (kind in ("text/html", "text/plain") and _HTML.match(content))
        case Kind.ZIP | Kind.PROGRAM:  # a program may be called a PDF
            return True
        case _:
            return b"ClinicalDocument" in content or b"begin 6" in content


def _told(name: str, kind: str, what: Kind) -> Carried | None:
    if kind in _ENCRYPTED:
        return Carried.OPAQUE
    if kind in ("application/ms-tnef", "application/vnd.ms-tnef") or name == "winmail.dat":
        return Carried.WINMAIL
    if what is Kind.PDF:
        return Carried.PDF
    return Carried.IMAGE if what in _IMAGES else None
