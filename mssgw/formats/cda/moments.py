"""Dates and times of HL7 (TS): YYYYMMDDhhmmss with a zone, as far as they are known."""

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone
from functools import cache
from typing import NamedTuple

_FORM = re.compile(  # year, month, day, hour, minute, second; zone
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.[0-9]{1,6})?)?)?)?)?)?"
    r"([+-][0-9]{4})?"
)
_FIRST = (MINYEAR, 1, 1, 0, 0, 0)  # what is not told begins
_FARTHEST = timedelta(hours=14)


class Moment(NamedTuple):
    """``earliest`` with a zone (UTC when the text has none); ``pieces``: how many of year to second it tells."""

    earliest: datetime
    pieces: int
    zoned: bool


def read(text: str) -> Moment | None:
    """The moment that a TS tells, or None when there is no such form or no such day in the calendar."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    *texts, zone = found.groups()
    numbers = [int(text) for text in texts if text]
    year, month, day, hour, minute, second = (*numbers, *_FIRST[len(numbers) :])
    try:
        earliest = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
        if year in (MINYEAR, MAXYEAR):  # which may have a zone too far
            earliest.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return Moment(earliest, len(numbers), zone is not None)


def is_partial(text: str) -> bool:
    """Whether a date tells a year and zeros for what is not known: found in old files, and no TS."""
    return re.fullmatch(r"[12][0-9]{3}(?:0000|(?:0[1-9]|1[0-2])00)", text) is not None


@cache  # of some thousand there are; what raises is not kept
def _zone(text: str | None) -> timezone:
    """Raises ValueError for a zone that is nowhere."""
    if text is None:
        return UTC
    distance = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    if int(text[3:]) > 59 or distance > _FARTHEST:
        raise ValueError(text)
    return timezone(-distance if text[0] == "-" else distance)
