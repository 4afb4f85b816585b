"""The registry's rules: which state follows which, what becomes of a letter, who may log in (WHO-5, WHO-3)."""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Party, PatientSpace
from mssgw.core.errors import IllegalMove, MalformedMatricule
from mssgw.core.ins import Matricule
from mssgw.core.message import AccountState
from mssgw.core.patients import ENDINGS, FOLLOWS, Patient, PatientState, Wish, granted, may_log_in, refusal, table
from tests.canaries import BAD_MATRICULES, MATRICULES

ANNE = Matricule.parse(MATRICULES[0])
EMAIL = Address.parse("moi@fai.invalid")
THEN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = THEN + timedelta(days=1)


def patient(state: PatientState = PatientState.CREATED, **more: object) -> Patient:
    return Patient(matricule=ANNE, state=state, since=THEN, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "after"), list(product(PatientState, repeat=2)))
def test_a_step_is_taken_if_the_table_holds_it_and_keeps_everything_else(
    before: PatientState, after: PatientState
) -> None:
    known = patient(before, email=EMAIL, has_password=True)
    wish = Wish(matricule=ANNE, state=after, keeps_email=True)
    if after is before:
        assert granted(known, wish, NOW) == known
    elif after in FOLLOWS[before]:
        assert granted(known, wish, NOW) == Patient(
            matricule=ANNE, state=after, email=EMAIL, since=NOW, has_password=True
        )
    else:
        with pytest.raises(IllegalMove, match=f"{after} while {before}"):
            granted(known, wish, NOW)


def test_who_activated_his_profile_can_only_close_it() -> None:
    assert FOLLOWS[PatientState.ACTIVE] == {PatientState.CLOSED}


@pytest.mark.parametrize("state", list(PatientState))
def test_somebody_new_may_stand_in_any_state(state: PatientState) -> None:
    assert granted(None, Wish(matricule=ANNE, state=state), NOW) == Patient(matricule=ANNE, state=state, since=NOW)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (None, AccountState.NOT_CREATED),
        (patient(PatientState.OPPOSED), AccountState.NOT_CREATED),
        (patient(PatientState.CLOSED), AccountState.CLOSED),
        (patient(PatientState.CREATED), None),
        (patient(PatientState.ACTIVE), None),
    ],
)
def test_a_letter_is_delivered_or_answered(known: Patient | None, told: AccountState | None) -> None:
    """NDR-2 for opposed and unknown alike, NDR-3 for closed; created or active gets it."""
    assert refusal(known) is told


@pytest.mark.parametrize("state", list(PatientState))
def test_only_an_active_patient_logs_in(state: PatientState) -> None:
    reply = may_log_in(patient(state))
    assert (reply is None) is (state is PatientState.ACTIVE)
    assert reply is None or (reply.code, reply.status) == (535, "5.7.8")


def test_every_ending_is_for_good() -> None:
    assert set(ENDINGS) == set(AccountState)
    assert all(reply.permanent for reply in ENDINGS.values())


def test_a_malformed_address_is_refused_or_taken_as_the_space_says() -> None:
    """NDR-8, NDR-4; and no exchange can be with it either way."""
    bad = Address.parse(f"{BAD_MATRICULES[0]}@patient.mssante.fr")
    good = Address.parse(f"{MATRICULES[0]}@patient.mssante.fr")
    robot = Address.parse("reponse.automatique-test@patient.mssante.fr")
    with pytest.raises(MalformedMatricule):
        PatientSpace().recipient(bad)
    space = PatientSpace(takes_any=True)
    assert space.recipient(bad) is space.recipient(good) is space.recipient(robot) is Party.PATIENT
    assert [space.is_nobodys(each) for each in (bad, good, robot, EMAIL)] == [True, False, False, False]
    assert (space.matricule(good), space.matricule(robot)) == (ANNE, None)
    with pytest.raises(MalformedMatricule):
        space.sender(bad)


def test_the_guide_shows_the_table() -> None:
    """docs/flow.md has it as the module prints it."""
    assert table() in (Path(__file__).parents[3] / "docs" / "flow.md").read_text("utf-8")
