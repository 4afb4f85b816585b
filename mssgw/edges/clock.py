"""The time: the system's, one that never jumps, or one that a test sets."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

_RATE = 0.02  # seconds a second by which a steady clock approaches what it is told
_STEP = 1.0  # and at most so much at once
_LOOK_EVERY = 0.1  # seconds between a following clock's looks at the machine's


class SystemClock:
    """The system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SteadyClock:
    """Begins at a reference and runs evenly, following the reference slowly: it never jumps.

    Leases are compared by it. When the clock that it follows, this machine's or that of the database which all nodes
    share, is set wrong by an hour, it takes two days to get there, and nobody's lease looks lapsed meanwhile. The time
    that a machine was suspended counts.
    """

    def __init__(self, told: datetime, *, tick: Callable[[], float] | None = None) -> None:
        """``tick``: seconds that pass evenly; the machine's since it was started, if not given."""
        self._tick = tick or _since_boot
        self._base = (told.astimezone(UTC), self._tick())  # replaced whole: any thread may read it

    def now(self) -> datetime:
        at, tick = self._base
        return at + timedelta(seconds=self._tick() - tick)

    def heed(self, told: datetime) -> None:
        """The reference says that it is ``told``."""
        at, tick = self._base
        now = self._tick()
        ours = at + timedelta(seconds=now - tick)
        most = min(_STEP, _RATE * (now - tick))
        gap = (told - ours).total_seconds()
        self._base = (ours + timedelta(seconds=max(-most, min(most, gap))), now)


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class FollowingClock(SteadyClock):
    """A steady clock that follows the machine's; it looks there once in a while, not at every question."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))

    def now(self) -> datetime:
        at, tick = self._base
        passed = self._tick() - tick
        if passed < _LOOK_EVERY:
            return at + timedelta(seconds=passed)
        self.heed(datetime.now(UTC))
        return super().now()

    def keep_up(self) -> None:
        """Look there if it is time to: for who asks for no time, but forks those who will."""
        self.now()


@cache
def machine_clock() -> FollowingClock:
    """The one of this process and of those that it forks: whoever begins later than his brothers, after the machine's
    clock was set, would live at another time than they, and take their leases for lapsed.

    A command is a process of its own: it begins at the machine's time, whatever the daemon's clock says by then.
    """
    return FollowingClock()


class FixedClock:
    """Stands still until it is told."""

    def __init__(self, at: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_(self, **span: float) -> datetime:
        """Move on by a timedelta's arguments (``minutes=5``) and return the new time."""
        self.at += timedelta(**span)
        return self.at
