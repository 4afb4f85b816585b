"""The way into one mail store for many mailboxes: while it is down, or lets nobody in, they wait for it together.

Each mailbox is an account of its own, yet all are opened by one master login: what refuses that refuses them all, and
is not tried for each, lest it be locked.
"""

import asyncio
import random
from dataclasses import dataclass

from mssgw.ports import Telemetry
from mssgw.ports.mailbox import MailboxTrouble

LOST, SHUT = (5.0, 300.0), (300.0, 3_600.0)  # seconds until the next try, first and longest
REFUSED = 3  # mailboxes in a row: then it is not about them
ALARM_AT = 3  # tries in a row that failed for a cause that mostly passes


@dataclass(slots=True)
class Pause:
    """Seconds until the next try, twice as many each time."""

    failures: int = 0

    def next(self, span: tuple[float, float]) -> float:
        """``span``: the first and the longest."""
        first, longest = span
        pause: float = min(first * 2 ** min(self.failures, 20), longest)
        self.failures += 1
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that many do not come back at once


class Gate:
    """``name`` stands for the store in the log."""

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self._name, self._telemetry = name, telemetry
        self._until = 0.0
        self._pause = Pause()
        self._refused = 0

    async def passed(self) -> None:
        """Wait as long as it is shut."""
        while (left := self._until - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - it may be shut anew
            await asyncio.sleep(left)

    def entered(self) -> None:
        """Somebody is in: it is open."""
        self._pause.failures = self._refused = 0

    def lost(self, error: MailboxTrouble) -> None:
        """The store cannot be reached."""
        if self._is_shut:  # by somebody who tried at the same time
            return
        seconds, alarm = self._shut(LOST), self._pause.failures >= ALARM_AT
        self._telemetry.event(
            "receipts.unreachable", alarm=alarm, route=self._name, error=str(error), again_in=round(seconds)
        )

    def distrusted(self, error: MailboxTrouble) -> None:
        """The store is not who it should be, or lets nobody in."""
        if self._is_shut:
            return
        seconds = self._shut(SHUT)
        self._telemetry.event(
            "receipts.shut_out", alarm=True, route=self._name, error=str(error), again_in=round(seconds)
        )

    def refused(self, error: MailboxTrouble) -> None:
        """One mailbox was refused us: it may not be there, or our login may be wrong."""
        self._refused += 1
        if self._refused >= REFUSED:
            self._refused = 0
            self.distrusted(error)

    @property
    def _is_shut(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    def _shut(self, span: tuple[float, float]) -> float:
        seconds = self._pause.next(span)
        self._until = asyncio.get_running_loop().time() + seconds
        return seconds
