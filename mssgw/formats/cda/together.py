"""What only all documents of a letter together tell, and the letter around them: whose they are, which of them are the
same, what replaces what, and the copy that people read."""

import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import combinations

from mssgw.core.clinical import Finding, Profile, Rule, Weight
from mssgw.core.document_patients import DocumentPatient, folded
from mssgw.formats import b64
from mssgw.formats.cda.report import hl7, rule, text_of
from mssgw.formats.documents import Document
from mssgw.formats.safexml import Element
from mssgw.formats.xdm.header import Header

HARM, ADVICE = Weight.HARM, Weight.ADVICE

_TWICE = rule("CDA-COH-010", ADVICE, "Un document n'est qu'une fois dans une lettre", "SC.CDA/INT.18")
_SAME_ID = rule("CDA-COH-011", HARM, "Deux documents différents n'ont pas le même identifiant (id)", "HL7 CDA R2")
_VERSIONS = rule(
    "CDA-COH-012", ADVICE, "Une lettre ne porte qu'une version d'un document : un seul par setId", "HL7 CDA R2"
)
_REPLACED_TOO = rule(
    "CDA-COH-013", ADVICE, "Un document remplacé (RPLC) n'accompagne pas celui qui le remplace", "HL7 CDA R2"
)
_OTHER_SUBJECT = rule(
    "CDA-COH-020",
    HARM,
    "L'objet XDM/1.0/DDM+ de la lettre nomme le patient de ses documents",
    "Référentiel 2, ECO.2.1.3",
)
_ODD_SUBJECT = rule(
    "CDA-COH-021",
    ADVICE,
    "Le nom et la date de naissance de l'objet XDM/1.0/DDM+ sont ceux du patient des documents",
    "Référentiel 2, ECO.2.1.3",
)
_CORRECTION = rule(
    "CDA-COH-022",
    ADVICE,
    "Un objet [Annule et remplace] va avec un document de remplacement (RPLC), et inversement",
    "AMBU.MSS/va1.02",
)
_NO_COPY = rule(
    "CDA-COH-030", ADVICE, "Une copie PDF de chaque document accompagne l'archive dans la lettre", "ECO.2.1.5"
)
_OTHER_COPY = rule("CDA-COH-031", ADVICE, "La copie PDF d'un document N1 est le PDF qu'il contient", "ECO.2.1.5")

_SUBJECT = re.compile(r"xdm/1\.0/ddm\+(.{1,2000})", re.I | re.S)
_BIRTH = re.compile(r"([0-9]{2})[/.-]([0-9]{2})[/.-]([0-9]{4})\s*$")
_REPLACES = re.compile(r"\[annule et remplace\]", re.I)
_PDF = "application/pdf"
_FEW = 8  # PDFs that are compared one by one: to hash them takes longer


@dataclass(frozen=True, kw_only=True, repr=False)
class Met:
    """What is remembered of a document once it was judged."""

    content: bytes
    id: str
    set_id: str
    replaces: frozenset[str]
    replacement: bool
    archived: bool
    body: Element | None  # that holds the PDF of a N1 document
    patients: tuple[DocumentPatient, ...]

    @cached_property
    def digest(self) -> bytes:
        """To tell files apart, not to prove anything."""
        return hashlib.sha1(self.content, usedforsecurity=False).digest()


@dataclass(slots=True, kw_only=True, repr=False)
class Company:
    """All that was met in a letter. ``pdfs``: those that are attachments of their own; together they are smaller than
    what of the letter is no longer kept."""

    documents: list[Met] = field(default_factory=list)
    pdfs: list[bytes] = field(default_factory=list)

    def meet(self, header: Header, *, archived: bool) -> None:
        document = header.document
        related = document.root.iterchildren(*hl7("relatedDocument"))
        parents = [each for one in related for each in one.iterchildren(*hl7("parentDocument"))]
        ids = [each for parent in parents for each in parent.iterchildren(*hl7("id"))]
        self.documents.append(
            Met(
                content=document.content,
                id=header.unique_id.lower(),
                set_id=_identifier(*header.pair("setId", "root", "extension")),
                replaces=frozenset(_identifier(each.get("root", ""), each.get("extension", "")) for each in ids),
                replacement=header.replaces,
                archived=archived,
                body=_pdf_in(document),
                patients=header.patients,
            )
        )


def _identifier(root: str, extension: str) -> str:
    return f"{root.strip()}^{extension.strip()}".removesuffix("^").lower()


def _pdf_in(document: Document) -> Element | None:
    body = document.root.find("{*}component/{*}nonXMLBody/{*}text")
    is_one = body is not None and body.get("mediaType") == _PDF and body.get("representation") == "B64"
    return body if is_one else None


def _content_of(body: Element) -> bytes | None:
    text = text_of(body)
    try:
        return b64.strictly(text.encode("ascii"))  # several times as fast as what forgives faults
    except ValueError:  # NotBase64 and UnicodeEncodeError are such
        pass
    try:
        return binascii.a2b_base64(text)
    except ValueError:  # binascii.Error is one; the rules about the body tell
        return None


def check_documents(met: Sequence[Met], profile: Profile) -> Iterator[Finding]:  # req: CDA-5
    """Same and replaced documents, each kind told once."""
    kinds = {broken for one, other in _pairs(met) for broken in _between(one, other)}
    replaced = {id_ for each in met if each.replacement for id_ in each.replaces}
    if replaced & {each.id for each in met if each.id}:
        kinds.add(_REPLACED_TOO)
    yield from (broken.finding(profile) for broken in sorted(kinds, key=lambda each: each.id))


def _pairs(met: Sequence[Met]) -> Iterator[tuple[Met, Met]]:
    """Those that share something, each beside another: of one id, of one set, of the same octets."""
    if len(met) < 2:
        return
    groups: defaultdict[tuple[str, str | bytes], list[Met]] = defaultdict(list)
    for each in met:
        for kind, value in (("id", each.id), ("set", each.set_id), ("octets", each.digest)):
            if value:
                groups[kind, value].append(each)
    for group in groups.values():
        yield from combinations(group[:20], 2)


def _between(one: Met, other: Met) -> Iterator[Rule]:
    if one.digest == other.digest:
        yield _TWICE
    elif one.id and one.id == other.id:
        yield _SAME_ID
    elif one.set_id and one.set_id == other.set_id:
        yield _VERSIONS


def check_copies(company: Company, profile: Profile) -> Iterator[Finding]:  # req: FMT-5
    """The PDF beside each archived document: a document that is there twice needs one."""
    archived = [each for each in company.documents if each.archived]
    several = len({each.digest for each in archived}) if len(archived) > 1 else len(archived)
    if len(company.pdfs) < several:
        found, expected = (f"{number} PDF" for number in (len(company.pdfs), several))
        yield _NO_COPY.finding(profile, found=found, expected=expected)
    bodies = [each.body for each in archived if each.body is not None] if company.pdfs else []
    pdfs = company.pdfs if len(company.pdfs) <= _FEW else frozenset(company.pdfs)
    if any((content := _content_of(body)) is not None and content not in pdfs for body in bodies):
        yield _OTHER_COPY.finding(profile)


def check_subject(subject: str, met: Sequence[Met], profile: Profile) -> Iterator[Finding]:  # req: FMT-6, FMT-13
    """The subject of the letter against its documents, where it is in the form of FMT-6."""
    if met and bool(_REPLACES.search(subject)) is not any(each.replacement for each in met):
        yield _CORRECTION.finding(profile)
    told = _SUBJECT.search(subject)
    patients = [patient for each in met for patient in each.patients]
    if told is None or not patients:
        return
    born, named = _born(told[1], patients), _named(told[1], patients)
    if born is False and named is False:
        yield _OTHER_SUBJECT.finding(profile)
    elif born is False or named is False:
        yield _ODD_SUBJECT.finding(profile, found="autre nom" if born is not False else "autre date de naissance")


def _born(told: str, patients: Sequence[DocumentPatient]) -> bool | None:
    found = _BIRTH.search(told)
    known = {patient.birth_date[:8] for patient in patients if len(patient.birth_date) >= 8}
    if found is None or not known or not _exists(int(found[1]), int(found[2]), int(found[3])):
        return None
    return f"{found[3]}{found[2]}{found[1]}" in known


def _exists(day: int, month: int, year: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _named(told: str, patients: Sequence[DocumentPatient]) -> bool | None:
    known = {name for patient in patients for each in (patient.family, *patient.names) if (name := folded(each))}
    said = folded(told)
    return None if not known else any(name in said for name in known)
