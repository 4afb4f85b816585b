"""Lanes: what waits in memory for each route, so that one dead next hop holds up nobody else."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mssgw.core.delivery import Delivery, Lease
from mssgw.core.replies import Reply
from mssgw.ports import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Deliveries of one message that share a route, under one lease. ``stored`` None: to be loaded first."""

    spool_id: str
    deliveries: tuple[Delivery, ...]
    lease: Lease
    stored: Stored | None = None


PUT_OFF_APART = timedelta(milliseconds=5)  # so that 200 a second are claimed again, of one next hop and worker
SOON = timedelta(seconds=2)
STANDS_STILL = 10.0  # seconds without the end of an attempt


@dataclass(slots=True)
class Lane:
    """The jobs of one route, and whether its next hop is spared: it did not answer a moment ago.

    ``scout``: the job that finds out whether it answers again. ``answered``: when it last did; ``moved``: when an
    attempt last ended, or the first of those that run began (time.monotonic).
    """

    waiting: deque[Job] = field(default_factory=deque)
    running: int = 0
    moved: float = 0.0
    answered: float = float("-inf")
    down_until: datetime | None = None
    down_reply: Reply | None = None
    scout: Job | None = None
    _next_due: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Nothing to do, and nothing to remember."""
        return not self.waiting and not self.running and self.down_until is None

    def spared(self, now: datetime) -> Reply | None:
        """Why nothing is tried now; None: something may be."""
        return self.down_reply if self.down_until is not None and now < self.down_until else None

    def spare(self, until: datetime, reply: Reply, scout: Job | None = None) -> None:
        """Try nothing until then, but by the scout; ``reply`` is about the next hop."""
        self.down_until, self.down_reply, self.scout = until, reply, scout

    def go_on(self) -> None:
        """The next hop answers."""
        self.down_until = self.down_reply = self.scout = self._next_due = None

    def put_off(self, now: datetime) -> datetime:
        """When one more letter is due that waits for the end of the pause: then, or later if many have to.

        All at once, a long queue would be claimed and put back as a whole after each pause.
        """
        until, last = self.down_until or now, self._next_due
        if self.scout is not None:  # it may be back in no time
            until = min(until, now + SOON)
        self._next_due = until if last is None else max(until, last + PUT_OFF_APART)
        return self._next_due


class Lanes:
    """All lanes, with a bound on what waits: beyond it letters wait in the queue on disk."""

    def __init__(self, *, backlog: int) -> None:
        """``backlog``: deliveries that may wait or run in memory, in all lanes together."""
        self._lanes: dict[str, Lane] = {}
        self._backlog, self.count = backlog, 0  # deliveries in memory now

    def __getitem__(self, name: str) -> Lane:
        return self._lanes.setdefault(name, Lane())

    def standing_still(self) -> list[tuple[str, Lane]]:
        """Those with jobs that wait for attempts none of which has come to an end for long."""
        since = time.monotonic() - STANDS_STILL
        return [(name, lane) for name, lane in self._lanes.items() if lane.waiting and lane.moved < since]

    def forget(self, name: str) -> None:
        """Drop a lane that is done: the white list knows thousands of domains, each with a route of its own."""
        if name in self._lanes and self._lanes[name].is_done:
            del self._lanes[name]

    @property
    def room(self) -> int:
        """Places for all; the last ones are kept for letters that nothing waits before."""
        return max(0, self._backlog - self._kept - self.count)

    @property
    def room_beside(self) -> int:
        """Those kept places that letters on disk may have, while the others are taken: half of them."""
        return max(0, self._backlog - self._kept // 2 - self.count)

    def domains_waiting(self) -> set[str]:
        """The domains to which something waits in a lane."""
        return {each.domain for lane in self._lanes.values() for job in lane.waiting for each in job.deliveries}

    @property
    def _kept(self) -> int:
        return self._backlog // 4

    def are_up_to_date(self, names: Iterable[str]) -> bool:
        """Whether nothing waits in these lanes."""
        return not any(lane.waiting for name in names if (lane := self._lanes.get(name)) is not None)

    def admit(self, deliveries: int, *, up_to_date: bool = False) -> bool:
        """Take places for that many deliveries; False when there are none. ``up_to_date``: so are their lanes.

        Else memory is full of what waits for a slow next hop, and on disk the rest of that is due before all others.
        """
        if deliveries > (self._backlog - self.count if up_to_date else self.room):
            return False
        self.count += deliveries
        return True

    def enter(self, deliveries: int) -> None:
        """Count in deliveries that are in memory already, whatever the bound."""
        self.count += deliveries

    def leave(self, deliveries: int) -> None:
        self.count -= deliveries

    def clear(self) -> None:
        """Take out all jobs that have not begun."""
        for lane in self._lanes.values():
            lane.waiting.clear()
