"""The folders of the spool: made with the store, and anew when they were deleted."""

import contextlib
import errno
import os
import zlib
from pathlib import Path
from threading import Lock

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.spool_disk import failure, sync_directory

_NAMES = tuple(f"{number:02x}" for number in range(256))


def found_spool(directory: Path) -> None:
    """Make the spool of a new store. Blocks; raises StoreUnavailable."""
    try:
        os.close(_made(directory))
    except OSError as error:
        raise failure(error, directory) from None


class SpoolFolders:
    """``directory/xx``, 0700. What is here blocks and raises OSError.

    The directory is held open: so one that was deleted is told from one that is elsewhere for a while (moved, not
    mounted). In whatever stands in the place of that one no folder is made, and no letter counts as kept or as missing:
    those in there will be out of sight, and those of the spool in sight, as soon as it is back.
    """

    def __init__(self, directory: Path) -> None:
        """Raises StoreUnavailable; also when there is no spool, so that none is made in the place of one elsewhere."""
        self._directory, self._lock = directory, Lock()
        try:
            self._held = _opened(directory, new=False)
        except FileNotFoundError:
            anew = f"to go on without its letters: sudo -u mssgw mkdir -p {directory / _NAMES[0]}"
            raise StoreUnavailable(f"no spool in {directory}: was it moved, is its disk mounted? {anew}") from None
        except OSError as error:
            raise failure(error, directory) from None

    def path(self, spool_id: str) -> Path:
        """Where the file of that id is."""
        return self._directory / _NAMES[zlib.crc32(spool_id.encode()) & 0xFF] / spool_id

    def restore(self) -> None:
        """Make what was deleted. Raises StoreUnavailable when the spool is elsewhere."""
        with self._lock:
            self._require_place()
            _fill(self._held)

    def check(self, opened: int, path: Path) -> None:
        """Raise unless what is opened has that path in the spool: StoreUnavailable when the spool is elsewhere.

        It is looked up in the directory that is held, which cannot be exchanged meanwhile.
        """
        with self._lock:
            self._require_place()
            there = os.stat(path.relative_to(self._directory), dir_fd=self._held)
        if not os.path.samestat(there, os.fstat(opened)):
            raise OSError(errno.EIO, "another file has the name")

    def close(self) -> None:
        with self._lock:
            os.close(self._held)

    def _require_place(self) -> None:
        held = os.fstat(self._held)
        if held.st_nlink == 0:  # deleted; another process may have made it anew
            made = _made(self._directory)
            os.close(self._held)
            self._held, held = made, os.fstat(made)
        try:
            if os.path.samestat(held, os.stat(self._directory)):
                return
        except FileNotFoundError:
            pass
        cure = "put it back; what stands in its place is used from the next start"
        raise StoreUnavailable(f"the spool was taken away from {self._directory}: {cure}")


def _made(directory: Path) -> int:
    directory.mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory.parent)
    return _opened(directory, new=True)


def _opened(directory: Path, *, new: bool) -> int:
    """The directory, with all its folders. Raises FileNotFoundError when not one was there, unless it is new."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not new and not set(_NAMES).intersection(os.listdir(opened)):
            raise FileNotFoundError(errno.ENOENT, "a mount point without its disk")
        _fill(opened)
    except BaseException:
        os.close(opened)
        raise
    return opened


def _fill(directory: int) -> None:
    """Below what is held open, wherever that is by now."""
    for name in _NAMES:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=directory)
    os.fsync(directory)
