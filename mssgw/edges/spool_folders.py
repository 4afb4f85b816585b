"""The folders of the spool: made at the start, and anew when they were deleted."""

import errno
import os
import zlib
from pathlib import Path
from threading import Lock

from mssgw.edges.spool_disk import sync_directory


class SpoolFolders:
    """``directory/xx``, 0700. What is here blocks and raises OSError.

    The directory is held open: so one that was deleted is told from one that is elsewhere for a while (moved, not
    mounted). In whatever stands in the place of that one nothing is made: letters in there, answered with 250, would be
    out of sight as soon as the spool is back.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, self._lock = directory, Lock()
        self._make()
        self._held = _opened(directory)

    def path(self, spool_id: str) -> Path:
        """Where the file of that id is."""
        return self._directory / f"{zlib.crc32(spool_id.encode()) & 0xFF:02x}" / spool_id

    def restore(self) -> None:
        """Make what was deleted. Raises FileNotFoundError when the spool is elsewhere."""
        with self._lock:
            held = os.fstat(self._held)
            if held.st_nlink == 0:
                self._make()
                sync_directory(self._directory.parent)
                os.close(self._held)
                self._held = _opened(self._directory)
            elif os.path.samestat(held, os.stat(self._directory)):
                self._make()
            else:
                raise FileNotFoundError(errno.ENOENT, "the spool is elsewhere")

    def close(self) -> None:
        with self._lock:
            os.close(self._held)

    def _make(self) -> None:
        for place in (self._directory, *(self._directory / f"{number:02x}" for number in range(256))):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(self._directory)


def _opened(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
