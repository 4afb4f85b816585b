"""How old the directory is: shown, and told in time, for without a recent one patients' first letters wait (WHO-3)."""

import asyncio
from datetime import timedelta

from mssgw.app.telemetry.metrics import Metrics
from mssgw.core.directory import Edition
from mssgw.core.errors import GatewayError
from mssgw.ports import Clock, Directory, Telemetry

LOOK_EVERY = 60.0  # seconds
AGAIN_AFTER = timedelta(hours=24)
NONE = -1.0  # of an age


class DirectoryWatch:
    """One of all workers. ``max_age``: as configured now; None: nobody goes by a directory."""

    def __init__(self, metrics: Metrics, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.max_age: timedelta | None = None
        self._edition: Edition | None = None
        self._age, self._mailboxes = NONE, 0
        self._said, self._quiet = "", timedelta(0)
        metrics.watch("mssgw_directory_age_seconds", "Age of the imported directory; -1: none.", lambda: self._age)
        metrics.watch("mssgw_directory_mailboxes", "Mailboxes in it.", lambda: self._mailboxes)

    async def run(self, directory: Directory, clock: Clock) -> None:
        """Look until cancelled; the first look comes a while after the call."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look(directory, clock)

    async def look(self, directory: Directory, clock: Clock) -> None:
        """Take the age anew, and tell what there is to tell of it; nothing when the store is unavailable."""
        try:
            found = await directory.edition()
        except GatewayError:  # the readiness check says so
            return
        age = found.age(clock.now()) if found is not None else None
        if found is not None and found != self._edition and self.max_age is not None:
            self._telemetry.event("directory.taken", mailboxes=found.mailboxes, pharmacies=found.pharmacies)
        self._edition, self._mailboxes = found, found.mailboxes if found is not None else 0
        self._age = age.total_seconds() if age is not None else NONE
        self._tell(self._trouble(age), age)

    def _trouble(self, age: timedelta | None) -> str:
        if self.max_age is None:
            return ""
        if age is None:
            return "directory.missing"
        if age > self.max_age:
            return "directory.expired"
        return "directory.stale" if age > self.max_age / 2 else ""

    def _tell(self, trouble: str, age: timedelta | None) -> None:
        """Once, and again a day later."""
        self._quiet += timedelta(seconds=LOOK_EVERY)
        if trouble != self._said or self._quiet >= AGAIN_AFTER:
            self._said, self._quiet = trouble, timedelta(0)
            if trouble:
                hours = int(age.total_seconds() // 3600) if age is not None else None
                self._telemetry.event(trouble, alarm=True, hours=hours)
