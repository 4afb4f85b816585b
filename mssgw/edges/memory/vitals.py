"""The Vitals port in dictionaries."""

from collections.abc import Sequence
from datetime import datetime

from mssgw.core.delivery import State
from mssgw.edges.memory.content import MemoryPart
from mssgw.ports import Census


class MemoryVitals(MemoryPart):
    """See ports.Vitals."""

    @property
    def stalled_for(self) -> float:
        """Nothing here takes any time."""
        return 0.0

    async def answers(self) -> None:
        """At once."""

    async def probe(self) -> None:
        """At once."""

    async def census(self, *, now: datetime, ages: Sequence[float]) -> Census:
        rows = [row for row in self._has.queue.values() if row.open]
        held = sum(row.delivery.state is State.HELD for row in rows)
        sending = sum(row.queued and row.leased(now) for row in rows)
        old = [(now - row.delivery.created_at).total_seconds() for row in rows]
        return Census(
            waiting=len(rows) - held - sending,
            sending=sending,
            held=held,
            younger=tuple(sum(each <= age for each in old) for age in ages),
            oldest=max(0.0, *old) if old else 0.0,
            total_age=max(0.0, sum(old)),
        )

    async def receipts_waiting(self) -> int:
        return len(self._has.unopened)
