"""One spool file on disk: written, synced, undone, read. All of it runs in threads."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import FileIO
from pathlib import Path
from threading import Lock

from mssgw.core.errors import Gone, StoreFull, StoreUnavailable, Undecryptable
from mssgw.edges.full_disk import is_full
from mssgw.edges.metering import UNMETERED
from mssgw.edges.vault import SEGMENT_OVERHEAD
from mssgw.ports import Meter

SEGMENT = 262_144  # octets of content in each segment but the last
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY

Check = Callable[[int, Path], None]  # SpoolFolders.check


class SpoolFile:
    """A file that is being made. Its methods run in threads, one at a time.

    The lock is for a sink that was cancelled: the thread it no longer waits for must have ended before the descriptor
    is closed, or it would write into whichever file gets that descriptor next.

    ``restore``: makes its folder when that is missing. ``check``: see SpoolFolders.
    """

    def __init__(self, path: Path, restore: Callable[[], None], check: Check, meter: Meter = UNMETERED) -> None:
        self._path, self._restore, self._check, self._meter = path, restore, check, meter
        self._lock = Lock()
        self._descriptor: int | None = None
        self._made = self._over = False

    def append(self, sealed: Sequence[bytes]) -> None:
        started = time.monotonic()
        with self._lock, self._counted():
            self._write(sealed)
        self._meter.observe("spool.write", time.monotonic() - started)

    def finish(self, sealed: Sequence[bytes]) -> None:
        """Write the rest and make file and name durable: the name is so only when its directory is.

        There always is a rest, so that the age of the file counts from here: the commit follows.
        Raises when the name is no longer this file's, or lies in what stands in the spool's place: a 250 must not be
        given for what nobody finds again.
        """
        started = time.monotonic()
        with self._lock, self._counted():
            self._write(sealed)
            if self._descriptor is not None:
                os.fsync(self._descriptor)
                sync_directory(self._path.parent)
                self._check(self._descriptor, self._path)
                self._close()
        self._meter.observe("spool.sync", time.monotonic() - started)
        self._meter.count("body", "kept")

    def undo(self) -> None:
        """Remove what was made; nothing more will be."""
        with self._lock:
            self._over = True
            self._close()
            if self._made:
                os.unlink(self._path)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """A full disk is told by its own check: there a small body may still be kept, and the next large one not."""
        try:
            yield
        except (OSError, StoreUnavailable) as error:
            if not (isinstance(error, OSError) and is_full(error)):
                self._meter.count("body", "failed")
            raise

    def _write(self, sealed: Sequence[bytes]) -> None:
        if self._over:
            return
        if self._descriptor is None:
            self._descriptor = self._create()
            self._made = True
        for segment in sealed:
            rest = memoryview(segment)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def _create(self) -> int:
        try:
            return os.open(self._path, _NEW, 0o600)
        except FileNotFoundError:
            self._restore()
            return os.open(self._path, _NEW, 0o600)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def open_whole(path: Path, wire_size: int, count: int, check: Check) -> FileIO:
    """Open a file that has the length it must have: a cut is seen before the first octet goes out.

    Raises Gone when it is missing from its folder; FileNotFoundError when that is missing, and as ``check`` when it is
    not the spool's: one that was moved or is not mounted comes back, and its letters with it. Raises Undecryptable when
    it was changed.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        file = FileIO(path.name, opener=partial(os.open, dir_fd=folder))
    except FileNotFoundError:
        check(folder, path.parent)
        raise Gone("the spool file is missing") from None
    finally:
        os.close(folder)
    if os.fstat(file.fileno()).st_size != wire_size + count * SEGMENT_OVERHEAD:
        file.close()
        raise Undecryptable("a spool file has the wrong length: it was changed")
    return file


def read_segments(file: FileIO, start: int, count: int) -> Sequence[bytes]:
    length = SEGMENT + SEGMENT_OVERHEAD
    data = os.pread(file.fileno(), count * length, start * length)
    return [data[at : at + length] for at in range(0, len(data), length)]


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def failure(error: OSError, folder: Path) -> StoreUnavailable:
    """Without the file's path: its name is an id, and errors end in logs. ``folder``: all of the spool."""
    if is_full(error):
        return StoreFull("the disk of the spool is full")
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    ours = f": is all in {folder} ours? ls -l, chown -R mssgw:" if isinstance(error, PermissionError) else ""
    return StoreUnavailable(f"the spool failed: {name}{ours}")
