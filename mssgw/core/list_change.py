"""May a new white list take the place of the one in force? And what would it change (WL-7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mssgw.core.names import Name
from mssgw.core.trust import WhiteList

LARGEST_DROP = 0.2  # of the domains, or of the operators
LATEST = timedelta(days=1)  # how far ahead of us the clock of who publishes it may run


class Objection(StrEnum):
    """Why a new list is not taken."""

    OLDER = "older"  # someone plays an old list again, to bring back an operator who was taken off it
    FUTURE = "future"  # it would make every real list an older one
    SHRUNK = "shrunk"  # half a list, though well-formed: half the country could not write to us


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a new list says otherwise than the old one. ``rebound``: domains of both, with other operators."""

    added: frozenset[str] = field(repr=False)
    removed: frozenset[str] = field(repr=False)
    rebound: Mapping[str, tuple[frozenset[Name], frozenset[Name]]] = field(repr=False)  # domain: (gained, lost)
    operators_added: frozenset[Name] = field(repr=False)
    operators_removed: frozenset[Name] = field(repr=False)


def change(old: WhiteList, new: WhiteList) -> Change:
    """What the new list adds, removes and changes."""
    before, after = old.operators, new.operators
    return Change(
        added=frozenset(after.keys() - before.keys()),
        removed=frozenset(before.keys() - after.keys()),
        rebound={
            domain: (after[domain] - before[domain], before[domain] - after[domain])
            for domain in before.keys() & after.keys()
            if before[domain] != after[domain]
        },
        operators_added=frozenset(new.domains.keys() - old.domains.keys()),
        operators_removed=frozenset(old.domains.keys() - new.domains.keys()),
    )


def objection(  # req: WL-7
    new: WhiteList,
    old: WhiteList | None,
    *,
    now: datetime,
    not_before: datetime | None = None,
    accepted: str = "",
) -> tuple[Objection, str] | None:
    """Why the new list may not replace the old one, with what a log may say of it; None: it may.

    ``not_before``: when the last list was generated, where that itself is lost. ``accepted``: the fingerprint of a list
    that somebody accepts although so much is gone from it; its age is never accepted by hand.
    """
    floor = old.generated_at if old is not None else not_before
    if floor is not None and new.generated_at < floor:
        return Objection.OLDER, f"generated {new.generated_at:%Y-%m-%dT%H:%M:%SZ}, ours {floor:%Y-%m-%dT%H:%M:%SZ}"
    if new.generated_at > now + LATEST:
        return Objection.FUTURE, f"generated {new.generated_at:%Y-%m-%dT%H:%M:%SZ}"
    if old is None or new.fingerprint == accepted:
        return None
    # What is gone, not how many are left: half the domains in exchange for others is no ordinary day either.
    gone, parted = old.operators.keys() - new.operators.keys(), old.domains.keys() - new.domains.keys()
    if len(gone) > LARGEST_DROP * len(old.operators):
        return Objection.SHRUNK, f"{len(gone)} of {len(old.operators)} domains are gone"
    if len(parted) > LARGEST_DROP * len(old.domains):
        return Objection.SHRUNK, f"{len(parted)} of {len(old.domains)} operators are gone"
    return None
