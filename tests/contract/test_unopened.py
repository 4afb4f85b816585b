"""The contract of ports.UnopenedLetters, for every store: which letters patients have not opened."""

import contextlib
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.patients import PatientState, Wish
from mssgw.core.unopened import Unopened
from tests.contract.conftest import OpenPlace
from tests.contract.letters import Place, settlement

PATIENT = Matricule.parse("279035121518989")
CORSICAN = Matricule.parse("177012A12345670")


async def deliver(
    place: Place,
    name: str,
    patient: Matricule = PATIENT,
    *,
    token: str = "node.1",
    where: tuple[int, int] | None = (4_294_967_295, 7),
) -> Unopened:
    """A letter that asks for a receipt, delivered."""
    kept = await place.keep(name, lease=place.lease())
    given = settlement(kept.deliveries[0], place.lease(token))
    letter = Unopened(spool_id=name, number=0, patient=patient, delivered_at=place.clock.now(), place=where)
    await place.store.settle([replace(given, unopened=letter)])
    return letter


async def register(place: Place, state: PatientState, patient: Matricule = PATIENT) -> None:
    assert place.patients is not None
    entry = Entry(at=place.clock.now(), event=JournalEvent.PATIENT)
    await place.patients.put([Wish(matricule=patient, state=state)], entry)


def memory(place: Place) -> Any:
    return place.store


async def unopened(place: Place, **asked: Any) -> list[Unopened]:
    return sorted(await memory(place).unopened(**asked), key=lambda each: each.spool_id)


async def test_a_delivered_letter_waits_to_be_opened(place: Place) -> None:
    await register(place, PatientState.ACTIVE)
    letter = await deliver(place, "A")
    assert await unopened(place) == [letter]
    assert letter.letter_id == "A.0"


async def test_the_store_of_a_mailbox_need_not_tell_where_it_put_it(place: Place) -> None:
    await register(place, PatientState.ACTIVE)
    letter = await deliver(place, "A", where=None)
    assert await unopened(place) == [letter]


async def test_a_delivery_that_does_not_count_leaves_nothing(place: Place) -> None:
    """Its lease had passed to somebody else, who delivers the letter and remembers it."""
    await register(place, PatientState.ACTIVE)
    await deliver(place, "A", token="another.1")
    assert await unopened(place) == []


async def test_only_of_active_patients(place: Place) -> None:
    """Nobody reads a mailbox that was not activated, or is closed (WHO-5); what waits there comes with activation."""
    await register(place, PatientState.CREATED)
    letter = await deliver(place, "A")
    await deliver(place, "B", CORSICAN)  # registered nowhere
    assert await unopened(place) == []
    place.clock.pass_(seconds=600)
    await register(place, PatientState.ACTIVE)
    assert await unopened(place) == [letter]
    await register(place, PatientState.CLOSED)
    assert await unopened(place) == []


async def test_what_is_new_since(place: Place) -> None:
    """Deliveries, and patients who activated: theirs may be old."""
    await register(place, PatientState.ACTIVE)
    await register(place, PatientState.CREATED, CORSICAN)
    await deliver(place, "A")
    old = await deliver(place, "B", CORSICAN)
    place.clock.pass_(seconds=600)
    since = place.clock.now() - timedelta(minutes=1)
    assert await unopened(place, since=since) == []
    await register(place, PatientState.ACTIVE, CORSICAN)
    new = await deliver(place, "C")
    assert await unopened(place, since=since) == [old, new]
    assert len(await unopened(place)) == 3


async def test_what_was_opened_is_waited_for_no_more(place: Place) -> None:
    await register(place, PatientState.ACTIVE)
    one, two = await deliver(place, "A"), await deliver(place, "B")
    for _ in range(2):
        await memory(place).opened(one)
    assert await unopened(place) == [two]


async def test_what_is_never_opened_is_forgotten_with_the_trace(place: Place) -> None:
    await register(place, PatientState.ACTIVE)
    await deliver(place, "A")
    place.clock.pass_(seconds=600)
    letter = await deliver(place, "B")
    await place.store.forget(before=place.clock.now() - timedelta(minutes=1))
    assert await unopened(place) == [letter]


async def test_it_outlives_the_process(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        await register(place, PatientState.ACTIVE)
        letter = await deliver(place, "A")
    async with open_sql() as place:
        assert await unopened(place) == [letter]


async def test_a_damaged_patient_keeps_no_other_letter_from_being_waited_for(
    open_sqlite: OpenPlace, database: Path
) -> None:
    """Else one row of the registry would end the receipts of all patients."""
    async with open_sqlite() as place:
        for patient in (PATIENT, CORSICAN):
            await register(place, PatientState.ACTIVE, patient)
        first, second = [await deliver(place, name, patient) for name, patient in (("A", PATIENT), ("B", CORSICAN))]
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(
                "UPDATE patients SET sealed_matricule = x'00' WHERE patient = (SELECT min(patient) FROM patients)"
            )
        assert await unopened(place) in ([first], [second])
