"""The Directory port in dictionaries."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal
from mssgw.core.directory import Change, Edition, Listing, Overtaken, Overview, Word
from mssgw.core.journal import THE_DIRECTORY, Entry, JournalEvent
from mssgw.edges.memory.content import MemoryPart


@dataclass(slots=True)
class Staged:
    """One generation."""

    listings: dict[str, Listing] = field(default_factory=dict)
    pharmacies: set[str] = field(default_factory=set)
    edition: Edition | None = None


class MemoryDirectory(MemoryPart):
    """See ports.Directory."""

    _generation = 0
    _staging: "Staged | None" = None
    _in_force: "Staged | None" = None
    _overtaken = 0  # mailboxes of generations that nobody goes by

    @property
    def _by_hand(self) -> dict[str, Listing]:
        return self._has.set_by_hand

    def _word(self, mailbox: Address) -> Word:
        listed = self._in_force.listings.get(mailbox.key) if self._in_force else None
        edition = self._in_force.edition if self._in_force else None
        return Word(
            listing=self._by_hand.get(mailbox.key, listed), made_at=edition.made_at if edition is not None else None
        )

    async def edition(self) -> Edition | None:
        return self._in_force.edition if self._in_force else None

    async def overview(self) -> Overview:
        kinds = Counter(each.kind for each in self._in_force.listings.values()) if self._in_force else Counter()
        staging = len(self._staging.listings) if self._staging else 0
        return Overview(
            edition=await self.edition(),
            kinds=tuple(sorted(kinds.items())),
            by_hand=len(self._by_hand),
            leftover=self._overtaken + staging,
        )

    async def pharmacies(self) -> frozenset[str]:
        return frozenset(self._in_force.pharmacies if self._in_force else ())

    async def begin(self, now: datetime) -> int:
        self._overtaken += len(self._staging.listings) if self._staging else 0
        self._generation, self._staging = self._generation + 1, Staged()
        return self._generation

    def _staged(self, generation: int) -> Staged:
        if self._staging is None or generation != self._generation:
            raise Overtaken
        return self._staging

    async def stage(self, generation: int, listings: Sequence[Listing]) -> None:
        self._staged(generation).listings |= {each.mailbox: each for each in listings}

    async def stage_pharmacies(self, generation: int, structures: Sequence[str]) -> None:
        self._staged(generation).pharmacies |= set(structures)

    async def compare(self, generation: int, *, most: int) -> Change:
        old = self._in_force.listings if self._in_force else {}
        new = self._staged(generation).listings
        open_before = {each.mailbox for each in old.values() if each.pharmacy}
        open_now = {each.mailbox for each in new.values() if each.pharmacy}
        return Change(
            before=len(old),
            pharmacies_before=len(open_before),
            added=len(new.keys() - old.keys()),
            removed=len(old.keys() - new.keys()),
            other_kind=sum(old[each].kind is not new[each].kind for each in old.keys() & new.keys()),
            pharmacies_gained=len(open_now - open_before),
            pharmacies_lost=len(open_before - open_now),
            gained=tuple(sorted(open_now - open_before)[:most]),
            lost=tuple(sorted(open_before - open_now)[:most]),
        )

    async def adopt(self, generation: int, edition: Edition, *, operator: str, detail: str) -> None:
        new = self._staged(generation)
        new.edition = edition
        self._overtaken += len(self._in_force.listings) if self._in_force else 0
        self._in_force, self._staging = new, None
        self._journal(None, operator, detail, edition.imported_at)

    async def abandon(self, generation: int) -> None:
        if self._staging is not None and generation == self._generation:
            self._overtaken, self._staging = self._overtaken + len(self._staging.listings), None

    async def tidy(self, advance: Callable[[int], None]) -> int:
        gone, self._overtaken = self._overtaken, 0
        advance(gone)
        return gone

    async def look_up(self, mailbox: Address) -> Sequence[Listing]:
        places = self._by_hand, self._in_force.listings if self._in_force else {}
        return [place[mailbox.key] for place in places if mailbox.key in place]

    async def find(self, text: str, *, limit: int) -> Sequence[Listing]:
        wanted = text.casefold()
        listed = self._in_force.listings.values() if self._in_force else ()
        places = [sorted(place, key=lambda each: each.mailbox) for place in (self._by_hand.values(), listed)]
        return [
            each
            for place in places
            for each in place
            if any(wanted in part.casefold() for part in (each.mailbox, each.structure, each.name, each.place))
        ][:limit]

    async def put(self, mailbox: Address, bal: Bal, *, operator: str, now: datetime) -> bool:
        listing = Listing(mailbox=mailbox.key, kind=bal.kind, pharmacy=bal.pharmacy, by_hand=True)
        if self._by_hand.get(mailbox.key) == listing:
            return False
        self._by_hand[mailbox.key] = listing
        self._journal(mailbox, operator, f"set {bal.kind}{' pharmacy' if bal.pharmacy else ''}", now)
        return True

    async def withdraw(self, mailbox: Address, *, operator: str, now: datetime) -> bool:
        if self._by_hand.pop(mailbox.key, None) is None:
            return False
        self._journal(mailbox, operator, "unset", now)
        return True

    def _journal(self, mailbox: Address | None, operator: str, detail: str, at: datetime) -> None:
        self._has.journal.append(
            Entry(
                at=at,
                event=JournalEvent.DIRECTORY,
                spool_id=THE_DIRECTORY,
                recipient=mailbox,
                operator=operator,
                detail=detail,
            )
        )
