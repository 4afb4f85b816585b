"""The way of one letter to one recipient, as its journal tells it: accepted, delivered, read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry, JournalEvent

DISPLAYED = "displayed"  # what a receipt says when a person opened the letter (MDN-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """``delivered``: when the next hop took it. ``read``: when the receipt came that says a person opened it.

    ``receipt``: what the last receipt says, "" without one: ``processed`` is a program's word, and ``deleted`` no
    reader's (MDN-6); ``receipt_at``: when it came. ``bounced``: it will not be delivered.
    """

    spool_id: str
    recipient: Address
    accepted: datetime
    delivered: datetime | None = None
    read: datetime | None = None
    receipt: str = ""
    receipt_at: datetime | None = None
    bounced: datetime | None = None


def passages(entries: Iterable[Entry]) -> Sequence[Passage]:
    """One for each recipient of each letter that was accepted, in that order. ``entries``: oldest first."""
    found: dict[tuple[str, Address], Passage] = {}
    for entry in entries:
        if entry.recipient is None and entry.event is JournalEvent.BOUNCED:  # nobody could read to whom it was
            found.update({key: _after(each, entry) for key, each in found.items() if _open(each, entry.spool_id)})
        if not entry.spool_id or entry.recipient is None:
            continue
        key = entry.spool_id, entry.recipient
        known = found.get(key)
        if known is None:
            if entry.event in (JournalEvent.ACCEPTED, JournalEvent.HELD):
                found[key] = Passage(spool_id=entry.spool_id, recipient=entry.recipient, accepted=entry.at)
        else:
            found[key] = _after(known, entry)
    return tuple(found.values())


def _open(known: Passage, spool_id: str) -> bool:
    return known.spool_id == spool_id and known.delivered is None and known.bounced is None


def _after(known: Passage, entry: Entry) -> Passage:
    match entry.event:
        case JournalEvent.DELIVERED:
            return replace(known, delivered=known.delivered or entry.at)
        case JournalEvent.BOUNCED:
            return replace(known, bounced=entry.at)
        case JournalEvent.READ:
            read = entry.at if entry.detail.partition("/")[0] == DISPLAYED else None
            return replace(known, read=known.read or read, receipt=entry.detail, receipt_at=entry.at)
        case _:
            return known
