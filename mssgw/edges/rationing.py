"""Events that a flood of bad letters would repeat: each at most once in a while, with how many were not told."""

import time
from collections.abc import Callable

from mssgw.ports import Telemetry


class Rationed:
    """Tells an event at most every ``every`` seconds; the next one says how many were kept back (``untold``)."""

    def __init__(self, telemetry: Telemetry, *, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._telemetry, self._every, self._clock = telemetry, every, clock
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        """See ports.Telemetry."""
        now = self._clock()
        if name in self._told and now - self._told[name] < self._every:
            self._untold[name] = self._untold.get(name, 0) + 1
            return
        self._told[name] = now
        untold = self._untold.pop(name, None)
        self._telemetry.event(name, alarm=alarm, failure=failure, untold=untold, **fields)
