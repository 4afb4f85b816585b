"""What METADATA.XML repeats of a document, as the document's own header tells it."""

from collections.abc import Iterable
from datetime import UTC, timedelta
from functools import cache, cached_property

from mssgw.core.document_patients import DocumentPatient
from mssgw.formats.cda import moments
from mssgw.formats.cda.ins import patients_of
from mssgw.formats.cda.kinds import ANS_FORMATS, IHE_FORMATS, KINDS
from mssgw.formats.documents import HL7, Document
from mssgw.formats.safexml import Element

_FORMATS_OF_N1 = {  # by media type of the body
    "application/pdf": ("urn:ihe:iti:xds-sd:pdf:2008", IHE_FORMATS),
    "text/plain": ("urn:ihe:iti:xds-sd:text:2008", IHE_FORMATS),
    "text/rtf": ("urn:ihe:iti-fr:xds-sd:rtf:2010", IHE_FORMATS),
    "image/jpeg": ("urn:ihe:iti-fr:xds-sd:jpeg:2010", IHE_FORMATS),
    "image/tiff": ("urn:ihe:iti-fr:xds-sd:tiff:2010", IHE_FORMATS),
}
_FORMATS = {  # by model: those of ASS_A11 that we are sure of
    "1.2.250.1.213.1.1.1.29": "urn:asip:ci-sis:ldl-ses:2017",
    "1.2.250.1.213.1.1.1.55": "urn:ihe:lab:xd-lab:2008",
    "1.2.250.1.213.1.1.1.13": "urn:asip:ci-sis:vsm:2012",
    "1.2.250.1.213.1.1.1.37": "urn:asip:ci-sis:vac:2019",
    "1.2.250.1.213.1.1.1.39": "urn:ihe:pharm:pre:2010",
}
CLASSES = frozenset({"10", "11", "31", "42", "43", "44", "52", "90", "95"})  # ASS_X04
CLASS_OF = {kind.code.code: kind.class_.code for kind in KINDS.values()}  # what of ASS_X04 we are sure of
CLASS_SYSTEM = "1.2.250.1.213.1.1.4.1"
_PARIS = timedelta(hours=2)  # the most that legal time in metropolitan France is ahead of UTC


class Header:
    """A header, asked by paths below ClinicalDocument: names separated by slashes, then attributes.

    What is asked more than once is looked for once.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._root = document.root

    def get(self, path: str, attribute: str) -> str:
        """The attribute of the first element there, trimmed, or ""."""
        element = self._first(path)
        return str(element.get(attribute, "")).strip() if element is not None else ""

    def pair(self, path: str, one: str, other: str) -> tuple[str, str]:
        """The same of two attributes."""
        if (element := self._first(path)) is None:
            return "", ""
        return str(element.get(one, "")).strip(), str(element.get(other, "")).strip()

    def code(self, path: str) -> tuple[str, str]:
        """Code and system of a coded element."""
        return self.pair(path, "code", "codeSystem")

    @cached_property
    def unique_id(self) -> str:
        root, extension = self.pair("id", "root", "extension")
        return f"{root}^{extension}" if extension else root

    @property
    def title(self) -> str:
        element = self._first("title")
        return " ".join("".join(map(str, element.itertext())).split()) if element is not None else ""

    @cached_property
    def patients(self) -> tuple[DocumentPatient, ...]:
        return patients_of(self._root)

    @cached_property
    def replaces(self) -> bool:
        found = self._root.iterchildren(_qualified("relatedDocument"))
        return any(each.get("typeCode") == "RPLC" for each in found)

    @property
    def formats(self) -> frozenset[tuple[str, str]]:
        """The format codes that would be right, none when we cannot tell."""
        if (text := self._first("component/nonXMLBody/text")) is not None:
            told = _FORMATS_OF_N1.get(str(text.get("mediaType", "")).strip().lower())
            return frozenset([told] if told else [])
        models = {str(each.get("root", "")) for each in self._root.iterchildren(_qualified("templateId"))}
        codes = {code for model, code in _FORMATS.items() if model in models}
        return frozenset((code, system) for code in codes for system in (ANS_FORMATS, IHE_FORMATS))

    @property
    def signers(self) -> frozenset[str]:
        """Numbers of who signed."""
        found = self._root.iterfind(_qualified("legalAuthenticator/assignedEntity/id"))
        return frozenset(str(each.get("extension", "")).strip() for each in found)

    def _first(self, path: str) -> Element | None:
        qualified = _qualified(path)
        if "/" in path:
            return self._root.find(qualified)
        return next(self._root.iterchildren(qualified), None)  # twice as fast as find


@cache
def _qualified(path: str) -> str:
    return "/".join(HL7 + name for name in path.split("/"))


def is_same_moment(utc: str, local: str) -> bool:
    """Whether a time of METADATA.XML, in UTC without saying so, is this one of a header, as far as both tell.

    A header's time without a zone is somewhere in France: up to two hours ahead, or taken over as it is.
    """
    ours, theirs = moments.read(utc), moments.read(local)
    if ours is None or theirs is None:
        return False
    pieces = min(ours.pieces, theirs.pieces)
    if theirs.zoned and theirs.pieces > 3:
        candidates: Iterable[timedelta] = (timedelta(0),)
    else:
        candidates = (timedelta(0), _PARIS / 2, _PARIS)
    told = ours.earliest.astimezone(UTC).timetuple()[:pieces]
    moment = theirs.earliest.astimezone(UTC) if theirs.pieces > 3 else theirs.earliest.replace(tzinfo=UTC)
    # Subtracting may leave the calendar only in the year 1.
    return any((moment - ahead).timetuple()[:pieces] == told for ahead in candidates if moment.year > 1)
