"""Importing the directory: read it whole, stage it, compare it, and only then let it take the place of the old one.

Nothing is written before the last row was read: a file that breaks off leaves no trace. In memory a mailbox is one
line of text, 120 octets, so that half a million take 70 MB.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from mssgw.core.bal import BalKind
from mssgw.core.directory import Change, Edition, Listing
from mssgw.ports import Clock, Directory

AT_ONCE = 4_000  # listings handed on together
SHOWN = 20  # mailboxes told by name
_BETWEEN = "\x1f"  # no cell holds one

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All mailboxes of an extraction, each once. ``repeated``: rows of a mailbox that another row had named."""

    rows: Sequence[str] = field(repr=False)
    repeated: int = 0
    pharmacies: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def listings(self) -> Iterator[Listing]:
        """In ascending order of their addresses."""
        return map(_unpacked, self.rows)


def draft(listings: Iterable[Listing], pharmacies: Collection[str]) -> Draft:  # req: WHO-3
    """Sort out what was read. ``pharmacies``: structures, as structure_key. Raises what reading raises."""
    packed = [_packed(_known(each, pharmacies)) for each in listings]
    packed.sort()  # by address: it comes first, and the mark behind it sorts before all that addresses hold
    kept: list[str] = []
    for row in packed:
        if kept and row.partition(_BETWEEN)[0] == kept[-1].partition(_BETWEEN)[0]:
            kept[-1] = _packed(_unpacked(kept[-1]).and_also(_unpacked(row)))
        else:
            kept.append(row)
    open_to_patients = sum(f"{_BETWEEN}ORG{_BETWEEN}1{_BETWEEN}" in row for row in kept)
    return Draft(rows=kept, repeated=len(packed) - len(kept), pharmacies=open_to_patients)


def _known(listing: Listing, pharmacies: Collection[str]) -> Listing:
    is_one = listing.kind is BalKind.ORG and listing.structure in pharmacies
    return replace(listing, pharmacy=True) if is_one else listing


def _packed(listing: Listing) -> str:
    pharmacy = "1" if listing.pharmacy else ""
    cells = listing.mailbox, listing.kind.value, pharmacy, listing.structure, listing.name, listing.place
    return _BETWEEN.join(cells)


def _unpacked(row: str) -> Listing:
    mailbox, kind, pharmacy, structure, name, place = row.split(_BETWEEN)
    return Listing(
        mailbox=mailbox, kind=BalKind(kind), pharmacy=bool(pharmacy), structure=structure, name=name, place=place
    )


class Import:
    """One import, from the draft on. ``stage``, then ``adopt`` or ``abandon``."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._generation = 0

    async def stage(self, made: Draft, pharmacies: Collection[str], advance: Advance) -> Change:
        """Write all of it beside the edition in force; what it says otherwise. ``advance`` hears of each piece.

        Raises Overtaken, StoreUnavailable.
        """
        self._generation = await self._directory.begin(self._clock.now())
        listings = made.listings()
        while some := list(islice(listings, AT_ONCE)):
            await self._directory.stage(self._generation, some)
            advance(len(some))
        await self._directory.stage_pharmacies(self._generation, sorted(pharmacies))
        return await self._directory.compare(self._generation, most=SHOWN)

    async def adopt(self, edition: Edition, *, operator: str) -> None:
        """Let it take the place of the edition in force. Raises Overtaken, StoreUnavailable."""
        detail = f"import {edition.mailboxes} mailboxes, {edition.pharmacies} of pharmacies"
        await self._directory.adopt(self._generation, edition, operator=operator, detail=detail)

    async def abandon(self) -> None:
        """Leave it off; tidying erases it."""
        await self._directory.abandon(self._generation)


def made_at(stamp: datetime | None, written_at: datetime, now: datetime) -> datetime:
    """When an extraction was made: as its name says, else when its file was written; never after now."""
    return min(stamp or written_at, now)
