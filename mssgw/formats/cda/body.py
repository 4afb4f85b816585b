"""The body: structured or not, and every file in it: strict base64 of a kind that a reader can open (CDA-2)."""

import re
from collections.abc import Sequence

from mssgw.core.clinical import Weight
from mssgw.formats import b64, documents, xdm
from mssgw.formats.cda.common import CDA_R2, MINIMAL
from mssgw.formats.cda.parts import Children, children_of
from mssgw.formats.cda.report import Report, local, rule, shown, text_of
from mssgw.formats.cda.survey import is_base64
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.safexml import Element
from mssgw.formats.wrapped import may_hold_document

HARM, FORM, ADVICE = Weight.HARM, Weight.FORM, Weight.ADVICE
_N1 = "1.3.6.1.4.1.19376.1.2.20"
_SD = "IHE XDS-SD"

_COMPONENT = rule("CDA-BOD-001", HARM, "Le document a un corps (component), et un seul", CDA_R2)
_BODY = rule("CDA-BOD-002", HARM, "Le corps est un structuredBody ou bien un nonXMLBody", CDA_R2)
_TEMPLATES = rule("CDA-BOD-003", FORM, f"Un document N1 a exactement trois templateId, le troisième {_N1}", _SD)
_TEXT = rule("CDA-BOD-004", HARM, "nonXMLBody a un text, et un seul", CDA_R2)
_MEDIA = rule(
    "CDA-BOD-005",
    FORM,
    "Le type (mediaType) d'un N1 est application/pdf, text/plain, text/rtf, image/jpeg ou image/tiff",
    MINIMAL,
)
_NOT_B64 = rule("CDA-BOD-006", HARM, "Un fichier inclus est en base64 : representation B64", CDA_R2)
_PLAIN = rule("CDA-BOD-007", FORM, "Un texte inclus est en base64 : representation B64", MINIMAL)
_BASE64 = rule("CDA-BOD-008", HARM, "Le base64 d'un fichier inclus est sans faute", "passerelle")
_EMPTY = rule("CDA-BOD-009", HARM, "Un fichier inclus n'est pas vide", "passerelle")
_KIND = rule(
    "CDA-BOD-010", HARM, "Un fichier inclus est ce que dit son mediaType : PDF, image, texte ou XML", "passerelle"
)
_OTHER_IMAGE = rule("CDA-BOD-011", ADVICE, "Une image incluse est du format que dit son mediaType", "passerelle")
_CUT = rule("CDA-BOD-012", HARM, "Un PDF inclus est complet : il finit par %%EOF", "passerelle")
_REFERENCE = rule(
    "CDA-BOD-013", HARM, "Un fichier est inclus dans le document, et non à chercher ailleurs (reference)", _SD
)
_ACTIVE = rule(
    "CDA-BOD-014",
    ADVICE,
    "Un PDF inclus est sans JavaScript, Launch, EmbeddedFile, OpenAction ni chiffrement (PDF/A-1)",
    "passerelle",
)
_INSIDE = rule(
    "CDA-BOD-015", ADVICE, "Un fichier inclus ne contient pas d'autres éléments, tels que thumbnail", "passerelle"
)
_NO_MEDIA = rule("CDA-BOD-016", FORM, "Un fichier inclus dit son type (mediaType)", CDA_R2)

_DOCUMENT = rule(
    "CDA-BOD-017",
    Weight.DANGER,
    "Un fichier inclus n'est pas un autre document clinique : ni CDA, ni archive IHE XDM",
    "passerelle",
)

_N1_MEDIA = frozenset({"application/pdf", "text/plain", "text/rtf", "image/jpeg", "image/tiff"})
_IMAGES = frozenset({Kind.JPEG, Kind.PNG, Kind.TIFF})
_ACTIVE_NAMES = (b"/JavaScript", b"/Launch", b"/EmbeddedFile", b"/OpenAction", b"/Encrypt")
_ANY_ACTIVE = re.compile(b"/(?:JavaScript|Launch|EmbeddedFile|OpenAction|Encrypt)")  # one pass where five find nothing
_TRAILER = 4_096  # octets at the end of a PDF in which %%EOF stands; writers pad
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))


def check_body(report: Report, children: Children) -> None:
    """What the document holds, besides its header; files in it are checked by ``check_file``. ``children``: of its
    root."""
    components = children.named("component")
    if len(components) != 1:
        report.add(_COMPONENT, report.root, below="component", found=str(len(components)), expected="1")
    for component in components:
        inside = children_of(component)
        bodies = [*inside.named("structuredBody"), *inside.named("nonXMLBody")]
        if len(bodies) != 1 or bodies[0].get("nullFlavor") is not None:
            report.add(_BODY, component, found=str(len(bodies)), expected="1")
        for body in inside.named("nonXMLBody"):
            _check_n1(report, body, children.named("templateId"))


def _check_n1(report: Report, body: Element, identifiers: Sequence[Element]) -> None:
    templates = [each.get("root") for each in identifiers]
    if len(templates) != 3 or templates[2] != _N1:
        found = f"{len(templates)} templateId" if len(templates) != 3 else shown(templates[2])
        report.add(_TEMPLATES, report.root, below="templateId", found=found, expected=f"3, dont {_N1}")
    texts = children_of(body).named("text")
    if len(texts) != 1:
        report.add(_TEXT, body, below="text", found=str(len(texts)), expected="1")
    for each in texts:
        media = each.get("mediaType")
        if media not in _N1_MEDIA:
            report.add(_MEDIA, each, below="@mediaType", found=shown(media), expected=" ".join(sorted(_N1_MEDIA)))


def check_file(report: Report, element: Element) -> None:
    """A file in the body: text of a nonXMLBody, value of an observationMedia, anything else in base64."""
    media = (element.get("mediaType") or "").strip().lower()
    if not media and local(element.getparent()) != "nonXMLBody":  # there, BOD-005 tells
        report.add(_NO_MEDIA, element, below="@mediaType", found="absent")
    for child in element.iterchildren("{*}*"):
        report.add(_REFERENCE if local(child) == "reference" else _INSIDE, child)
    if element.get("representation") != "B64":
        broken = _PLAIN if media.startswith("text/") else _NOT_B64
        report.add(broken, element, below="@representation", found=shown(element.get("representation")), expected="B64")
    if not is_base64(element):
        _check_no_document(report, element, media, text_of(element).encode())  # as it stands, in a CDATA section
    elif (content := _decoded(report, element)) is not None:
        _check_content(report, element, media, content)


def _decoded(report: Report, element: Element) -> bytes | None:
    try:
        content = b64.strictly(text_of(element).encode("ascii"))
    except ValueError:  # NotBase64 and UnicodeEncodeError are such
        report.add(_BASE64, element)
        return None
    if not content:
        report.add(_EMPTY, element)
    return content or None


def _check_content(report: Report, element: Element, media: str, content: bytes) -> None:
    kind = kind_of(content)
    _check_no_document(report, element, media, content)
    if not _agrees(media, kind, content):
        broken = _OTHER_IMAGE if media.startswith("image/") and kind in _IMAGES else _KIND
        report.add(broken, element, found=_named(kind, content), expected=shown(media))
    if kind is Kind.PDF:
        if b"%%EOF" not in content[-_TRAILER:]:
            report.add(_CUT, element, found="une fin sans %%EOF")
        if _ANY_ACTIVE.search(content):
            report.add(_ACTIVE, element, found=" ".join(name.decode() for name in _ACTIVE_NAMES if name in content))


def _check_no_document(report: Report, element: Element, media: str, content: bytes) -> None:  # req: SD-7
    """Whoever opens the file would read another document, maybe another patient's, that nobody has judged."""
    try:
        is_one = xdm.is_xdm("", content) or documents.read(content) is not None
    except Stopped:
        is_one = True
    is_letter, is_signed = media.startswith("message/"), "pkcs7-mime" in media
    if is_one or may_hold_document(content, is_letter=is_letter, is_signed=is_signed):
        report.add(_DOCUMENT, element, found="un document")


def _agrees(media: str, kind: Kind, content: bytes) -> bool:
    match media:
        case "application/pdf" | "image/jpeg" | "image/png" | "image/tiff":
            return kind.value == media
        case "text/rtf" | "application/rtf":
            return kind is Kind.RTF
        case "text/plain" | "text/csv":
            return kind in (Kind.OTHER, Kind.RTF) and is_text(content)
        case "text/xml" | "application/xml":
            return kind is Kind.XML
        case _ if media.endswith("+xml"):
            return kind is Kind.XML
        case _:  # absent, or a type that we do not know: something that a reader can open will do
            return kind in _IMAGES or kind in (Kind.PDF, Kind.RTF) or (kind is Kind.OTHER and is_text(content))


def is_text(content: bytes) -> bool:
    """Whether octets are a text: no control characters but white space."""
    return len(content.translate(None, _CONTROLS)) == len(content)


def _named(kind: Kind, content: bytes) -> str:
    if kind is Kind.OTHER:
        return "du texte" if is_text(content) else "un format inconnu"
    return kind.value
