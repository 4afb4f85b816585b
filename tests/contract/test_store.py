"""The contract of ports.Store, for every store: what one commit keeps."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.errors import Gone
from mssgw.core.journal import Entry, JournalEvent
from mssgw.ports import Conflict
from tests.contract.letters import (
    CLOSED,
    DOCTOR,
    OTHER_PATIENT,
    PATIENT,
    WROTE,
    Place,
    acceptance,
    letter,
    receipt,
)


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


async def test_strikes_count_up(place: Place) -> None:
    counts = [await place.store.strike(message_id, place.clock.now()) for message_id in ("<a>", "<a>", "<b>", "<a>")]
    assert counts == [1, 2, 1, 3]


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
