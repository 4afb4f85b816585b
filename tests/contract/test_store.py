"""The contract of ports.Store, for every store."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Event, Pair
from mssgw.core.delivery import State
from mssgw.core.errors import Gone
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import AccountState
from mssgw.ports import Conflict, NoticeSeen, Question
from tests.contract.letters import (
    DOCTOR,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    SECRETARIAT,
    SUBJECT,
    Place,
    acceptance,
    deferral,
    letter,
    receipt,
    settlement,
)

WROTE, CLOSED = Event.PROFESSIONAL_WROTE, Event.PROFESSIONAL_CLOSED


async def test_what_was_accepted_is_loaded_as_it_was(place: Place) -> None:
    kept = await place.keep("A")
    stored = await place.store.load("A")
    assert stored.envelope == kept.facts.envelope
    assert stored.facts == kept.facts
    assert stored.verdict == kept.verdict
    assert stored.body == kept.body
    assert stored.accepted_at == kept.facts.taken_at


async def test_an_address_is_relayed_as_it_was_typed(place: Place) -> None:
    typed = Address.parse("177012a12345670@Patient.mssante.fr")
    await place.keep("A", recipients=(typed,))
    (delivery,) = await place.store.claim(now=place.clock.now(), lease=place.lease(), limit=1)
    assert delivery.forward_path.address.text == typed.text


async def test_an_unknown_message_is_gone(place: Place) -> None:
    with pytest.raises(Gone):
        await place.store.load("nothing")


async def test_a_letter_accepted_under_a_lease_is_nobody_elses(place: Place) -> None:
    lease = place.lease(minutes=10)
    await place.keep("A", lease=lease)
    assert not await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)
    assert await place.store.next_due() == lease.until
    claimed = await place.store.claim(now=place.clock.pass_(minutes=10), lease=place.lease("node.2"), limit=9)
    assert [delivery.spool_id for delivery in claimed] == ["A"]


async def test_claim_takes_the_oldest_due_and_no_more_than_asked(place: Place) -> None:
    for name in "CAB":
        await place.keep(name, recipients=(PATIENT, DOCTOR))
        place.clock.pass_(minutes=1)
    await place.keep("held", held=True)
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease(), limit=4)
    assert [delivery.spool_id for delivery in claimed] == ["C", "C", "A", "A"]
    assert {delivery.number for delivery in claimed} == {0, 1}
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)
    assert [delivery.spool_id for delivery in claimed] == ["B", "B"]


async def test_lapsed_leases_come_in_the_order_of_their_due_times(place: Place) -> None:
    await place.keep("old", lease=place.lease(minutes=1))
    place.clock.pass_(minutes=2)
    await place.keep("new")
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=1)
    assert [delivery.spool_id for delivery in claimed] == ["old"]


async def test_a_deferred_delivery_is_due_again_in_its_time(place: Place) -> None:
    kept = await place.keep("A", lease=(lease := place.lease()))
    tried = deferral(kept.deliveries[0], lease, minutes=5)
    assert list(await place.store.settle([tried])) == [True]
    assert await place.store.next_due() == tried.after.due_at
    assert not await place.store.claim(now=place.clock.pass_(minutes=4), lease=lease, limit=9)
    assert list(await place.store.claim(now=place.clock.pass_(minutes=1), lease=lease, limit=9)) == [tried.after]


async def test_settling_is_fenced_by_the_lease(place: Place) -> None:
    """Who lost his lease to another changes nothing, and does not undo what others settle at the same time."""
    late = await place.keep("A", lease=place.lease("node.1", minutes=1))
    fine = await place.keep("B", lease=place.lease("node.1", minutes=60))
    assert late.lease is not None
    assert fine.lease is not None
    new_lease = place.lease("node.2", minutes=60)
    (taken,) = await place.store.claim(now=place.clock.pass_(minutes=2), lease=new_lease, limit=9)
    results = await place.store.settle(
        [settlement(late.deliveries[0], late.lease), settlement(fine.deliveries[0], fine.lease)]
    )
    assert list(results) == [False, True]
    assert "delivered" not in await place.events("A")
    assert "delivered" in await place.events("B")
    assert list(await place.store.settle([settlement(taken, new_lease)])) == [True]
    assert list(await place.store.settle([settlement(taken, new_lease)])) == [False], "an outcome counts once"


async def test_a_lease_that_lapsed_but_passed_to_nobody_still_counts(place: Place) -> None:
    kept = await place.keep("A", lease=(lease := place.lease(minutes=1)))
    place.clock.pass_(minutes=5)
    assert list(await place.store.settle([settlement(kept.deliveries[0], lease)])) == [True]


async def test_a_node_gives_back_its_own_leases_and_nobody_elses(place: Place) -> None:
    for number, token in enumerate(("node.1", "node.2", "node2.1", "other.1", "node.example.1")):
        await place.keep(f"A{number}", lease=place.lease(token))
    assert not await place.store.claim(now=place.clock.now(), lease=place.lease("x.1"), limit=9)
    await place.store.free_node("node")
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("x.2"), limit=9)
    assert {delivery.spool_id for delivery in claimed} == {"A0", "A1"}


async def test_a_renewed_lease_keeps_others_away_until_it_lapses(place: Place) -> None:
    await place.keep("A", lease=place.lease("node.1", minutes=1))
    await place.keep("B", lease=place.lease("node.2", minutes=1))
    place.clock.pass_(seconds=50)
    await place.store.renew(["node.1", "node.unknown"], place.clock.now() + timedelta(minutes=1))
    now = place.clock.pass_(seconds=50)
    (taken,) = await place.store.claim(now=now, lease=place.lease("x.1"), limit=9)
    assert taken.spool_id == "B"
    now = place.clock.pass_(seconds=20)
    (taken,) = await place.store.claim(now=now, lease=place.lease("x.2"), limit=9)
    assert taken.spool_id == "A"
    await place.store.renew([], now)


async def test_renewing_revives_no_lease_that_passed_to_somebody_else(place: Place) -> None:
    kept = await place.keep("A", lease=(lost := place.lease("node.1", minutes=1)))
    now = place.clock.pass_(minutes=2)
    await place.store.claim(now=now, lease=place.lease("x.1"), limit=9)
    await place.store.renew(["node.1"], now + timedelta(minutes=9))
    assert list(await place.store.settle([settlement(kept.deliveries[0], lost)])) == [False]


async def test_a_message_set_aside_is_held_with_its_reason(place: Place) -> None:
    await place.keep("A", recipients=(PATIENT, DOCTOR), lease=place.lease())
    entry = Entry(at=place.clock.now(), event=JournalEvent.HELD, spool_id="A", detail="unreadable")
    await place.store.set_aside("A", entry)
    rows = await place.desk.queue(limit=9)
    assert [(row.delivery.state, row.held_because, row.leased) for row in rows] == [
        (State.HELD, "unreadable", False)
    ] * 2
    assert await place.store.next_due() is None
    assert (await place.events("A"))[-1] == "held"


async def test_strikes_count_up(place: Place) -> None:
    counts = [await place.store.strike(message_id, place.clock.now()) for message_id in ("<a>", "<a>", "<b>", "<a>")]
    assert counts == [1, 2, 1, 3]


# --- conversations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "absent"),
        ((WROTE,), "open"),
        ((CLOSED,), "closed"),
        ((WROTE, CLOSED), "closed"),
        ((WROTE, CLOSED, WROTE), "open"),
        ((WROTE, CLOSED, Event.PATIENT_OPENED), "open"),
        ((WROTE, Event.PATIENT_WROTE), "open"),
        ((Event.PATIENT_WROTE,), "absent"),
    ],
)
async def test_moves_follow_the_table(place: Place, events: tuple[Event, ...], state: str) -> None:
    for number, event in enumerate(events):
        await place.keep(f"A{number}", moves=(event,))
    assert await place.state() == state
    assert await place.state(Pair(PATIENT, SECRETARIAT)) == "absent", "another mailbox is another conversation"


async def test_a_conversation_knows_since_when_it_is_in_its_state(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    opened = place.clock.now()
    place.clock.pass_(days=1)
    await place.keep("B", moves=(WROTE,))
    assert (await place.known()).conversation.since == opened
    place.clock.pass_(days=1)
    await place.keep("C", moves=(CLOSED,))
    assert (await place.known()).conversation.since == place.clock.now()


async def test_pairs_are_answered_in_the_order_asked(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    other = Pair(OTHER_PATIENT, DOCTOR)
    answers = await place.store.know(Question(pairs=(other, PAIR, other)))
    assert [str(answer.conversation.state) for answer in answers] == ["absent", "open", "absent"]


async def test_a_mailbox_is_known_however_its_address_is_written(place: Place) -> None:
    await place.keep("A", moves=(WROTE,))
    assert await place.state(Pair(PATIENT, Address.parse("dr.lemoine@CHU-exemple.mssante.fr"))) == "open"


async def test_a_fin_closes_the_threads_of_its_pair(place: Place) -> None:
    """The letter with the FIN and all before it belong to closed threads; what comes later does not (SD-3)."""
    other = Pair(PATIENT, SECRETARIAT)
    await place.keep("A", letters=(letter("<1>"), letter("<1>", pair=other)))
    await place.keep("B", letters=(letter("<2>", closes=True),), moves=(CLOSED,))
    await place.keep("C", letters=(letter("<3>"),))

    async def closed(pair: Pair, *thread: str) -> bool:
        return bool((await place.known(pair, thread=thread)).in_closed_thread)

    assert await closed(PAIR, "<1>")
    assert await closed(PAIR, "<unknown>", "<2>")
    assert not await closed(PAIR, "<3>")
    assert not await closed(PAIR)
    assert not await closed(other, "<1>")


async def test_an_operators_close_closes_threads_too(place: Place) -> None:
    await place.keep("A", letters=(letter("<1>"),), moves=(WROTE,))
    await place.desk.set_state(
        [(PAIR, (await place.known()).conversation.state.CLOSED, place.clock.now())], operator="root", only_absent=False
    )
    assert (await place.known(thread=("<1>",))).in_closed_thread


# --- receipts and notices ----------------------------------------------------------------------------------------


async def test_a_receipt_is_due_once_to_whom_the_letter_named(place: Place) -> None:
    """By patient and letter, for every mailbox that Disposition-Notification-To named (SD-4, SD-13)."""
    await place.keep("A", letters=(letter("<1>", receipt_to=(SECRETARIAT.key, "x@y.example")),))
    assert (await place.known(Pair(PATIENT, SECRETARIAT), receipt_for="<1>")).receipt_due
    assert not (await place.known(PAIR, receipt_for="<1>")).receipt_due, "the letter did not name this mailbox"
    assert not (await place.known(Pair(OTHER_PATIENT, SECRETARIAT), receipt_for="<1>")).receipt_due
    assert not (await place.known(Pair(PATIENT, SECRETARIAT), receipt_for="<2>")).receipt_due
    await place.keep("R", receipt=receipt("<1>"))
    assert not (await place.known(Pair(PATIENT, SECRETARIAT), receipt_for="<1>")).receipt_due


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


# --- erasure and retention ---------------------------------------------------------------------------------------


async def test_a_message_is_erased_after_its_last_outcome_and_its_trace_stays(place: Place) -> None:
    kept = await place.keep("A", recipients=(PATIENT, DOCTOR), lease=(lease := place.lease()))
    await place.keep("B")
    await place.store.settle([settlement(kept.deliveries[0], lease)])
    assert list(await place.store.erase_finished(now=place.clock.now())) == []
    await place.store.settle([settlement(kept.deliveries[1], lease)])
    assert list(await place.store.erase_finished(now=place.clock.now())) == ["A"]
    with pytest.raises(Gone):
        await place.store.load("A")
    assert await place.events("A") == ["accepted", "delivered", "delivered", "erased"]
    assert list(await place.store.erase_finished(now=place.clock.now())) == []
    assert (await place.store.load("B")).spool_id == "B"


async def test_a_held_message_is_not_erased(place: Place) -> None:
    await place.keep("A", held=True)
    assert list(await place.store.erase_finished(now=place.clock.now())) == []


async def test_forget_deletes_old_traces_and_closed_pairs_but_never_open_ones(place: Place) -> None:  # req: TRC-2, SD-9
    other = Pair(OTHER_PATIENT, DOCTOR)
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),), moves=(CLOSED,))
    await place.keep("B", moves=(WROTE,), pair=other)
    before = place.clock.pass_(days=365)
    await place.keep("C", letters=(letter("<2>", receipt_to=(DOCTOR.key,)),))
    assert await place.store.forget(before=before) == 4  # two journal lines, a letter, a closed pair
    assert await place.state() == "absent"
    assert await place.state(other) == "open"
    assert await place.events("A") == []
    assert await place.events("C") == ["accepted"]
    assert not (await place.known(receipt_for="<1>")).receipt_due
    assert (await place.known(receipt_for="<2>")).receipt_due
    assert await place.store.forget(before=before) == 0


async def test_noted_lines_are_in_the_journal(place: Place) -> None:
    entry = Entry(at=place.clock.now(), event=JournalEvent.REFUSED, sender=DOCTOR, recipient=PATIENT, peer="10.0.0.9")
    await place.store.note([entry, replace(entry, at=entry.at + timedelta(seconds=1))])
    found = await place.desk.trace(address=PATIENT, limit=9)
    assert list(found) == [entry, replace(entry, at=entry.at + timedelta(seconds=1))]


async def test_a_poisoned_letter_fails_alone_among_many(place: Place) -> None:
    """Letters that share a commit do not share a failure."""
    await place.keep("A", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),))
    await place.keep("R0", receipt=receipt("<1>"))
    batch = [acceptance(f"G{number}", place.clock, moves=(WROTE,)) for number in range(20)]
    batch[7] = acceptance("bad", place.clock, receipt=receipt("<1>"))
    results = await asyncio.gather(*(place.store.accept(each) for each in batch), return_exceptions=True)
    assert [number for number, result in enumerate(results) if result is not None] == [7]
    assert isinstance(results[7], Conflict)
    for number in set(range(20)) - {7}:
        assert (await place.store.load(f"G{number}")).body == batch[number].body
        assert await place.events(f"G{number}") == ["accepted"]
    with pytest.raises(Gone):
        await place.store.load("bad")


async def test_letters_that_share_a_commit_keep_their_order(place: Place) -> None:
    """On one pair, in one commit: the last event decides, and a FIN closes what came before it only."""
    events = (WROTE, CLOSED, WROTE)
    batch = [
        acceptance(f"A{number}", place.clock, moves=(event,), letters=(letter(f"<{number}>"),))
        for number, event in enumerate(events)
    ]
    other = [acceptance(f"B{number}", place.clock, letters=(letter("<x>"),)) for number in range(5)]
    await asyncio.gather(*(place.store.accept(each) for each in (*other, *batch, acceptance("C", place.clock))))
    assert await place.state() == "open"
    closed = [(await place.known(thread=(f"<{number}>",))).in_closed_thread for number in range(3)]
    assert closed == [True, True, False]


async def test_an_alias_stands_for_one_address(place: Place) -> None:
    alias = place.store.alias(PATIENT)
    assert alias == place.store.alias(Address.parse(PATIENT.text.upper()))
    assert alias != place.store.alias(OTHER_PATIENT)
    assert PATIENT.local not in alias
    await place.keep("A")
    assert [entry.spool_id for entry in await place.desk.trace(alias=alias, limit=9)] == ["A"]
    assert not await place.desk.trace(alias="no alias", limit=9)
