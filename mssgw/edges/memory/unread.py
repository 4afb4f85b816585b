"""Letters that asked for a read receipt and have none, in dictionaries."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.memory.content import Remembered
from mssgw.edges.memory.desk import MemoryDesk
from mssgw.ports import UnreadCount, UnreadRow

_BEGUN = (JournalEvent.ACCEPTED, JournalEvent.HELD)


class MemoryUnread(MemoryDesk):
    """The rest of ports.Desk."""

    async def unread(
        self, *, before: datetime, limit: int, sender: Address | None = None, domain: str | None = None
    ) -> Sequence[UnreadRow]:
        rows = [self._unread_row(each) for each in self._asked(before)]
        rows = [
            row
            for row in rows
            if sender in (None, row.sender) and domain in (None, row.sender.domain if row.sender else "")
        ]
        return rows[:limit]

    async def count_unread(self, *, before: datetime, fresh_since: datetime) -> UnreadCount:
        found = list(self._asked(before))
        return UnreadCount(total=len(found), fresh=sum(each.seen_at >= fresh_since for each in found))

    def _asked(self, before: datetime) -> Iterator[Remembered]:
        """Latest first, one for each letter and patient."""
        seen = set()
        latest_first = sorted(enumerate(self._has.letters), key=lambda each: (each[1].seen_at, each[0]), reverse=True)
        for _, each in latest_first:
            key = each.spool_id, each.letter.pair.patient
            if not each.letter.receipt_to or each.receipt_at is not None or each.seen_at >= before or key in seen:
                continue
            seen.add(key)
            if not any(line.event is JournalEvent.BOUNCED for line in self._lines(each)):
                yield each

    def _lines(self, each: Remembered) -> list[Entry]:
        patient = each.letter.pair.patient
        return [line for line in self._has.journal if line.spool_id == each.spool_id and line.recipient == patient]

    def _unread_row(self, each: Remembered) -> UnreadRow:
        lines = self._lines(each)
        begun = next((line for line in lines if line.event in _BEGUN), None)
        unsaid = [line for line in self._has.journal if line.spool_id == each.spool_id and line.recipient is None]
        accounts = [line.detail for line in (*unsaid, *lines) if line.event is JournalEvent.ACCOUNT]
        return UnreadRow(
            spool_id=each.spool_id,
            sent_at=each.seen_at,
            sender=begun.sender if begun else None,
            patient=begun.recipient if begun else None,
            receipt_to=tuple(self._named(key) for key in each.letter.receipt_to),
            delivered_at=next((line.at for line in reversed(lines) if line.event is JournalEvent.DELIVERED), None),
            account=accounts[-1] if accounts else "",
        )

    def _named(self, key: str) -> Address | str:
        known = [who for line in self._has.journal for who in (line.sender, line.recipient) if who and who.key == key]
        return known[0] if known else self.alias(Address.parse(key))
