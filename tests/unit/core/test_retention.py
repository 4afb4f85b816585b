"""When what was announced may be deleted (TRC-3)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.retention import LAPSES, Announced, Retained

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 21, 19, 4, tzinfo=UTC)
BAL = Address.parse("radiologie@chu-exemple.mssante.fr")
TERM = Retained(mailbox=BAL, folders=("INBOX",), after=90 * DAY, notice=14 * DAY)
DUE = NOW + TERM.notice
ANNOUNCED = Announced(
    mailbox=BAL,
    folder="INBOX",
    uid_validity=7,
    uids=frozenset({1, 12}),
    before=TERM.arrived_before(DUE),
    due_at=DUE,
)


@pytest.mark.parametrize(("at", "due"), [(NOW, False), (DUE - DAY / 2, False), (DUE, True), (DUE + DAY, True)])
def test_nothing_is_due_before_its_day(at: datetime, due: bool) -> None:
    assert ANNOUNCED.is_due(at) is due


def test_by_then_every_letter_is_as_old_as_configured() -> None:
    youngest = ANNOUNCED.before - timedelta(microseconds=1)
    assert ANNOUNCED.covers(12, youngest)
    assert DUE - youngest > TERM.after


@pytest.mark.parametrize(
    ("uid", "received_at"),
    [(13, ANNOUNCED.before - DAY), (5, ANNOUNCED.before - DAY), (12, ANNOUNCED.before), (1, None)],
    ids=["came later", "was unread or flagged then", "is younger", "has no date"],
)
def test_what_was_not_announced_is_not_covered(uid: int, received_at: datetime | None) -> None:
    """Also an old letter that came, or was moved there, after the announcement."""
    assert not ANNOUNCED.covers(uid, received_at)


@pytest.mark.parametrize("at", [NOW, DUE, DUE + LAPSES - DAY])
def test_it_holds_for_a_while(at: datetime) -> None:
    assert ANNOUNCED.holds(TERM, 7, at)
    assert ANNOUNCED.holds(replace(TERM, after=60 * DAY), 7, at)


@pytest.mark.parametrize(
    ("term", "uid_validity", "at"),
    [(TERM, 8, DUE), (replace(TERM, after=150 * DAY), 7, DUE), (TERM, 7, DUE + LAPSES)],
    ids=["folder numbered anew", "letters stay longer now", "long ago"],
)
def test_it_holds_no_more(term: Retained, uid_validity: int, at: datetime) -> None:
    assert not ANNOUNCED.holds(term, uid_validity, at)
