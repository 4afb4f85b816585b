"""When a thing that lasts is worth telling: when it is new or says something else, and an alarm again each hour."""

from collections.abc import Hashable
from datetime import datetime, timedelta

AGAIN = timedelta(hours=1)  # more often would fill the log of a weekend


class Reminders:
    """Remembers what was told of each thing, and when."""

    def __init__(self) -> None:
        self._told: dict[Hashable, tuple[str, datetime]] = {}

    def due(self, thing: Hashable, now: datetime, *, saying: str = "", again: bool = True) -> bool:
        """Whether to tell it now, which then counts as told. ``again`` False: only when it says something else."""
        before = self._told.get(thing)
        if before is not None and before[0] == saying and not (again and abs(now - before[1]) >= AGAIN):
            return False
        self._told[thing] = saying, now
        return True

    def over(self, thing: Hashable) -> bool:
        """It does not last any more, so that the next time is news; whether it had been told."""
        return self._told.pop(thing, None) is not None
