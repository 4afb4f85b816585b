"""Whose document it is, and from whom it is hidden, against those whom it is sent to."""

import copy
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Mark, Profile, Verdict, verdict_of
from mssgw.core.document_patients import DocumentPatient, PersonId
from mssgw.core.ins import InsAuthority, Matricule, key_of
from mssgw.formats import safexml
from mssgw.formats.cda.coherence import check_address, check_one_patient
from mssgw.formats.cda.hidden import check_hidden, marks_among
from mssgw.formats.cda.ins import patients_of
from mssgw.formats.cda.survey import survey
from tests.cda_valid import MATRICULE, root_of, rules
from tests.cda_variants import at, setting

TODAY = date(2026, 1, 15)
OTHER = Matricule.parse("146026322000196")
CHILD_13 = "2150375056001"  # March 1915 or 2015
CHILD = Matricule(CHILD_13 + key_of(CHILD_13))
STRICT, STANDARD, OBSERVE = Profile
REJECT, WARN, ACCEPT = Verdict.REJECT, Verdict.WARN, Verdict.ACCEPT


def read(value: str, root: str = InsAuthority.TEST_NIR) -> tuple[DocumentPatient, ...]:
    """The patients of a document of ours whose INS says that."""
    changed = copy.deepcopy(root_of())
    assert setting("recordTarget/patientRole/id", extension=value, root=root)(changed)
    return patients_of(changed)


def test_the_header_tells_of_the_patient() -> None:
    """Identifiers with their OIDs, and the traits of an identity."""
    (patient,) = patients_of(root_of())
    assert patient == DocumentPatient(
        ids=(PersonId(InsAuthority.TEST_NIR, MATRICULE.value), PersonId("2.25.999000018", "IPP-0042")),
        family="PATRONYME",
        given="JEANNE",
        gender="F",
        birth_date="19790328",
        birth_place="51215",
        names=("PATRONYME", "PATRONYME"),
    )
    assert patient.is_qualified
    assert [each.extension for each in patient.ins] == [MATRICULE.value]


def test_a_comment_does_not_hide_half_a_name() -> None:
    """Every reader of XML sees the whole text."""
    root = safexml.parse(
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><patient><name>'
        b'<family qualifier="BR">PATRO<!-- x -->NYME</family></name></patient></patientRole></recordTarget>'
        b"</ClinicalDocument>",
        limit=1000,
    )
    assert patients_of(root)[0].family == "PATRONYME"
    assert not patients_of(root)[0].is_qualified


@pytest.mark.parametrize(
    ("extension", "oid", "rule", "verdicts"),
    [
        (MATRICULE.value, InsAuthority.TEST_NIR, set(), (ACCEPT, ACCEPT, ACCEPT)),
        (MATRICULE.value[:13] + "01", InsAuthority.NIR, {"CDA-COH-002"}, (WARN, WARN, WARN)),
        (OTHER.value, InsAuthority.NIR, {"CDA-COH-001"}, (REJECT, REJECT, REJECT)),
        (OTHER.value, InsAuthority.NIA, {"CDA-COH-001"}, (REJECT, REJECT, REJECT)),
        (" " + OTHER.value, InsAuthority.NIR, {"CDA-COH-001"}, (REJECT, REJECT, REJECT)),
        ("no matricule", InsAuthority.NIR, {"CDA-COH-001"}, (REJECT, REJECT, REJECT)),
        (OTHER.value, "1.2.250.1.213.1.4.13", {"CDA-COH-003"}, (REJECT, WARN, WARN)),
    ],
)
def test_a_document_for_a_patient_is_his(
    extension: str, oid: str, rule: set[str], verdicts: tuple[Verdict, Verdict, Verdict]
) -> None:
    """Another person's is refused whatever the profile; one that names nobody, by strict only (SD-11)."""
    for profile, verdict in zip(Profile, verdicts, strict=True):
        findings = check_address(read(extension, oid), MATRICULE, profile)
        assert rules(findings) == rule
        assert verdict_of(findings) is verdict


def test_the_second_record_target_counts_as_well() -> None:
    """Two patients in one document: one of them is not the one of the address."""
    root = root_of()
    first = at(root, "recordTarget")
    second = copy.deepcopy(first)
    first.addnext(second)
    at(second, "patientRole/id").set("extension", OTHER.value)
    assert rules(check_address(patients_of(root), MATRICULE, OBSERVE)) == {"CDA-COH-001"}
    assert rules(check_one_patient(patients_of(root), OBSERVE)) == {"CDA-COH-004"}


def test_a_message_is_about_one_patient() -> None:
    """Also when a document that names nobody stands between the two (SD-7)."""
    (one,), (other,), nobody = read(MATRICULE.value), read(OTHER.value), DocumentPatient()
    assert check_one_patient([one, one], STRICT) == []
    assert check_one_patient([one], STRICT) == check_one_patient([], STRICT) == []
    assert rules(check_one_patient([one, nobody], STRICT)) == {"CDA-COH-005"}
    for several in ([one, other], [one, nobody, other], [nobody, one, nobody, nobody, other]):
        assert rules(check_one_patient(several, OBSERVE)) == {"CDA-COH-004"}
        assert verdict_of(check_one_patient(several, OBSERVE)) is REJECT


def test_marks_are_read_wherever_they_stand() -> None:
    """Not only the first code, in whatever case; in sections and translations too."""
    root = safexml.parse(
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><confidentialityCode code="N"/>'
        b'<confidentialityCode code=" invisible_patient"/><component><section><confidentialityCode code="R">'
        b'<translation code="MASQUE_PS"/></confidentialityCode></section></component></ClinicalDocument>',
        limit=1000,
    )
    assert marks_among(survey(root).secrets) == {Mark.INVISIBLE_PATIENT, Mark.MASQUE_PS}
    assert marks_among(survey(root_of()).secrets) == marks_among(["N", "", "INVISIBLE"]) == set()
    assert marks_among(["N", "INVISIBLE_REPRESENTANTS_LEGAUX"]) == {Mark.INVISIBLE_REPRESENTANTS_LEGAUX}


@pytest.mark.parametrize(
    ("mark", "patients", "professionals", "rule"),
    [
        (Mark.INVISIBLE_PATIENT, (MATRICULE,), False, {"CDA-HID-001"}),
        (Mark.INVISIBLE_PATIENT, (MATRICULE,), True, {"CDA-HID-001"}),
        (Mark.INVISIBLE_PATIENT, (), True, set()),
        (Mark.INVISIBLE_REPRESENTANTS_LEGAUX, (CHILD,), False, {"CDA-HID-002"}),
        (Mark.INVISIBLE_REPRESENTANTS_LEGAUX, (MATRICULE,), False, set()),
        (Mark.INVISIBLE_REPRESENTANTS_LEGAUX, (), True, set()),
        (Mark.MASQUE_PS, (MATRICULE,), True, {"CDA-HID-003"}),
        (Mark.MASQUE_PS, (MATRICULE,), False, set()),
    ],
)
def test_a_hidden_document_is_refused_to_whom_it_is_hidden_from(
    mark: Mark, patients: tuple[Matricule, ...], professionals: bool, rule: set[str]
) -> None:
    """Whatever the profile, never only a warning (SD-15)."""
    for profile in Profile:
        findings = check_hidden({mark}, profile, patients=patients, to_professionals=professionals, today=TODAY)
        assert rules(findings) == rule
        assert verdict_of(findings) is (REJECT if rule else ACCEPT)


@given(st.sets(st.sampled_from(Mark)), st.booleans(), st.booleans())
def test_more_marks_never_open_a_way(marks: set[Mark], to_patient: bool, professionals: bool) -> None:
    """Each mark refuses by itself; others beside it change nothing."""
    patients = (CHILD,) if to_patient else ()
    alone = set()
    for mark in marks:
        alone |= rules(check_hidden({mark}, STANDARD, patients=patients, to_professionals=professionals, today=TODAY))
    together = check_hidden(marks, STANDARD, patients=patients, to_professionals=professionals, today=TODAY)
    assert rules(together) == alone


def test_patients_in_one_another_are_counted_once() -> None:
    """Readers that look for names alone see the identifiers however deep: not again for each element around them."""
    depth, ids = 48, 2_000
    id_ = f'<id root="{InsAuthority.NIR}" extension="{OTHER.value}"/>'
    content = (
        '<ClinicalDocument xmlns="urn:hl7-org:v3">'
        + f"{'<recordTarget>' * depth}{'<patientRole>' * depth}{f'<patient>{id_}</patient>' * ids}"
        + f"{'</patientRole>' * depth}{'</recordTarget>' * depth}</ClinicalDocument>"
    )
    patients = patients_of(safexml.parse(content.encode(), limit=len(content)))
    assert sum(len(each.ids) for each in patients) == ids
    assert rules(check_address(patients, MATRICULE, OBSERVE)) == {"CDA-COH-001"}


def test_a_patient_in_a_patient_is_another_one() -> None:
    """Whichever of them a reader shows."""
    root = root_of()
    first = at(root, "recordTarget")
    second = copy.deepcopy(first)
    at(second, "patientRole/id").set("extension", OTHER.value)
    first.append(second)
    assert rules(check_address(patients_of(root), MATRICULE, OBSERVE)) == {"CDA-COH-001"}
    assert rules(check_one_patient(patients_of(root), OBSERVE)) == {"CDA-COH-004"}
