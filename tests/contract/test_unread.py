"""The contract of ports.Desk, for every store: letters that asked for a read receipt and have none (MDN-2)."""

from dataclasses import replace
from datetime import timedelta

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import AccountState
from mssgw.ports import NoticeSeen, UnreadCount, UnreadRow
from tests.contract.letters import (
    DOCTOR,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    SECRETARIAT,
    Place,
    letter,
    receipt,
)

WEEK = timedelta(days=7)
STRANGER = Address.parse("jamais.vu@chu-exemple.mssante.fr")


async def sent(place: Place, name: str, *, to: Address = PATIENT, by: Address = DOCTOR, **asked: object) -> None:
    """A letter that asks for a receipt, to its sender unless ``asked`` says otherwise."""
    given = {"receipt_to": (by.key,), **asked}
    pair = Pair(to, by)
    await place.keep(name, recipients=(to,), sender=by, pair=pair, letters=(letter(f"<{name}>", pair=pair, **given),))


async def unread(place: Place, **asked: object) -> list[UnreadRow]:
    return list(await place.desk.unread(**{"before": place.clock.now() - WEEK, "limit": 100, **asked}))  # type: ignore[arg-type]


async def names(place: Place, **asked: object) -> list[str]:
    return [row.spool_id for row in await unread(place, **asked)]


async def test_a_letter_is_listed_when_it_asked_is_old_enough_and_has_no_receipt(place: Place) -> None:
    await sent(place, "A")
    await sent(place, "B", receipt_to=())
    place.clock.pass_(days=7)
    assert await names(place) == [], "a moment too early"
    place.clock.pass_(seconds=1)
    await sent(place, "C")
    (row,) = await unread(place)
    assert (row.spool_id, row.sender, row.patient, row.receipt_to) == ("A", DOCTOR, PATIENT, (DOCTOR,))
    assert (row.sent_at, row.delivered_at) == (place.clock.now() - timedelta(days=7, seconds=1), None)
    await place.keep("R", receipt=receipt("<A>"))
    assert await names(place) == [], "it was read"


async def test_the_latest_come_first_and_no_more_than_asked(place: Place) -> None:
    for name in "ABCD":
        await sent(place, name)
        place.clock.pass_(hours=1)
    place.clock.pass_(days=8)
    assert await names(place) == ["D", "C", "B", "A"]
    assert await names(place, limit=2) == ["D", "C"]


async def test_a_letter_is_told_once_a_patient_although_two_pairs_remember_it(place: Place) -> None:
    """Its own, and that of its Reply-To (SD-8)."""
    both = tuple(letter("<A>", pair=Pair(PATIENT, bal), receipt_to=(DOCTOR.key,)) for bal in (DOCTOR, SECRETARIAT))
    await place.keep("A", letters=both)
    place.clock.pass_(days=8)
    assert await names(place) == ["A"]
    before = place.clock.now() - WEEK
    assert (await place.desk.count_unread(before=before, fresh_since=before)).total == 1


async def test_by_sender_and_by_domain(place: Place) -> None:
    far = Address.parse("labo@autre-exemple.mssante.fr")
    await sent(place, "A")
    await sent(place, "B", by=far)
    await sent(place, "C", by=SECRETARIAT, to=OTHER_PATIENT)
    place.clock.pass_(days=8)
    assert await names(place, sender=DOCTOR) == ["A"]
    assert await names(place, domain="chu-exemple.mssante.fr") == ["C", "A"]
    assert await names(place, domain="autre-exemple.mssante.fr", limit=1) == ["B"]
    assert await names(place, sender=far, domain="chu-exemple.mssante.fr") == []
    assert await names(place, domain="exemple.mssante.fr") == []


async def test_it_says_when_the_letter_was_delivered_and_what_a_notice_said(place: Place) -> None:
    lease = place.lease()
    kept = await place.keep("A", lease=lease, letters=(letter("<A>", receipt_to=(DOCTOR.key,)),))
    delivered = place.clock.pass_(minutes=1)
    line = Entry(at=delivered, event=JournalEvent.DELIVERED, spool_id="A", recipient=PATIENT)
    await place.store.note([line])
    place.clock.pass_(days=8)
    await place.keep("N", notice=NoticeSeen(account=AccountState.CLOSED, patient=PATIENT, thread=("<A>",)))
    (row,) = await unread(place)
    assert (row.delivered_at, row.account) == (delivered, AccountState.CLOSED.value)
    assert kept.facts.sender == row.sender


async def test_what_bounced_is_not_listed_for_its_sender_was_told(place: Place) -> None:
    await sent(place, "A")
    await sent(place, "B")
    await place.store.note([Entry(at=place.clock.now(), event=JournalEvent.BOUNCED, spool_id="A", recipient=PATIENT)])
    place.clock.pass_(days=8)
    assert await names(place) == ["B"]
    before = place.clock.now() - WEEK
    assert (await place.desk.count_unread(before=before, fresh_since=before)).total == 1


async def test_a_receipt_may_be_asked_to_somebody_else(place: Place) -> None:
    """He is named when the journal knows him; else by the alias that ``trace`` takes (SD-13)."""
    await sent(place, "A", receipt_to=(SECRETARIAT.key, STRANGER.key))
    await sent(place, "B", by=SECRETARIAT, to=OTHER_PATIENT)
    place.clock.pass_(days=8)
    row = (await unread(place))[-1]
    assert row.receipt_to == (SECRETARIAT, place.store.alias(STRANGER))


async def test_they_are_counted_and_those_apart_that_came_of_age_since_yesterday(place: Place) -> None:
    await sent(place, "A")
    place.clock.pass_(days=3)
    await sent(place, "B")
    await sent(place, "C", to=OTHER_PATIENT)
    place.clock.pass_(days=7, hours=12)

    async def count() -> UnreadCount:
        before = place.clock.now() - WEEK
        return await place.desk.count_unread(before=before, fresh_since=before - timedelta(days=1))

    assert await count() == UnreadCount(total=3, fresh=2)
    place.clock.pass_(days=1)
    assert await count() == UnreadCount(total=3, fresh=0)
    await place.keep("R", receipt=replace(receipt("<C>"), patient=OTHER_PATIENT))
    assert await count() == UnreadCount(total=2, fresh=0)


async def test_more_than_one_page_of_one_moment_is_told_whole(place: Place) -> None:
    """A thousand letters of one robot, kept in one and the same moment."""
    patients = [Address.parse(f"invente.{number}@patient.mssante.fr") for number in range(1_050)]
    letters = tuple(letter("<A>", pair=Pair(patient, DOCTOR), receipt_to=(DOCTOR.key,)) for patient in patients)
    await place.keep("A", letters=letters)
    await place.store.note(
        [
            Entry(at=place.clock.now(), event=JournalEvent.ACCEPTED, spool_id="A", sender=DOCTOR, recipient=patient)
            for patient in patients
        ]
    )
    place.clock.pass_(days=8)
    found = await unread(place, limit=10_000)
    assert {row.patient for row in found} == set(patients)
    assert len(found) == len(patients)
    assert PAIR.patient not in patients
