"""Lines that a stranger can cause without end: the first of each minute and address are told, the others counted.

Thousands of failed handshakes a second would fill a disk in an hour, and have journald drop the lines that matter.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

TOLD = 5  # lines of a kind about one address in a period
PERIOD = 60.0  # seconds
_ADDRESSES = 4_096  # remembered; the one that was heard of longest ago is forgotten first


@dataclass(slots=True)
class _Heard:
    since: float
    lines: int = 0
    untold: int = 0


class Flood:
    """What was told lately, of this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._heard: OrderedDict[tuple[str, str], _Heard] = OrderedDict()

    def tell(self, kind: str, peer: str) -> int | None:
        """None: not this line. Else how many like it were left out since the last that was told."""
        now = self._now()
        heard = self._heard.setdefault((kind, peer), _Heard(now))
        self._heard.move_to_end((kind, peer))
        if len(self._heard) > _ADDRESSES:
            self._heard.popitem(last=False)
        if now - heard.since >= PERIOD:
            heard.since, heard.lines = now, 0
        heard.lines += 1
        if heard.lines > TOLD:
            heard.untold += 1
            return None
        untold, heard.untold = heard.untold, 0
        return untold
