"""The time: the system's, or one that a test sets."""

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


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
