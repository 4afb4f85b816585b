"""Whom a document is about, and whether two are about the same person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.document_patients import DocumentPatient, Match, PersonId, folded, match_address, match_patients
from mssgw.core.ins import InsAuthority, Matricule

JEANNE = Matricule.parse("279035121518989")
CORSICAN = Matricule.parse("177012A12345670")


def patient(*ids: str, root: str = InsAuthority.TEST_NIR, **traits: str) -> DocumentPatient:
    return DocumentPatient(ids=tuple(PersonId(root, each) for each in ids), **traits)


def test_nothing_of_a_person_is_in_a_repr() -> None:
    """Values end up in tracebacks and logs."""
    told = repr(patient("279035121518989", family="PATRONYME", given="JEANNE", birth_date="19790328"))
    assert not {"279035121518989", "PATRONYME", "JEANNE", "19790328"} & set(told.replace("'", " ").split())
    assert "2790" not in repr(PersonId("1.2", "279035121518989"))


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
