"""Times as readers in France write them."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)


def _local_time() -> tzinfo:
    try:
        return ZoneInfo("Europe/Paris")
    except ZoneInfoNotFoundError:  # a system without tzdata
        return UTC


_ZONE = _local_time()


def local(at: datetime) -> datetime:
    """In the time of the reader."""
    return at.astimezone(_ZONE)


def day_of(at: datetime) -> str:
    """``6 décembre 2026``."""
    there = local(at)
    return f"{'1er' if there.day == 1 else there.day} {MONTHS[there.month - 1]} {there.year}"
