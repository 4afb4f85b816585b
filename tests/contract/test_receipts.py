"""The contract of ports.Store, for every store: receipts and notices find their letters."""

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair
from mssgw.core.errors import Gone
from mssgw.core.journal import JournalEvent
from mssgw.core.message import AccountState
from mssgw.ports import Conflict, NoticeSeen
from tests.contract.letters import (
    DOCTOR,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    SECRETARIAT,
    SUBJECT,
    WROTE,
    Place,
    letter,
    receipt,
)


async def test_a_receipt_is_due_once_to_whom_the_letter_named(place: Place) -> None:
    """By patient and letter, for every mailbox that Disposition-Notification-To named (SD-4, SD-13)."""
    await place.keep("A", letters=(letter("<1>", receipt_to=(SECRETARIAT.key, "x@y.example")),))
    assert (await place.known(Pair(PATIENT, SECRETARIAT), receipt_for="<1>")).receipt_due
    assert not (await place.known(PAIR, receipt_for="<1>")).receipt_due, "the letter did not name this mailbox"
    assert not (await place.known(Pair(OTHER_PATIENT, SECRETARIAT), receipt_for="<1>")).receipt_due
    assert not (await place.known(Pair(PATIENT, SECRETARIAT), receipt_for="<2>")).receipt_due
    await place.keep("R", receipt=receipt("<1>"))
    assert not (await place.known(Pair(PATIENT, SECRETARIAT), receipt_for="<1>")).receipt_due


async def test_who_writes_under_anothers_message_id_uses_up_his_own_receipt_only(place: Place) -> None:
    """Whoever had a copy of a letter knows its Message-ID: the letter itself stays unread, and its receipt due."""
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),))
    await place.keep("B", letters=(letter("<1>", pair=Pair(PATIENT, SECRETARIAT), receipt_to=(SECRETARIAT.key,)),))
    await place.keep("R1", receipt=receipt("<1>", told=(SECRETARIAT,)))
    assert ((await place.events("A")).count("read"), (await place.events("B")).count("read")) == (0, 1)
    assert (await place.known(PAIR, receipt_for="<1>")).receipt_due
    with pytest.raises(Conflict):
        await place.keep("R2", receipt=receipt("<1>", told=(SECRETARIAT,)))
    await place.keep("R3", receipt=receipt("<1>", told=(DOCTOR,)))
    assert not (await place.known(PAIR, receipt_for="<1>")).receipt_due


async def test_a_receipt_shows_in_the_trace_of_the_letter_it_answers(place: Place) -> None:
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),))
    await place.keep("R", receipt=receipt("<1>"))
    line = (await place.desk.trace(spool_id="A", limit=9))[-1]
    assert (line.event, line.detail, line.recipient) == (JournalEvent.READ, "displayed", PATIENT)


async def test_a_second_receipt_is_a_conflict_and_nothing_of_it_stays(place: Place) -> None:
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),))
    await place.keep("R1", receipt=receipt("<1>"))
    with pytest.raises(Conflict):
        await place.keep("R2", receipt=receipt("<1>"), moves=(WROTE,), letters=(letter("<5>"),))
    with pytest.raises(Gone):
        await place.store.load("R2")
    assert await place.events("R2") == []
    assert await place.state() == "absent"
    assert (await place.events("A")).count("read") == 1


async def test_a_disposition_that_is_no_code_is_not_journalled(place: Place) -> None:
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),))
    await place.keep("R", receipt=receipt("<1>", "displayed to Mme Exemple"))
    assert (await place.desk.trace(spool_id="A", limit=9))[-1].detail == "other"


async def test_a_receipt_for_a_letter_that_was_forgotten_is_kept_without_link(place: Place) -> None:
    await place.keep("R", receipt=receipt("<forgotten>"))
    assert (await place.store.load("R")).spool_id == "R"


@pytest.mark.parametrize(
    ("thread", "subject", "patient", "linked"),
    [
        (("<1>",), "", PATIENT, "A"),
        (("<1>",), "", None, "A"),
        ((), f"MESSAGE NON DISTRIBUE: {SUBJECT}", PATIENT, "B"),
        ((), f"Message non distribué : « {SUBJECT} »", PATIENT, "B"),
        ((), f'MESSAGE NON DISTRIBUE: "{SUBJECT}"', PATIENT, "B"),
        ((), f"MESSAGE NON DISTRIBUE: {SUBJECT}", None, None),
        ((), f"MESSAGE NON DISTRIBUE: {SUBJECT}", OTHER_PATIENT, None),
        ((), "MESSAGE NON DISTRIBUE: ", PATIENT, None),
        (("<1>",), "", OTHER_PATIENT, None),
    ],
)
async def test_a_notice_finds_its_letter_by_thread_else_by_subject_and_patient(
    place: Place, thread: tuple[str, ...], subject: str, patient: Address | None, linked: str | None
) -> None:  # req: NDR-7
    await place.keep("A", letters=(letter("<1>"),))
    await place.keep("B", letters=(letter("<2>"),))
    await place.keep("C", letters=(letter("<3>", subject=""),))
    notice = NoticeSeen(account=AccountState.CLOSED, patient=patient, thread=thread, subject=subject)
    await place.keep("N", notice=notice)
    for spool_id in "ABC":
        details = [entry.detail for entry in await place.desk.trace(spool_id=spool_id, limit=9)]
        assert ("account-closed" in details) is (spool_id == linked)
    expected = AccountState.CLOSED if linked or patient == PATIENT else None
    assert (await place.known()).account is expected


async def test_the_latest_notice_says_how_the_account_is(place: Place) -> None:
    for number, account in enumerate((AccountState.NOT_CREATED, AccountState.CLOSED)):
        await place.keep(f"N{number}", notice=NoticeSeen(account=account, patient=PATIENT))
    assert (await place.known()).account is AccountState.CLOSED
    assert (await place.known(Pair(OTHER_PATIENT, DOCTOR))).account is None
