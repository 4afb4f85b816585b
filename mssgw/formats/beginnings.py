"""What the parts of a letter look like by name, type and first octets, told while they stream by.

Cheap and suspicious: it keeps letters without documents away from the validators, and lets nothing pass that a reader
could take for a clinical document. What a part really is, a validator says.
"""

import re

from mssgw.core.report import Carried
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.parts import Excerpt, Part, Taker

_LOOKED_AT = 1_400  # octets in transfer encoding: some 1,000 of content, the kilobyte in which a PDF must begin
_NAMED = (".xml", ".zip", ".xsl", ".xslt", ".cda")
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

    @property
    def may_hold_documents(self) -> bool:
        """Whether a validator must look at the letter."""
        return any(_may_be_one(each) for each in self._kept)

    @property
    def carried(self) -> frozenset[Carried]:
        """What comes along that needs no validator to be told."""
        return frozenset(what for each in self._kept if (what := _told(each)) is not None)


def _name(part: Part) -> str:
    named = part.disposition.parameters.get("filename") or part.kind.parameters.get("name") or ""
    return named.strip().lower()


def _may_be_one(excerpt: Excerpt) -> bool:
    part = excerpt.part
    name, kind = _name(part), part.kind.value
    if name.endswith(_NAMED) or any(word in kind for word in _TYPED):
        return True
    if kind.startswith("message/") and kind not in _REPORTS:
        return True  # a letter in a letter
    if part.encoding not in _PLAIN_ENCODINGS or (part.encoding == "base64" and not _BASE64.fullmatch(excerpt.raw)):
        return True  # uuencode and the like, which some readers undo; damage, which each mends in its way
    content = excerpt.content
    match kind_of(content):
        case Kind.XML:
            return not (kind in ("text/html", "text/plain") and _HTML.match(content))
        case Kind.ZIP:
            return True
        case _:
            return b"ClinicalDocument" in content or b"begin 6" in content


def _told(excerpt: Excerpt) -> Carried | None:
    part = excerpt.part
    if part.kind.value in _ENCRYPTED:
        return Carried.OPAQUE
    if part.kind.value in ("application/ms-tnef", "application/vnd.ms-tnef") or _name(part) == "winmail.dat":
        return Carried.WINMAIL
    match kind_of(excerpt.content):
        case Kind.PDF:
            return Carried.PDF
        case kind if kind in _IMAGES:
            return Carried.IMAGE
    return None
