"""The contract of ports.Desk, for every store."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Event, Move, Pair, State
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import AccountState
from mssgw.edges.sql import desk_queue
from mssgw.ports import Conflict, ConversationRow, NoticeSeen, Question
from tests.contract.letters import (
    BUSY,
    DOCTOR,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    PDF,
    SECRETARIAT,
    Place,
    deferral,
    letter,
    receipt,
)

OTHER_PAIR = Pair(OTHER_PATIENT, DOCTOR)


async def test_the_queue_shows_what_is_not_final_oldest_due_first(place: Place) -> None:
    lease = place.lease()
    done = await place.keep("C", lease=lease)
    await place.keep("B", held=True)
    place.clock.pass_(minutes=1)
    await place.keep("A", sender=None, lease=lease)
    await place.deliver(done)
    rows = await place.desk.queue(limit=9)
    assert [(row.delivery.spool_id, row.leased, row.held_because) for row in rows] == [
        ("B", False, "a-rule"),
        ("A", True, ""),
    ]
    assert [(row.sender, row.size) for row in rows] == [(DOCTOR, len(PDF)), (None, len(PDF))]
    assert rows[0].delivery.forward_path.address == PATIENT
    place.clock.pass_(hours=1)
    assert not (await place.desk.queue(limit=9, spool_id="A"))[0].leased, "a lease that lapsed is none"


async def test_the_queue_is_cut_by_state_domain_id_and_limit(place: Place) -> None:
    lease = place.lease()
    await place.deliver(await place.keep("done", lease=lease))
    await place.keep("A", recipients=(PATIENT, DOCTOR))
    await place.keep("H", held=True)

    async def ids(limit: int = 9, **cut: str) -> list[str]:
        return [row.delivery.spool_id for row in await place.desk.queue(limit=limit, **cut)]

    assert await ids(state="delivered") == ["done"]
    assert await ids(state="held") == ["H"]
    assert await ids(domain=DOCTOR.domain) == ["A"]
    assert await ids(spool_id="A") == ["A", "A"]
    assert await ids(spool_id="unknown") == []
    assert len(await ids(limit=2)) == 2


async def test_retry_makes_waiting_deliveries_due_now(place: Place) -> None:
    lease = place.lease()
    for name in ("A", "B"):
        kept = await place.keep(name, lease=lease)
        await place.store.settle([deferral(kept.deliveries[0], lease, minutes=60)])
    await place.keep("being-sent", lease=lease)
    now = place.clock.pass_(minutes=1)
    assert await place.desk.retry(["A", "unknown"], operator="root", now=now) == 1
    assert await place.store.next_due() == now
    assert await place.desk.retry([], operator="root", now=now) == 1
    line = (await place.desk.trace(spool_id="A", limit=9))[-1]
    assert (line.event, line.operator, line.recipient) == (JournalEvent.DEFERRED, "root", PATIENT)


async def test_hold_stops_what_nobody_is_sending_and_release_lets_it_go(place: Place) -> None:
    accepted = place.clock.now()
    await place.keep("A")
    await place.keep("being-sent", lease=place.lease())
    now = place.clock.pass_(minutes=1)
    assert await place.desk.hold(["A", "being-sent"], operator="root", now=now) == 1
    (row,) = await place.desk.queue(limit=9, state="held")
    assert (row.delivery.spool_id, row.held_because) == ("A", "operator")
    assert not await place.store.claim(now=now, lease=place.lease("x.1"), limit=9)
    now = place.clock.pass_(minutes=1)
    assert await place.desk.release("A", operator="root", now=now, moves=()) == 1
    (claimed,) = await place.store.claim(now=now, lease=place.lease("x.1"), limit=9)
    assert (claimed.spool_id, claimed.state, claimed.due_at) == ("A", DeliveryState.QUEUED, now)
    assert claimed.created_at == now, "the time to deliver it begins with the release"
    (row,) = [each for each in await place.desk.queue(limit=9) if each.delivery.spool_id == "A"]
    assert row.since == accepted, "its age does not"
    assert await place.events("A") == ["accepted", "held", "released"]


async def test_hold_without_ids_holds_nothing(place: Place) -> None:
    await place.keep("A")
    assert await place.desk.hold([], operator="root", now=place.clock.now()) == 0


async def test_release_records_the_moves_that_waited(place: Place) -> None:  # req: SD-10
    await place.keep("A", held=True, letters=(letter("<1>"),))
    assert await place.state() == "absent"
    wrote = Move(PAIR, Event.PROFESSIONAL_WROTE)
    assert await place.desk.release("A", operator="root", now=place.clock.now(), moves=(wrote,)) == 1
    assert await place.state() == "open"
    closed = Move(PAIR, Event.PROFESSIONAL_CLOSED)
    assert await place.desk.release("A", operator="root", now=place.clock.now(), moves=(closed,)) == 0
    assert await place.state() == "open", "what is not held releases nothing"


async def test_release_does_not_let_go_what_a_fin_forbids_by_now(place: Place) -> None:  # req: SD-10, FIN-7
    """It was committed while a person, or a validator, judged the letter."""
    answered = (Move(PAIR, Event.PATIENT_WROTE),)
    await place.keep("A", held=True)
    await place.keep("B", held=True)
    await place.keep("opens", moves=(Event.PROFESSIONAL_WROTE,))
    assert await place.desk.release("A", operator="root", now=place.clock.now(), moves=answered) == 1
    await place.keep("closes", moves=(Event.PROFESSIONAL_CLOSED,))
    with pytest.raises(Conflict):
        await place.desk.release("B", operator="root", now=place.clock.now(), moves=answered)
    assert [row.delivery.spool_id for row in await place.desk.queue(limit=9, state="held")] == ["B"]
    assert await place.events("B") == ["accepted"]


async def test_release_counts_the_receipt_that_waited_once(place: Place) -> None:  # req: SD-10, SD-4
    await place.keep("L", letters=(letter("<1>", receipt_to=(DOCTOR.key,)),))
    for held in ("A", "B"):
        await place.keep(held, held=True)
    now = place.clock.pass_(minutes=1)
    assert await place.events("L") == ["accepted"]
    seen = receipt("<1>", "displayed")
    assert await place.desk.release("A", operator="root", now=now, moves=(), receipt=seen) == 1
    assert await place.events("L") == ["accepted", "read"]
    assert not (await place.known(receipt_for="<1>")).receipt_due
    with pytest.raises(Conflict):
        await place.desk.release("B", operator="root", now=now, moves=(), receipt=seen)
    assert await place.events("B") == ["accepted"], "nothing of a release that conflicts is kept"
    assert [row.delivery.spool_id for row in await place.desk.queue(limit=9, state="held")] == ["B"]
    assert await place.desk.release("A", operator="root", now=now, moves=(), receipt=seen) == 0, "it is not held"
    assert await place.events("L") == ["accepted", "read"]


async def test_release_heeds_the_notice_that_waited(place: Place) -> None:  # req: SD-10, NDR-7
    await place.keep("L", letters=(letter("<1>"),))
    await place.keep("A", held=True)
    assert (await place.known()).account is None
    seen = NoticeSeen(account=AccountState.CLOSED, patient=PATIENT, thread=("<1>",))
    assert await place.desk.release("A", operator="root", now=place.clock.now(), moves=(), notice=seen) == 1
    assert (await place.known()).account is AccountState.CLOSED
    line = (await place.desk.trace(spool_id="L", limit=9))[-1]
    assert (line.event, line.detail) == (JournalEvent.ACCOUNT, "account-closed")


async def test_bounce_ends_held_and_waiting_deliveries_but_not_one_being_sent(place: Place) -> None:
    await place.keep("A", recipients=(PATIENT, DOCTOR))
    await place.keep("H", held=True)
    await place.keep("S", lease=place.lease())
    now = place.clock.now()
    counts = [await place.desk.bounce(name, operator="root", now=now, reply=BUSY) for name in ("A", "H", "S", "A")]
    assert counts == [2, 1, 0, 0]
    (row, _) = await place.desk.queue(limit=9, state="bounced", spool_id="A")
    assert row.delivery.last_reply == BUSY
    assert sorted(await place.store.erase_finished(now=now)) == ["A", "H"]
    line = (await place.desk.trace(spool_id="H", limit=9))[-2]
    assert (line.event, line.operator, line.reply, line.recipient) == (JournalEvent.BOUNCED, "root", BUSY, PATIENT)


# --- conversations -----------------------------------------------------------------------------------------------


async def test_a_queue_that_lost_nothing_needs_no_mending(place: Place) -> None:
    await place.keep("A", recipients=(PATIENT, DOCTOR))
    await place.keep("B", held=True)
    before = await place.desk.queue(limit=9)
    assert await place.desk.mend(operator="anne", now=place.clock.now()) == 0
    assert await place.desk.queue(limit=9) == before


async def test_conversations_are_listed_latest_change_first(place: Place) -> None:
    await place.keep("A", moves=(Event.PROFESSIONAL_WROTE,))
    first = place.clock.now()
    second = place.clock.pass_(minutes=1)
    await place.keep("B", moves=(Event.PROFESSIONAL_CLOSED,), pair=OTHER_PAIR)
    third = place.clock.pass_(minutes=1)
    await place.desk.set_block(PATIENT, SECRETARIAT, blocked=True, operator="root", now=third)

    def row(patient: Address, bal: Address | None, state: State, since: datetime, blocked: bool) -> ConversationRow:
        return ConversationRow(patient=patient, bal=bal, state=state, since=since, blocked=blocked)

    opposed = row(PATIENT, SECRETARIAT, State.ABSENT, third, True)
    closed = row(OTHER_PATIENT, DOCTOR, State.CLOSED, second, False)
    opened = row(PATIENT, DOCTOR, State.OPEN, first, False)
    assert list(await place.desk.conversations(limit=9)) == [opposed, closed, opened]
    assert list(await place.desk.conversations(limit=1)) == [opposed]
    assert list(await place.desk.conversations(limit=9, patient=PATIENT)) == [opposed, opened]
    assert list(await place.desk.conversations(limit=9, bal=DOCTOR)) == [closed, opened]
    assert list(await place.desk.conversations(limit=9, state=State.OPEN)) == [opened]
    assert list(await place.desk.conversations(limit=9, state=State.ABSENT)) == [opposed]


async def test_an_opposition_to_all_marks_every_pair_of_the_patient(place: Place) -> None:  # req: SD-12
    await place.keep("A", moves=(Event.PROFESSIONAL_WROTE,))
    now = place.clock.pass_(minutes=1)
    await place.desk.set_block(PATIENT, None, blocked=True, operator="root", now=now)
    rows = await place.desk.conversations(limit=9, patient=PATIENT)
    assert [(row.bal, row.state, row.blocked) for row in rows] == [
        (None, State.ABSENT, True),
        (DOCTOR, State.OPEN, True),
    ]


async def test_an_address_is_listed_as_it_was_written(place: Place) -> None:
    await place.keep("A", moves=(Event.PROFESSIONAL_WROTE,))
    (row,) = await place.desk.conversations(limit=9)
    assert row.bal is not None
    assert (row.patient.text, row.bal.text) == (PATIENT.text, DOCTOR.text)


async def test_an_operator_sets_states(place: Place) -> None:
    since = place.clock.now() - timedelta(days=30)

    async def put(pair: Pair, state: State, *, only_absent: bool = False) -> int:
        return await place.desk.set_state([(pair, state, since)], operator="root", only_absent=only_absent)

    assert await put(PAIR, State.OPEN) == 1
    assert await put(PAIR, State.OPEN) == 0
    assert (await place.known()).conversation.since == since
    assert await put(PAIR, State.CLOSED, only_absent=True) == 0
    assert await place.state() == "open"
    assert await put(OTHER_PAIR, State.CLOSED, only_absent=True) == 1
    assert await put(PAIR, State.CLOSED) == 1
    assert await put(PAIR, State.ABSENT) == 1
    assert (await place.known()).conversation.since is None
    assert await put(PAIR, State.ABSENT) == 0
    lines = await place.desk.trace(address=PATIENT, limit=9)
    assert [(line.event.value, line.detail, line.operator) for line in lines] == [
        ("conversation", state, "root") for state in ("open", "closed", "absent")
    ]


async def test_an_import_of_many_pairs_counts_those_that_changed(place: Place) -> None:
    pairs = [
        (Pair(PATIENT, Address.parse(f"bal{number}@chu.example")), State.OPEN, place.clock.now())
        for number in range(1100)
    ]
    assert await place.desk.set_state(pairs[:10], operator="root", only_absent=True) == 10
    assert await place.desk.set_state(pairs, operator="root", only_absent=True) == 1090
    answers = await place.store.know(Question(pairs=tuple(pair for pair, _, _ in pairs)))
    assert {str(answer.conversation.state) for answer in answers} == {"open"}


@pytest.mark.parametrize("bal", [None, DOCTOR])
async def test_a_block_is_set_and_lifted_once(place: Place, bal: Address | None) -> None:  # req: SD-12
    now = place.clock.now()
    for blocked in (True, False):
        assert await place.desk.set_block(PATIENT, bal, blocked=blocked, operator="root", now=now)
        assert not await place.desk.set_block(PATIENT, bal, blocked=blocked, operator="root", now=now)
        assert (await place.known()).conversation.blocked is blocked
        assert (await place.known(Pair(PATIENT, SECRETARIAT))).conversation.blocked is (blocked and bal is None)
        assert not (await place.known(OTHER_PAIR)).conversation.blocked
    lines = await place.desk.trace(address=PATIENT, limit=9)
    assert [line.detail for line in lines] == ["blocked", "unblocked"]


# --- the journal -------------------------------------------------------------------------------------------------


async def test_a_trace_gives_journal_lines_back_as_they_were(place: Place) -> None:
    kept = await place.keep("A")
    await place.keep("B", sender=SECRETARIAT, recipients=(OTHER_PATIENT,))
    for asked in ({"spool_id": "A"}, {"address": DOCTOR}, {"address": Address.parse(PATIENT.text.upper())}):
        assert list(await place.desk.trace(limit=9, **asked)) == list(kept.entries)
    assert [entry.spool_id for entry in await place.desk.trace(message_id="<1@chu>", limit=9)] == ["A", "B"]
    assert not await place.desk.trace(message_id="<2@chu>", limit=9)


async def test_a_long_trace_shows_its_latest_lines_oldest_first(place: Place) -> None:
    for number in range(5):
        await place.keep(f"A{number}")
    assert [entry.spool_id for entry in await place.desk.trace(address=PATIENT, limit=2)] == ["A3", "A4"]


async def test_the_queue_is_one_list_whoever_holds_what_of_it(place: Place) -> None:
    """Waiting, leased and held deliveries are looked up apart, and shown together by due time."""
    for name, given in (
        ("A", {"held": True}),
        ("B", {}),
        ("C", {"lease": place.lease()}),
        ("D", {}),
        ("E", {"held": True}),
    ):
        await place.keep(name, **given)
        place.clock.pass_(seconds=1)
    shown = [row.delivery.spool_id for row in await place.desk.queue(limit=9)]
    assert shown == ["A", "B", "C", "D", "E"]
    assert [row.delivery.spool_id for row in await place.desk.queue(limit=3)] == ["A", "B", "C"]
    assert [row.delivery.spool_id for row in await place.desk.queue(limit=9, state="held")] == ["A", "E"]
    assert await place.desk.queue(limit=9, spool_id="A", state="queued") == []


async def test_retry_of_everything_reaches_every_letter(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes in parts: here of two letters each."""
    monkeypatch.setattr(desk_queue, "_AT_ONCE", 2)
    lease = place.lease()
    for name in "ABCDE":
        (delivery,) = (await place.keep(name, lease=lease)).deliveries
        assert all(await place.store.settle([deferral(delivery, lease, minutes=30)]))
    assert await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9) == []
    assert await place.desk.retry([], operator="anne", now=place.clock.now()) == 5
    assert len(await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)) == 5


async def test_traffic_says_which_domains_exchange_mail_and_no_more(place: Place) -> None:
    """Summed by domain, event and client, from a moment on; nobody's address is in it."""
    await place.keep("OLD")
    place.clock.pass_(days=2)
    since = place.clock.now()
    await place.keep("A")
    place.clock.pass_(hours=1)
    await place.keep("B", recipients=(OTHER_PATIENT,), sender=SECRETARIAT)
    await place.keep("C", recipients=(DOCTOR,), sender=None)
    line = Entry(at=place.clock.now(), event=JournalEvent.DELIVERED, sender=DOCTOR, recipient=PATIENT, next_hop="mx")
    await place.store.note([line, replace(line, event=JournalEvent.REFUSED)])
    found = {(each.event, each.sender, each.recipient): each for each in await place.desk.traffic(since=since)}
    here, there = DOCTOR.domain, PATIENT.domain
    assert {key: each.lines for key, each in found.items()} == {
        (JournalEvent.ACCEPTED, here, there): 2,
        (JournalEvent.ACCEPTED, "", here): 1,
        (JournalEvent.DELIVERED, here, there): 1,
    }
    accepted, delivered = found[JournalEvent.ACCEPTED, here, there], found[JournalEvent.DELIVERED, here, there]
    assert (accepted.client, accepted.last, accepted.next_hop) == ("chu", place.clock.now(), "mx.example")
    assert (delivered.client, delivered.next_hop) == ("", "mx")
    assert "@" not in str(found)
