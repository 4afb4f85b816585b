"""Since when threads have been at what letters wait for."""

import time
from threading import get_ident


class UnderWay:
    """One for each database, told by threads and asked from any other."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def begin(self) -> None:
        """This thread begins what a letter waits for."""
        self._since[get_ident()] = time.monotonic()

    def end(self) -> None:
        """It is done, well or not; nothing when there was nothing."""
        self._since.pop(get_ident(), None)

    @property
    def longest(self) -> float:
        """Seconds since the first of them began; 0.0 when there are none."""
        since = list(self._since.values())
        return time.monotonic() - min(since) if since else 0.0
