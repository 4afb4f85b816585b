"""The directory: what the national extraction, or an operator of ours, says of a mailbox (§11).

Addresses of mailboxes are published, so they stand in clear here; they are people's names all the same, and no repr
shows one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mssgw.core.bal import Bal, BalKind
from mssgw.core.errors import GatewayError

PHARMACY_CODES = frozenset({"SA33", "SA38", "SA39"})  # req: WHO-3
# The same in FINESS: d'officine, minière, mutualiste. No branch of one (641), no doctor who sells (627).
PHARMACY_CATEGORIES = frozenset({"620", "628", "629"})
LARGEST_DROP = 0.2  # of the mailboxes, or of the pharmacies
LATEST = timedelta(days=1)  # how far ahead of us the clock of who publishes it may run


class UnusableDirectory(GatewayError):
    """A file is not what it should be: nothing of it is taken. The text repeats nothing of its rows."""


class Overtaken(GatewayError):
    """Another import has begun meanwhile: this one takes nothing."""


def structure_key(identification: str) -> str:
    """The form in which structures are compared: FINESS (9) or SIRET (14), bare.

    The national identification puts a 1 before the one and a 3 before the other.
    """
    key = "".join(identification.split()).upper()
    prefixed = {10: "1", 15: "3"}.get(len(key))
    return key[1:] if prefixed is not None and key.startswith(prefixed) else key


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One mailbox. ``mailbox``: Address key. ``pharmacy``: an ORG mailbox whose structure is one (WHO-3).

    ``structure``: structure_key of whom it belongs to; ``name`` and ``place`` are that structure's, of ORG mailboxes
    only: of a person the address says enough. ``by_hand``: an operator of ours said so.
    """

    mailbox: str = field(repr=False)
    kind: BalKind
    structure: str = ""
    pharmacy: bool = False
    name: str = field(default="", repr=False)
    place: str = field(default="", repr=False)
    by_hand: bool = False

    @property
    def bal(self) -> Bal:
        return Bal(kind=self.kind, pharmacy=self.pharmacy)

    def and_also(self, other: "Listing") -> "Listing":
        """The one listing of a mailbox that is listed twice: where the two differ, a patient gains nothing."""
        same = self.structure == other.structure
        return Listing(
            mailbox=self.mailbox,
            kind=self.kind if self.kind is other.kind else BalKind.UNKNOWN,
            structure=self.structure if same else "",
            pharmacy=self.pharmacy and other.pharmacy,
            name=self.name,
            place=self.place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """An import. ``made_at``: when the extraction was made, as it says itself, else when its file was written.

    ``source``: the name of the file, ``fingerprint``: the SHA-256 of its text. ``structures``: known pharmacies.
    """

    made_at: datetime
    imported_at: datetime
    source: str = ""
    fingerprint: str = ""
    mailboxes: int = 0
    pharmacies: int = 0
    structures: int = 0

    def age(self, now: datetime) -> timedelta:
        """Never less than nothing: clocks differ."""
        return max(timedelta(0), now - self.made_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What is loaded. ``kinds``: mailboxes by kind. ``leftover``: rows that nobody goes by, to be erased."""

    edition: Edition | None = None
    kinds: tuple[tuple[BalKind, int], ...] = ()
    by_hand: int = 0
    leftover: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is said of one mailbox. ``listing`` None: it is named nowhere. ``made_at``: of the edition in force."""

    listing: Listing | None = None
    made_at: datetime | None = None


NOTHING = Word()


def judged(word: Word, max_age: timedelta | None, now: datetime) -> tuple[Bal, bool]:  # req: WHO-3, DIR-4
    """What a mailbox counts as that the configuration does not name; and whether that is not to be known now.

    ``max_age`` None: no directory is configured, so only what an operator set by hand counts.
    """
    if word.listing is not None and word.listing.by_hand:
        return word.listing.bal, False
    if max_age is None:
        return Bal(), False
    if word.made_at is None or now - word.made_at > max_age:
        return Bal(), True
    return (word.listing.bal if word.listing is not None else Bal()), False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a new edition says otherwise than the one in force; counts of mailboxes.

    ``gained`` and ``lost``: the first mailboxes that patients may write to from now on, or no longer (WHO-3).
    """

    before: int = 0
    pharmacies_before: int = 0
    added: int = 0
    removed: int = 0
    other_kind: int = 0
    pharmacies_gained: int = 0
    pharmacies_lost: int = 0
    gained: tuple[str, ...] = field(default=(), repr=False)
    lost: tuple[str, ...] = field(default=(), repr=False)


class Objection(StrEnum):
    """Why somebody should look before an edition is taken."""

    OLDER = "older"
    SHRUNK = "shrunk"
    FEWER_PHARMACIES = "fewer-pharmacies"


def objections(new: Edition, old: Edition | None, change: Change) -> Iterator[tuple[Objection, str]]:
    """What speaks against a new edition, with what may be told of it. An operator may take it all the same."""
    if old is not None and new.made_at < old.made_at:
        yield Objection.OLDER, f"made {new.made_at:%Y-%m-%dT%H:%MZ}, ours {old.made_at:%Y-%m-%dT%H:%MZ}"
    # What is gone, not how many are left: half of it in exchange for other mailboxes is no ordinary day either.
    if change.removed > LARGEST_DROP * change.before:
        yield Objection.SHRUNK, f"{change.removed} of {change.before} mailboxes are gone"
    if change.pharmacies_lost > LARGEST_DROP * change.pharmacies_before:
        lost, before = change.pharmacies_lost, change.pharmacies_before
        yield (
            Objection.FEWER_PHARMACIES,
            f"{lost} of {before} pharmacies' mailboxes are gone, or no longer known as such",
        )
