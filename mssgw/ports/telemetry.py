"""What is told: events for the log, measures for the metrics."""

from typing import Protocol


class Telemetry(Protocol):
    """The log. One event name for each thing that happens; fields are codes, counts and ids, never personal data."""

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        """``alarm``: somebody should look at this now. ``failure``: logged as its class and where it came from.

        ``count=0``: all is well and nothing was to be done; a sign of life, counted but not logged.
        """


class Meter(Protocol):
    """What edges measure where a log line each would be too much. Any thread may call; never blocks, never raises.

    Names and kinds are fixed words of our own. See mssgw/app/telemetry/metrics.py for those that are shown.
    """

    def observe(self, name: str, value: float) -> None:
        """One value of a distribution: seconds, or how many at once."""

    def count(self, name: str, kind: str) -> None:
        """One more of that kind."""
