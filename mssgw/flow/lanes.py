"""Lanes: what waits in memory for each route, so that one dead next hop holds up nobody else."""

from collections import deque
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


SPARED_A_SECOND = 200  # letters that are claimed again after a pause, of one next hop and worker


@dataclass(slots=True)
class Lane:
    """The jobs of one route. ``down_until`` and ``down_reply``: its next hop did not answer a moment ago.

    ``spared``: letters that were put off since.
    """

    waiting: deque[Job] = field(default_factory=deque)
    running: int = 0
    down_until: datetime | None = None
    down_reply: Reply | None = None
    spared: int = 0

    @property
    def is_done(self) -> bool:
        """Nothing to do, and nothing to remember."""
        return not self.waiting and not self.running and self.down_until is None

    def is_down(self, now: datetime) -> bool:
        return self.down_until is not None and now < self.down_until

    def put_off(self, until: datetime) -> datetime:
        """When one more letter is due that has to wait until then, or some seconds later if many have to.

        All at once, a long queue would be claimed and put back as a whole after each pause.
        """
        later = timedelta(seconds=self.spared // SPARED_A_SECOND)
        self.spared += 1
        return until + later


class Lanes:
    """All lanes, with a bound on what waits: beyond it letters wait in the queue on disk."""

    def __init__(self, *, backlog: int) -> None:
        """``backlog``: deliveries that may wait or run in memory, in all lanes together."""
        self._lanes: dict[str, Lane] = {}
        self._backlog, self.count = backlog, 0  # deliveries in memory now

    def __getitem__(self, name: str) -> Lane:
        return self._lanes.setdefault(name, Lane())

    def forget(self, name: str) -> None:
        """Drop a lane that is done: the white list knows thousands of domains, each with a route of its own."""
        if name in self._lanes and self._lanes[name].is_done:
            del self._lanes[name]

    @property
    def room(self) -> int:
        return max(0, self._backlog - self.count)

    def admit(self, deliveries: int) -> bool:
        """Take places for that many deliveries; False when there are none."""
        if deliveries > self.room:
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
