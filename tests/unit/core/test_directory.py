"""What the directory says of a mailbox, and when it may not be gone by (WHO-3, DIR-4)."""

from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.bal import Bal, BalKind
from mssgw.core.directory import NOTHING, Change, Edition, Listing, Objection, Word, judged, objections, structure_key

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
PHARMACY = Listing(mailbox="officine@exemple.mssante.fr", kind=BalKind.ORG, structure="750000001", pharmacy=True)
OPEN = Bal(kind=BalKind.ORG, pharmacy=True)


def edition(days: float = 1) -> Edition:
    return Edition(made_at=NOW - timedelta(days=days), imported_at=NOW)


@pytest.mark.parametrize(
    ("word", "max_age", "expected"),
    [
        (Word(listing=PHARMACY, made_at=NOW - WEEK), WEEK, (OPEN, False)),
        (Word(listing=PHARMACY, made_at=NOW - WEEK - timedelta(seconds=1)), WEEK, (Bal(), True)),
        (Word(made_at=NOW), WEEK, (Bal(), False)),
        (NOTHING, WEEK, (Bal(), True)),
        (Word(listing=PHARMACY, made_at=NOW), None, (Bal(), False)),
        (Word(listing=PHARMACY, made_at=NOW + timedelta(hours=2)), WEEK, (OPEN, False)),
    ],
    ids=["in time", "a second too old", "absent", "none loaded", "not configured", "a clock ahead"],
)
def test_an_import_counts_while_it_is_configured_and_recent(
    word: Word, max_age: timedelta | None, expected: tuple[Bal, bool]
) -> None:
    assert judged(word, max_age, NOW) == expected


@pytest.mark.parametrize("max_age", [None, WEEK])
@pytest.mark.parametrize("made_at", [None, NOW, NOW - timedelta(days=90)])
def test_what_was_set_by_hand_always_counts(made_at: datetime | None, max_age: timedelta | None) -> None:
    by_hand = Listing(mailbox="officine@exemple.mssante.fr", kind=BalKind.ORG, pharmacy=True, by_hand=True)
    assert judged(Word(listing=by_hand, made_at=made_at), max_age, NOW) == (OPEN, False)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("750000001", "750000001"),
        (" 75 000 0001 ", "750000001"),
        ("1750000001", "750000001"),
        ("2a0000001", "2A0000001"),
        ("382012345600012", "82012345600012"),
        ("82012345600012", "82012345600012"),
        ("9750000001", "9750000001"),
    ],
)
def test_a_structure_is_the_same_with_and_without_its_prefix(written: str, key: str) -> None:
    assert structure_key(written) == key


def test_a_mailbox_that_is_listed_twice_gives_a_patient_no_more_than_both_would() -> None:
    """A pharmacy's in one row and something else in the other: it is no pharmacy's."""
    other = Listing(mailbox=PHARMACY.mailbox, kind=BalKind.ORG, structure="750000002")
    both = PHARMACY.and_also(other)
    assert (both.kind, both.pharmacy, both.structure) == (BalKind.ORG, False, "")
    person = Listing(mailbox=PHARMACY.mailbox, kind=BalKind.PER, pharmacy=True)
    assert not PHARMACY.and_also(person).bal.takes_first_letters
    assert PHARMACY.and_also(PHARMACY).bal.takes_first_letters


def test_an_ordinary_day_meets_no_objection() -> None:
    change = Change(before=1_000, pharmacies_before=100, added=500, removed=200, pharmacies_lost=20)
    assert list(objections(edition(0), edition(1), change)) == []
    assert list(objections(edition(), None, Change(added=1_000))) == []


@pytest.mark.parametrize(
    ("new", "change", "objection"),
    [
        (edition(2), Change(), Objection.OLDER),
        (edition(0), Change(before=1_000, removed=201, added=201), Objection.SHRUNK),
        (edition(0), Change(before=1_000, pharmacies_before=100, pharmacies_lost=21), Objection.FEWER_PHARMACIES),
    ],
)
def test_somebody_should_look_before_much_is_lost(new: Edition, change: Change, objection: Objection) -> None:
    """What is gone counts, not how many are left."""
    assert [kind for kind, _ in objections(new, edition(1), change)] == [objection]


def test_no_repr_shows_an_address() -> None:
    for value in (PHARMACY, Word(listing=PHARMACY), Change(gained=(PHARMACY.mailbox,), lost=(PHARMACY.mailbox,))):
        assert "officine" not in repr(value)
