"""`mssgw ins check`: which matricule is one."""

import pytest

from tests.unit.app.office_double import DOCTOR

VALID = (
    "279035121518989",
    "146026322000196",
    "177012A12345670",
    "288112b98765431",
    "179039935012397",
    "199017505604201",
)
WRONG_KEY = ("289456789012345", "288091234567823", "253097812634581")


@pytest.mark.parametrize("matricule", VALID)
def test_ins_check_says_yes(run, matricule):
    """All good vectors of INS-4, bare or as addresses, in either case."""
    assert run("ins", "check", matricule).exit_code == 0
    assert run("ins", "check", f"{matricule}@patient.mssante.fr").exit_code == 0


@pytest.mark.parametrize("matricule", WRONG_KEY)
def test_ins_check_says_no_and_never_offers_a_key(run, matricule):
    """The bad vectors of INS-4. A suggested key would make the address of somebody else out of a typing error."""
    told = run("ins", "check", f"{matricule}@patient.mssante.fr")
    assert (told.exit_code, told.stdout) == (1, "invalid: la cle du matricule INS est fausse\n")


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("27903512151898", "14"),
        ("2790351215 18989", "16"),
        ("27903512151898X", "chiffres"),
        ("279135121518989", "mois"),
        (DOCTOR, "not a patient address"),
        ("", "0"),
        ("@", "an address has"),
    ],
)
def test_ins_check_says_what_is_wrong(run, subject, why):
    told = run("ins", "check", subject)
    assert told.exit_code == 1
    assert why in told.stdout


def test_ins_check_warns_of_what_passes_but_is_unusual(run, run_json):
    """INS-5 and INS-10."""
    (told,) = run_json("ins", "check", "reponse.automatique-test@patient.mssante.fr")
    assert told["valid"]
    assert "INS-10" in told["warning"]


def test_ins_check_reads_standard_input(run):
    """So that the number stays out of the shell's history."""
    assert run("ins", "check", "-", stdin="279035121518989\n").exit_code == 0
