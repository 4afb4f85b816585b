"""The registry of patients: what stands in it, which steps it takes, and that nothing of it rests in clear."""

from datetime import timedelta
from pathlib import Path

import pytest

from mssgw.core.addresses import Address
from mssgw.core.ins import Matricule
from mssgw.core.journal import THE_PATIENTS, Entry, JournalEvent
from mssgw.core.patients import IllegalWishes, PatientState, Tally, Wish
from mssgw.ports import Patients
from tests.canaries import MATRICULES, Kind, assert_no_leak, plant
from tests.contract.conftest import NEW_KEY, OpenPlace
from tests.contract.letters import Place

ANNE, BRUNO, CELIA = (Matricule.parse(each) for each in MATRICULES[:3])
EMAIL = Address.parse(f"{plant(Kind.NAME, 'anne.becfigue')}@fai.invalid")
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21l$RdescudvJCsgt3ub"


def registry(place: Place) -> Patients:
    assert place.patients is not None
    return place.patients


def line(place: Place, detail: str = "by hand") -> Entry:
    """The journal line of a change."""
    return Entry(
        at=place.clock.now(), event=JournalEvent.PATIENT, spool_id=THE_PATIENTS, operator="anne", detail=detail
    )


async def put(place: Place, *wishes: Wish) -> Tally:
    return await registry(place).put(wishes, line(place))


async def state(place: Place, who: Matricule) -> PatientState | None:
    found = await registry(place).find(who)
    return found.state if found is not None else None


async def test_a_registered_patient_is_found_as_he_was_put(place: Place) -> None:
    assert await put(place, Wish(matricule=ANNE, email=EMAIL)) == Tally(added=1)
    anne = await registry(place).find(ANNE)
    assert anne is not None
    assert (anne.matricule, anne.state, anne.email, anne.since, anne.has_password) == (
        ANNE,
        PatientState.CREATED,
        EMAIL,
        place.clock.now(),
        False,
    )
    assert anne.email is not None
    assert anne.email.text == EMAIL.text
    assert await registry(place).find(BRUNO) is None


async def test_a_change_of_state_has_its_time_and_a_change_of_address_none(place: Place) -> None:
    begun = place.clock.now()
    await put(place, Wish(matricule=ANNE))
    place.clock.pass_(hours=1)
    assert await put(place, Wish(matricule=ANNE, email=EMAIL)) == Tally(changed=1)
    anne = await registry(place).find(ANNE)
    assert anne is not None
    assert (anne.since, anne.email) == (begun, EMAIL)
    assert await put(place, Wish(matricule=ANNE, state=PatientState.ACTIVE, keeps_email=True)) == Tally(changed=1)
    anne = await registry(place).find(ANNE)
    assert anne is not None
    assert (anne.since, anne.email) == (begun + timedelta(hours=1), EMAIL)


async def test_an_address_can_be_taken_away(place: Place) -> None:
    await put(place, Wish(matricule=ANNE, email=EMAIL))
    await put(place, Wish(matricule=ANNE, email=None))
    anne = await registry(place).find(ANNE)
    assert anne is not None
    assert anne.email is None


async def test_many_are_put_in_one_commit_or_none_of_them(place: Place) -> None:
    """One patient cannot go on as asked: nobody is changed, and the positions say who."""
    await put(place, Wish(matricule=BRUNO, state=PatientState.ACTIVE))
    before = len(await place.desk.trace(spool_id=THE_PATIENTS, limit=100))
    wrong = Wish(matricule=BRUNO, state=PatientState.OPPOSED)
    with pytest.raises(IllegalWishes) as refused:
        await put(place, Wish(matricule=ANNE), wrong, Wish(matricule=CELIA))
    assert dict(refused.value.wrong) == {1: "opposed while active"}
    assert [await state(place, each) for each in (ANNE, BRUNO, CELIA)] == [None, PatientState.ACTIVE, None]
    assert len(await place.desk.trace(spool_id=THE_PATIENTS, limit=100)) == before


async def test_new_changed_and_unchanged_are_counted(place: Place) -> None:
    await put(place, Wish(matricule=ANNE), Wish(matricule=BRUNO, email=EMAIL))
    wishes = (Wish(matricule=ANNE), Wish(matricule=BRUNO, state=PatientState.ACTIVE), Wish(matricule=CELIA))
    assert await put(place, *wishes) == Tally(added=1, changed=1, same=1)


async def test_more_than_one_statement_can_hold_are_put(place: Place) -> None:
    """An import has thousands of lines."""
    wishes = [Wish(matricule=each, email=EMAIL) for each in some_matricules(1_300)]
    assert await put(place, *wishes) == Tally(added=1_300)
    assert await put(place, *wishes) == Tally(same=1_300)
    active = [Wish(matricule=each.matricule, state=PatientState.ACTIVE, email=EMAIL) for each in wishes]
    assert await put(place, *active) == Tally(changed=1_300)


def some_matricules(count: int) -> list[Matricule]:
    """Well-formed and nobody's: of the months that mean no month."""
    thirteens = [f"1797599{number:06d}" for number in range(count)]
    return [Matricule.parse(f"{each}{97 - int(each) % 97:02d}") for each in thirteens]


async def test_each_change_is_journalled_and_what_changes_nothing_is_not(place: Place) -> None:
    patients = registry(place)
    await patients.put([Wish(matricule=ANNE)], line(place, "state created"))
    await patients.put([Wish(matricule=ANNE)], line(place, "state created again"))
    await patients.set_password(ANNE, HASH, line(place, "password"))
    await patients.set_password(BRUNO, HASH, line(place, "password of nobody"))
    entries = await place.desk.trace(spool_id=THE_PATIENTS, limit=100)
    assert [(each.event, each.detail, each.operator) for each in entries] == [
        (JournalEvent.PATIENT, "state created", "anne"),
        (JournalEvent.PATIENT, "password", "anne"),
    ]


async def test_patients_are_listed_latest_change_first(place: Place) -> None:
    for wish in (Wish(matricule=ANNE), Wish(matricule=BRUNO), Wish(matricule=CELIA, state=PatientState.OPPOSED)):
        await put(place, wish)
        place.clock.pass_(minutes=1)
    await put(place, Wish(matricule=ANNE, state=PatientState.ACTIVE))
    patients = registry(place)
    assert [each.matricule for each in await patients.listed(limit=9)] == [ANNE, CELIA, BRUNO]
    assert [each.matricule for each in await patients.listed(limit=1)] == [ANNE]
    assert [each.matricule for each in await patients.listed(limit=9, state=PatientState.CREATED)] == [BRUNO]


async def test_a_password_is_kept_through_changes_of_the_patient(place: Place) -> None:
    patients = registry(place)
    assert not await patients.set_password(ANNE, HASH, line(place))
    assert await patients.credentials(ANNE) is None
    await put(place, Wish(matricule=ANNE))
    before = await patients.credentials(ANNE)
    assert before is not None
    assert before.password_hash is None
    assert await patients.set_password(ANNE, HASH, line(place))
    await put(place, Wish(matricule=ANNE, state=PatientState.ACTIVE))
    after = await patients.credentials(ANNE)
    assert after is not None
    assert (after.password_hash, after.patient.has_password) == (HASH, True)
    assert await put(place, Wish(matricule=ANNE, state=PatientState.ACTIVE)) == Tally(same=1)


async def test_nothing_of_a_patient_rests_in_clear(open_sqlite: OpenPlace, database: Path) -> None:
    """Neither matricule nor address nor the password's hash (SD-11 and the threats: INS at rest)."""
    plant(Kind.NAME, HASH)
    async with open_sqlite() as place:
        entry = line(place, "state created")
        await registry(place).put([Wish(matricule=ANNE, email=EMAIL)], entry)
        await registry(place).set_password(ANNE, HASH, entry)
        assert_no_leak(database.parent.iterdir())
    assert_no_leak(database.parent.iterdir())


async def test_the_registry_is_read_after_the_master_key_changed(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        await put(place, Wish(matricule=ANNE, email=EMAIL))
        await place.desk.rotate(NEW_KEY)
    async with open_sql(NEW_KEY) as place:
        anne = await registry(place).find(ANNE)
        assert anne is not None
        assert anne.email == EMAIL


async def test_a_daemon_sees_at_once_what_a_command_changed(open_sql: OpenPlace) -> None:
    async with open_sql() as daemon, open_sql() as command:
        await put(command, Wish(matricule=ANNE))
        assert await state(daemon, ANNE) is PatientState.CREATED
        await put(command, Wish(matricule=ANNE, state=PatientState.CLOSED))
        assert await state(daemon, ANNE) is PatientState.CLOSED


def test_a_matricule_shows_in_no_repr() -> None:
    """Nor does an address."""
    shown = repr((Wish(matricule=ANNE, email=EMAIL), IllegalWishes({0: "opposed while active"})))
    assert ANNE.value not in shown
    assert EMAIL.text not in shown
