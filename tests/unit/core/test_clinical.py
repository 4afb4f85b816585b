"""Severities, verdicts, and the comparison of patients."""

import pickle
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import (
    DocumentPatient,
    Finding,
    Match,
    PersonId,
    Profile,
    Severity,
    Verdict,
    Weight,
    folded,
    match_address,
    match_patients,
    may_be_minor,
    severity_of,
    verdict_of,
)
from mssgw.core.ins import InsAuthority, Matricule, key_of

JEANNE = Matricule.parse("279035121518989")
CORSICAN = Matricule.parse("177012A12345670")


def patient(*ids: str, root: str = InsAuthority.TEST_NIR, **traits: str) -> DocumentPatient:
    return DocumentPatient(ids=tuple(PersonId(root, each) for each in ids), **traits)


def finding(severity: Severity) -> Finding:
    return Finding(rule="CDA-HDR-002", severity=severity, sentence="realmCode vaut FR")


@given(st.sampled_from(Weight))
def test_a_stricter_profile_is_never_milder(weight: Weight) -> None:
    """strict >= standard >= observe for every rule."""
    strict, standard, observe = (severity_of(weight, profile) for profile in Profile)
    assert strict >= standard >= observe


def test_observe_refuses_only_what_endangers() -> None:
    """The wrong patient, a hidden document, an attack: these are refused whatever the profile."""
    refused = {weight for weight in Weight if severity_of(weight, Profile.OBSERVE) is Severity.REJECT}
    assert refused == {Weight.DANGER}


@pytest.mark.parametrize(
    ("severities", "complete", "verdict"),
    [
        ((), True, Verdict.ACCEPT),
        ((Severity.INFO,), True, Verdict.ACCEPT),
        ((Severity.INFO, Severity.WARN), True, Verdict.WARN),
        ((Severity.WARN, Severity.REJECT), True, Verdict.REJECT),
        ((), False, Verdict.UNVERIFIED),
        ((Severity.WARN,), False, Verdict.UNVERIFIED),
        ((Severity.REJECT,), False, Verdict.REJECT),
    ],
)
def test_the_worst_finding_decides(severities: tuple[Severity, ...], complete: bool, verdict: Verdict) -> None:
    """A check that did not end never accepts, and takes no refusal back (SD-10)."""
    assert verdict_of([finding(each) for each in severities], complete=complete) is verdict


def test_nothing_of_a_person_is_in_a_repr() -> None:
    """Values end up in tracebacks and logs."""
    told = repr(patient("279035121518989", family="PATRONYME", given="JEANNE", birth_date="19790328"))
    assert not {"279035121518989", "PATRONYME", "JEANNE", "19790328"} & set(told.replace("'", " ").split())
    assert "2790" not in repr(PersonId("1.2", "279035121518989"))


def test_findings_and_patients_cross_between_processes() -> None:
    """Documents are judged in workers."""
    for value in (finding(Severity.WARN), patient("279035121518989", family="PATRONYME")):
        assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    ("patients", "match"),
    [
        ([patient("279035121518989")], Match.SAME),
        ([patient("279035121518901")], Match.SAME_WRONG_KEY),
        ([patient("146026322000196")], Match.DIFFERENT),
        ([patient("279035121518989", "146026322000196")], Match.DIFFERENT),
        ([patient("279035121518989"), patient("146026322000196")], Match.DIFFERENT),
        ([patient("27903512151898")], Match.SAME_WRONG_KEY),  # the rule about its length refuses it
        ([patient("146026322000196", root="1.2.250.1.213.1.4.13")], Match.UNCHECKED),
        ([patient("279035121518989"), patient()], Match.UNCHECKED),
        ([patient()], Match.UNCHECKED),
        ([], Match.UNCHECKED),
    ],
)
def test_a_document_is_held_against_the_address(patients: list[DocumentPatient], match: Match) -> None:
    """Thirteen characters decide; whatever does not name the patient is never taken for his (SD-11)."""
    assert match_address(patients, JEANNE) is match


def test_case_does_not_make_another_person() -> None:
    """Corsica's department is a letter (INS-3)."""
    assert match_address([patient("177012a12345670")], CORSICAN) is Match.SAME


@given(st.integers(0, 12), st.sampled_from("0123456789"))
def test_any_other_digit_of_thirteen_is_another_person(position: int, digit: str) -> None:
    """The key of the document does not matter, and cannot hide it."""
    thirteen = JEANNE.value[:position] + digit + JEANNE.value[position + 1 : 13]
    same = thirteen == JEANNE.value[:13]
    match = match_address([patient(thirteen + JEANNE.value[13:])], JEANNE)
    assert match is (Match.SAME if same else Match.DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (patient("279035121518989"), patient("279035121518901"), Match.SAME),
        (patient("279035121518989"), patient("146026322000196"), Match.DIFFERENT),
        (patient("IPP1", root="1.2.3"), patient("IPP1", root="1.2.3"), Match.SAME),
        (
            patient(family="PATRONYME", birth_date="19790328"),
            patient(family="patronyme", birth_date="197903281015"),
            Match.SAME,
        ),
        (
            patient(family="PATRONYME", birth_date="19790328"),
            patient(family="SPECIMEN", birth_date="19460211"),
            Match.DIFFERENT,
        ),
        (
            patient(family="PATRONYME", birth_date="19790328"),
            patient(family="MARITAL", birth_date="19790328"),
            Match.UNCHECKED,
        ),
        (patient("279035121518989", family="PATRONYME"), patient(birth_date="19460211"), Match.UNCHECKED),
    ],
)
def test_two_documents_are_about_one_person(one: DocumentPatient, other: DocumentPatient, match: Match) -> None:
    """By INS, else by a common identifier, else by traits; a doubt stays a doubt."""
    assert match_patients(one, other) is match
    assert match_patients(other, one) is match


def test_names_compare_without_accents_and_signs() -> None:
    """Headers and metadata write the same name in many ways."""
    assert folded("D'Été-Ñandú ") == folded("DETE NANDU")


def matricule(born: date, month: str = "") -> Matricule:
    thirteen = f"2{born:%y}{month or f'{born:%m}'}75056001"
    return Matricule(thirteen + key_of(thirteen))


@given(
    st.dates(date(1926, 1, 1), date(2099, 12, 31)),
    st.dates(date(2020, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["", "31", "99"]),
)
def test_a_minor_is_never_taken_for_an_adult(born: date, today: date, month: str) -> None:
    """Whatever the century of the two digits, and with an unknown month (SD-15)."""
    if born <= today and (today.year - born.year, today.month, today.day) < (18, born.month, born.day):
        assert may_be_minor(matricule(born, month), today)


@pytest.mark.parametrize(
    ("born", "minor"),
    [
        (date(1979, 3, 28), False),
        (date(2008, 1, 1), True),  # 18 this month: the day is unknown
        (date(2007, 12, 31), False),
        (date(1920, 5, 1), True),  # 1920 or 2020: a doubt counts
        (date(1926, 2, 1), False),  # February 2026 is to come
    ],
)
def test_who_cannot_be_a_minor_is_an_adult(born: date, minor: bool) -> None:
    """Else nothing hidden from guardians would reach anybody."""
    assert may_be_minor(matricule(born), date(2026, 1, 15)) is minor
