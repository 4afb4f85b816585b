"""Dates and times of HL7 (TS): YYYYMMDDhhmmss with a zone, as far as they are known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_FORM = re.compile(
    r"(?P<year>[0-9]{4})(?:(?P<month>[0-9]{2})(?:(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})(?:\.[0-9]{1,6})?)?)?)?)?)?"
    r"(?P<zone>[+-][0-9]{4})?"
)
_PIECES = ("year", "month", "day", "hour", "minute", "second")
_FARTHEST = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Moment:
    """``earliest`` with a zone (UTC when the text has none); ``pieces``: how many of year to second it tells."""

    earliest: datetime
    pieces: int
    zoned: bool


def read(text: str) -> Moment | None:
    """The moment that a TS tells, or None when there is no such form or no such day in the calendar."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    numbers = [int(found[piece]) for piece in _PIECES if found[piece] is not None]
    try:
        earliest = datetime(*_whole(numbers), tzinfo=_zone(found["zone"]))
        earliest.astimezone(UTC)  # year 1 and 9999 have a zone too far
    except (ValueError, OverflowError):
        return None
    return Moment(earliest, len(numbers), found["zone"] is not None)


def is_partial(text: str) -> bool:
    """Whether a date tells a year and zeros for what is not known: found in old files, and no TS."""
    return re.fullmatch(r"[12][0-9]{3}(?:0000|(?:0[1-9]|1[0-2])00)", text) is not None


def _whole(numbers: Sequence[int]) -> tuple[int, int, int, int, int, int]:
    year, month, day, hour, minute, second = [*numbers, *(0, 1, 1, 0, 0, 0)[len(numbers) :]]
    return year, month, day, hour, minute, second


def _zone(text: str | None) -> timezone:
    """Raises ValueError for a zone that is nowhere."""
    if text is None:
        return UTC
    distance = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    if int(text[3:]) > 59 or distance > _FARTHEST:
        raise ValueError(text)
    return timezone(-distance if text[0] == "-" else distance)
