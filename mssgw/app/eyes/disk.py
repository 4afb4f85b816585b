"""The disk reserve: letters are deferred while some space is still left, so that those accepted can be finished."""

import asyncio
import os
from pathlib import Path

from mssgw.core.replies import DISK_FULL
from mssgw.edges.smtpd_intake import Intake
from mssgw.ports import Telemetry

LOOK_EVERY = 1.0  # seconds
FULL = 2**20  # octets, below which a disk takes next to nothing


class Disk:
    """Watches the free space under ``path``. ``low``: it is below ``reserve``, and DATA is answered 452 4.3.1.

    ``full``: whatever the reserve, hardly a letter can be kept. Short writes may succeed all the same, for the store's
    files have room of their own: it would look well again and again to who only looks at those.
    """

    def __init__(self, path: Path, reserve: int, *, intake: Intake, telemetry: Telemetry) -> None:
        """``reserve`` in octets; 0: never low."""
        self._path, self._intake, self._telemetry = path, intake, telemetry
        self.reserve, self.free, self.low = reserve, 0, False
        self.full = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Measure, and open or close DATA. A disk that cannot be asked counts as before: writing to it will tell."""
        try:
            self.free = await asyncio.to_thread(_free_space, self._path)
        except OSError:
            return
        self.full = self.free < FULL
        # It has to recover by a little more than it lacked, or every letter would open and close DATA anew.
        enough = self.reserve + self.reserve // 20 if self.low else self.reserve
        if (low := self.free < enough) is not self.low:
            self.low = low
            self._intake.refusal = DISK_FULL if low else None
            name = "disk.reserve_reached" if low else "disk.reserve_restored"
            self._telemetry.event(name, alarm=low, free_mib=self.free >> 20, reserve_mib=self.reserve >> 20)


def _free_space(path: Path) -> int:
    """Octets that a user without privileges may still write."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
