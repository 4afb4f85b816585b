"""Which white list may follow which (WL-7)."""

from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.list_change import Objection, change, objection
from mssgw.core.names import Name
from mssgw.core.trust import WhiteList

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def operator(number: int) -> Name:
    return Name.of([("CN", f"mss{number}.example.fr")])


def made(listed: dict[str, set[int]], *, at: datetime = NOW, fingerprint: str = "new") -> WhiteList:
    operators = {domain: frozenset(operator(each) for each in numbers) for domain, numbers in listed.items()}
    names = {name for every in operators.values() for name in every}
    domains = {name: frozenset(domain for domain in operators if name in operators[domain]) for name in names}
    return WhiteList(generated_at=at, entries=9, fingerprint=fingerprint, operators=operators, domains=domains)


def domains(first: int, last: int, **of: set[int]) -> dict[str, set[int]]:
    return {f"d{number}.fr": {0} for number in range(first, last)} | of


OLD = made(domains(0, 100), at=NOW - timedelta(hours=1), fingerprint="old")


def test_the_first_list_may_come_from_any_past() -> None:
    """There is nothing that it could go back behind."""
    assert objection(made(domains(0, 1), at=NOW - timedelta(days=900)), None, now=NOW) is None


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (made(domains(0, 100)), None),
        (made(domains(20, 100)), None),
        (made(domains(21, 100)), Objection.SHRUNK),
        (made(domains(21, 500)), Objection.SHRUNK),
        (made(domains(0, 100), at=NOW - timedelta(hours=1)), None),
        (made(domains(0, 100), at=NOW - timedelta(hours=1, seconds=1)), Objection.OLDER),
        (made(domains(0, 100), at=NOW + timedelta(hours=24)), None),
        (made(domains(0, 100), at=NOW + timedelta(hours=24, seconds=1)), Objection.FUTURE),
    ],
)
def test_a_list_that_is_older_from_the_future_or_much_smaller_is_not_taken(new: WhiteList, why: Objection) -> None:
    """A fifth of the domains may go in one night, no more; new ones do not make up for those that went."""
    found = objection(new, OLD, now=NOW)
    assert (found[0] if found else None) is why


def test_operators_that_part_count_like_domains() -> None:
    """A domain with two certificates stays listed when half of all operators are cut off."""
    old = made({f"d{number}.fr": {number, number + 1} for number in range(0, 20, 2)})
    new = made({f"d{number}.fr": {number} for number in range(0, 20, 2)})
    found = objection(new, old, now=NOW)
    assert found is not None
    assert found == (Objection.SHRUNK, "10 of 20 operators are gone")


def test_by_hand_a_smaller_list_is_taken_but_never_an_older_one() -> None:
    """Accepted is that list and no other."""
    smaller = made(domains(0, 10), fingerprint="seen")
    assert objection(smaller, OLD, now=NOW, accepted="seen") is None
    assert objection(smaller, OLD, now=NOW, accepted="other") is not None
    older = made(domains(0, 10), at=NOW - timedelta(days=2), fingerprint="seen")
    assert objection(older, OLD, now=NOW, accepted="seen") is not None


def test_a_lost_list_still_says_how_old_the_next_may_not_be() -> None:
    """Else damage to one file would let an old list back in."""
    new = made(domains(0, 1), at=NOW - timedelta(days=2))
    assert objection(new, None, now=NOW, not_before=NOW - timedelta(days=1)) is not None
    assert objection(new, None, now=NOW, not_before=NOW - timedelta(days=3)) is None


def test_a_change_says_what_is_added_removed_and_bound_to_others() -> None:
    """What ``trust diff`` shows."""
    found = change(made({"a.fr": {1}, "b.fr": {1, 2}, "c.fr": {3}}), made({"b.fr": {2, 4}, "c.fr": {3}, "d.fr": {3}}))
    assert (found.added, found.removed) == ({"d.fr"}, {"a.fr"})
    assert found.rebound == {"b.fr": ({operator(4)}, {operator(1)})}
    assert (found.operators_added, found.operators_removed) == ({operator(4)}, {operator(1)})
