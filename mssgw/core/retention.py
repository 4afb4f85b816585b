"""Letters that leave a professional's mailbox when their time is over (TRC-3): those that were announced, no others.

A mailbox is no medical record, but a letter that nobody has read is no letter whose time is over: it stays.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mssgw.core.addresses import Address

LAPSES = timedelta(days=30)  # an announcement that was not followed for so long is one that nobody remembers


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """How long letters stay in ``folders``: ``after`` their arrival they go, which is told ``notice`` before."""

    mailbox: Address
    folders: tuple[str, ...] = field(repr=False)
    after: timedelta
    notice: timedelta

    def arrived_before(self, due_at: datetime) -> datetime:
        """Which letters go at that time."""
        return due_at - self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Letters of a folder whose end was told to its readers: these ``uids``, which arrived ``before``.

    By their numbers: what was unread or flagged then was not told of, and does not go because it is read by its day.
    """

    mailbox: Address
    folder: str = field(repr=False)
    uid_validity: int
    uids: frozenset[int] = field(repr=False)
    before: datetime
    due_at: datetime

    @property
    def letters(self) -> int:
        return len(self.uids)

    def is_due(self, now: datetime) -> bool:
        return now >= self.due_at

    def holds(self, retained: Retained, uid_validity: int, now: datetime) -> bool:  # req: TRC-3
        """Whether it is still what was told: not for other letters, not for a shorter time, not long ago."""
        kept_long_enough = self.before <= retained.arrived_before(max(now, self.due_at))
        return self.uid_validity == uid_validity and kept_long_enough and now < self.due_at + LAPSES

    def covers(self, uid: int, received_at: datetime | None) -> bool:
        """Whether this letter was among those announced. Without a date nothing is old enough."""
        return uid in self.uids and received_at is not None and received_at < self.before
