"""Accepted, delivered, read: what a journal tells of each recipient's letter."""

from datetime import timedelta
from typing import Any

import pytest

from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.passage import Passage, passages
from tests.unit.core.facts_of import DOCTOR, NOW, OTHER_PATIENT, PATIENT


def line(event: JournalEvent, minutes: int, *, of: str = "A", to: Any = PATIENT, **more: Any) -> Entry:
    return Entry(at=NOW + timedelta(minutes=minutes), event=event, spool_id=of, recipient=to, **more)


ACCEPTED = line(JournalEvent.ACCEPTED, 0, sender=DOCTOR)
DELIVERED = line(JournalEvent.DELIVERED, 1)


def at(minutes: int) -> Any:
    return NOW + timedelta(minutes=minutes)


def test_a_letter_that_was_read_has_all_three_times() -> None:
    (found,) = passages([ACCEPTED, line(JournalEvent.DEFERRED, 1), line(JournalEvent.DELIVERED, 2), _read("displayed")])
    assert found == Passage(
        spool_id="A",
        recipient=PATIENT,
        accepted=NOW,
        delivered=at(2),
        read=at(9),
        receipt="displayed",
        receipt_at=at(9),
    )


def _read(disposition: str, minutes: int = 9) -> Entry:
    return line(JournalEvent.READ, minutes, detail=disposition)


@pytest.mark.parametrize("disposition", ["processed", "processed/error", "deleted", "other"])
def test_a_receipt_that_no_reader_sent_is_shown_as_what_it_says(disposition: str) -> None:  # req: MDN-6
    (found,) = passages([ACCEPTED, DELIVERED, _read(disposition)])
    assert (found.read, found.receipt, found.receipt_at) == (None, disposition, at(9))


def test_displayed_with_a_modifier_is_read() -> None:
    (found,) = passages([ACCEPTED, DELIVERED, _read("displayed/error")])
    assert found.read == at(9)


def test_a_letter_sent_twice_was_delivered_the_first_time_and_read_the_first_time() -> None:
    (found,) = passages(
        [ACCEPTED, DELIVERED, line(JournalEvent.DELIVERED, 3), _read("displayed"), _read("displayed", 12)]
    )
    assert (found.delivered, found.read) == (at(1), at(9))


def test_what_bounced_is_not_delivered() -> None:
    (found,) = passages([ACCEPTED, line(JournalEvent.BOUNCED, 4)])
    assert (found.delivered, found.bounced) == (None, at(4))


def test_what_an_operator_ended_of_a_letter_that_cannot_be_read_waits_no_longer() -> None:
    """Its line names no recipient; what was delivered before stays delivered, and other letters wait on."""
    found = passages(
        [
            ACCEPTED,
            line(JournalEvent.ACCEPTED, 0, to=OTHER_PATIENT),
            line(JournalEvent.ACCEPTED, 0, of="B"),
            DELIVERED,
            line(JournalEvent.BOUNCED, 7, to=None),
        ]
    )
    assert [(each.delivered, each.bounced) for each in found] == [(at(1), None), (None, at(7)), (None, None)]


def test_one_that_was_held_counts_from_when_it_came() -> None:
    (found,) = passages([line(JournalEvent.HELD, 0), line(JournalEvent.RELEASED, 5), line(JournalEvent.DELIVERED, 6)])
    assert (found.accepted, found.delivered) == (NOW, at(6))


def test_each_recipient_of_each_letter_has_its_own() -> None:
    found = passages(
        [
            ACCEPTED,
            line(JournalEvent.ACCEPTED, 0, to=OTHER_PATIENT),
            line(JournalEvent.ACCEPTED, 1, of="B"),
            line(JournalEvent.DELIVERED, 2, to=OTHER_PATIENT),
        ]
    )
    assert [(each.spool_id, each.recipient, each.delivered) for each in found] == [
        ("A", PATIENT, None),
        ("A", OTHER_PATIENT, at(2)),
        ("B", PATIENT, None),
    ]


def test_refusals_and_what_is_about_no_letter_have_none() -> None:
    about_a_pair = Entry(at=NOW, event=JournalEvent.CONVERSATION, recipient=PATIENT)
    assert (
        passages([about_a_pair, line(JournalEvent.REFUSED, 0), DELIVERED, line(JournalEvent.ERASED, 9, to=None)]) == ()
    )
