"""From whom a document is hidden, and the refusal to send it there (SD-15)."""

from collections.abc import Collection, Iterable
from datetime import date

from mssgw.core.clinical import Finding, Mark, Profile, Rule, Weight
from mssgw.core.ins import Matricule, may_be_minor
from mssgw.formats.cda.report import hl7, rule
from mssgw.formats.safexml import Element

_PATIENT = rule(
    "CDA-HID-001",
    Weight.DANGER,
    "Un document marqué INVISIBLE_PATIENT n'est pas envoyé à un patient",
    "CI-SIS, volets de transmission",
)
_GUARDIANS = rule(
    "CDA-HID-002",
    Weight.DANGER,
    "Un document marqué INVISIBLE_REPRESENTANTS_LEGAUX n'est pas envoyé à un patient qui peut être mineur",
    "CI-SIS, volets de transmission",
)
_PROFESSIONALS = rule(
    "CDA-HID-003",
    Weight.DANGER,
    "Un document marqué MASQUE_PS n'est pas envoyé à un professionnel",
    "CI-SIS, volets de transmission",
)


def marks_among(codes: Iterable[str]) -> frozenset[Mark]:
    """The marks among confidentiality codes, in whatever case they are written: those of the header, of sections, and
    their translations."""
    known = {code.strip().upper() for code in codes}
    return frozenset(mark for mark in Mark if mark.value in known)


def marks_of(root: Element) -> frozenset[Mark]:
    """The same of a document that is not held against the rules."""
    return marks_among(each.get("code", "") for each in root.iter(*hl7("confidentialityCode", "translation")))


def check_hidden(
    marks: Collection[Mark],
    profile: Profile,
    *,
    patients: Collection[Matricule] = (),
    to_professionals: bool = False,
    today: date,
) -> list[Finding]:  # req: SD-15, PFI-8
    """Refusals of a document with these marks (of header and METADATA.XML) to these recipients."""
    return [broken.finding(profile) for broken in _broken(marks, patients, to_professionals, today)]


def _broken(
    marks: Collection[Mark], patients: Collection[Matricule], to_professionals: bool, today: date
) -> Iterable[Rule]:
    if Mark.INVISIBLE_PATIENT in marks and patients:
        yield _PATIENT
    if Mark.INVISIBLE_REPRESENTANTS_LEGAUX in marks and any(may_be_minor(each, today) for each in patients):
        yield _GUARDIANS
    if Mark.MASQUE_PS in marks and to_professionals:
        yield _PROFESSIONALS
