"""What the trust folder tells of the last time that the white list was asked for."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssgw.flow.white_list import RETRY

_CLOSE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """``answered`` False: nothing came, or not yet."""

    at: datetime
    answered: bool


def last_try(folder: Path, poll: timedelta) -> Try | None:
    """None: never asked, or the folder cannot be read.

    The keeper dates its mark back until an answer has come, so that a try without one is repeated after RETRY: then
    the mark is that much older than the moment in which it was made.
    """
    try:
        status = os.stat(folder / "tried")
    except OSError:
        return None
    dated, made = (datetime.fromtimestamp(each, UTC) for each in (status.st_mtime, status.st_ctime))
    back = poll - min(RETRY, poll)
    if back > _CLOSE and abs(made - dated - back) < _CLOSE:
        return Try(at=made, answered=False)
    return Try(at=dated, answered=True)
