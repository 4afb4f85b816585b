"""Who stands behind an address, and which mailbox a patient may write to first."""

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, Party, PatientSpace
from mssgw.core.errors import MalformedMatricule

SPACE = PatientSpace()
GOOD, WRONG_KEY = "279035121518989@patient.mssante.fr", "289456789012345@patient.mssante.fr"


@pytest.mark.parametrize("kind", BalKind)
@pytest.mark.parametrize("pharmacy", [True, False])
def test_only_a_pharmacys_organisation_mailbox_takes_first_letters(kind, pharmacy):
    """WHO-3: never a pharmacist's own mailbox."""
    assert Bal(kind=kind, pharmacy=pharmacy).takes_first_letters is (pharmacy and kind is BalKind.ORG)


def test_a_mailbox_that_is_not_configured_takes_no_first_letter():
    assert not Bal().takes_first_letters


@pytest.mark.parametrize(
    ("text", "party"),
    [
        (GOOD, Party.PATIENT),
        (GOOD.upper(), Party.PATIENT),
        ("dr@hopital.mssante.fr", Party.PROFESSIONAL),
        ("279035121518989@mssante.fr", Party.PROFESSIONAL),
        ("Reponse.Automatique-Test@patient.mssante.fr", Party.PATIENT),  # INS-10
    ],
)
def test_who_receives(text, party):
    assert SPACE.recipient(Address.parse(text)) is party


@pytest.mark.parametrize("text", [WRONG_KEY, "noreply@patient.mssante.fr", "27903512151898@patient.mssante.fr"])
def test_a_bad_patient_address_is_no_recipient(text):
    """INS-1, NDR-8."""
    with pytest.raises(MalformedMatricule):
        SPACE.recipient(Address.parse(text))


@pytest.mark.parametrize(
    ("text", "party"),
    [
        (None, Party.NOBODY),
        (GOOD, Party.PATIENT),
        ("reponse.automatique-test@patient.mssante.fr", Party.PATIENT),
        ("MAILER-DAEMON@patient.mssante.fr", Party.PATIENT_SPACE),
        ("noreply@patient.mssante.fr", Party.PATIENT_SPACE),
        ("12345@patient.mssante.fr", Party.PATIENT_SPACE),
        ("bounce-279035121518988@patient.mssante.fr", Party.PATIENT_SPACE),  # with a wrong key it is any number
        ('"279035121518989"@patient.mssante.fr', Party.PATIENT),
        ("dr@hopital.mssante.fr", Party.PROFESSIONAL),
    ],
)
def test_who_writes(text, party):
    """SD-4: what is no matricule is a robot of the patient space."""
    assert SPACE.sender(Address.parse(text) if text else None) is party


def test_a_sender_that_was_meant_to_be_a_matricule_must_be_one():
    with pytest.raises(MalformedMatricule):
        SPACE.sender(Address.parse(WRONG_KEY))


@pytest.mark.parametrize(
    "local",
    [
        "279035121518989+notice",
        '"279035121518989 x"',
        "177012a12345670-x",
        "x.279035121518989",
        "bounce-177012a12345670=x",
        "0279035121518989",
    ],
)
def test_a_matricule_with_something_around_it_is_no_robot(local):
    """SD-4: what the robots of the patient space may send is not open to patients in disguise."""
    sender = Address.parse(f"{local}@patient.mssante.fr")
    with pytest.raises(MalformedMatricule):
        SPACE.sender(sender)


def test_another_patient_space_can_be_configured():
    test_space = PatientSpace(domain="patient.test.example", exceptions=frozenset({"robot@patient.test.example"}))
    assert test_space.recipient(Address.parse("robot@patient.test.example")) is Party.PATIENT
    assert test_space.recipient(Address.parse(GOOD)) is Party.PROFESSIONAL
