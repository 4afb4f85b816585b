"""Whose document this is against whose mailbox it goes to, and one patient a message: the mission's reason to exist."""

from collections.abc import Sequence
from itertools import pairwise

from mssgw.core.clinical import Finding, Profile, Weight
from mssgw.core.document_patients import DocumentPatient, Match, match_address, match_patients
from mssgw.core.ins import Matricule
from mssgw.formats.cda.report import rule

_OTHER_PATIENT = rule(
    "CDA-COH-001", Weight.DANGER, "L'INS du document est celui du patient à qui la lettre est adressée", "passerelle"
)
_OTHER_KEY = rule(
    "CDA-COH-002",
    Weight.ADVICE,
    "La clé de l'INS du document est celle de l'adresse du patient",
    "Référentiel INS",
)
_UNCHECKED = rule(
    "CDA-COH-003",
    Weight.FORM,
    "Un document adressé à un patient porte son INS, qui se compare à l'adresse",
    "ECO.2.2.6",
)
_TWO_PATIENTS = rule(
    "CDA-COH-004", Weight.DANGER, "Les documents d'un message concernent un seul patient", "passerelle"
)
_NOT_COMPARED = rule(
    "CDA-COH-005", Weight.ADVICE, "Les documents d'un message disent tous de quel patient ils parlent", "passerelle"
)
_ADDRESS_RULES = {
    Match.DIFFERENT: _OTHER_PATIENT,
    Match.SAME_WRONG_KEY: _OTHER_KEY,
    Match.UNCHECKED: _UNCHECKED,
}


def check_address(patients: Sequence[DocumentPatient], matricule: Matricule, profile: Profile) -> list[Finding]:
    """One document's patients, and those of its METADATA.XML, against the patient of the address."""
    broken = _ADDRESS_RULES.get(match_address(patients, matricule))
    return [broken.finding(profile)] if broken else []


def check_one_patient(patients: Sequence[DocumentPatient], profile: Profile) -> list[Finding]:  # req: SD-7
    """The patients of every document and METADATA.XML of a message, which must be one person."""
    matches = {match_patients(*pair) for pair in _pairs(patients)}
    if Match.DIFFERENT in matches:
        return [_TWO_PATIENTS.finding(profile)]
    return [_NOT_COMPARED.finding(profile)] if Match.UNCHECKED in matches else []


def _pairs(patients: Sequence[DocumentPatient]) -> list[tuple[DocumentPatient, DocumentPatient]]:
    """Each beside its neighbour, and those with an INS beside the next that has one: in between there may be some
    without, that compare with neither."""
    with_ins = [patient for patient in patients if patient.ins]
    return [*pairwise(patients), *pairwise(with_ins)]
