"""Who has the store open: the daemon and commands share it, ``key rotate`` wants it alone; and which daemon serves.

A process keeps the master key in memory. One that went on wrapping under the old key after a rotation would make
letters that nobody can read any more; so whoever opens the store holds this lock as long as it has it open. The
kernel frees it with its process, ``kill -9`` included, so that there is nothing stale to clean up.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mssgw.core.errors import StoreBusy, StoreUnavailable

_PREDECESSOR = 5.0  # seconds for the workers of a supervisor that was killed to follow it
_LOOK_AGAIN = 0.05


@contextmanager
def store_lock(state_dir: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold the lock of that state directory, in company or alone; never waits.

    Raises StoreBusy when somebody else works alone, or, with ``alone``, when anybody has the store open;
    StoreUnavailable when the lock file cannot be opened.
    """
    descriptor = _opened(state_dir / "lock")
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreBusy(
            "the daemon or another command has the store open: stop it first"
            if alone
            else "the master key is being rotated, or the database copied or mended: try again when that has ended"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def serving_lock(file: Path) -> Iterator[None]:
    """Be the one gateway that serves over what this file stands for; waits for a predecessor that is just ending.

    Processes that are forked meanwhile hold it, too, and need do nothing for that: it is free when the last of them has
    ended, so that no letter is sent by whoever comes next while a worker of before may still be sending it. Programs
    that they start do not. Raises StoreBusy when another gateway serves; StoreUnavailable as store_lock().
    """
    descriptor, end = _opened(file), time.monotonic() + _PREDECESSOR
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    ways = "stop it first, or give each its own state_dir and database"
                    raise StoreBusy(f"another gateway serves here, `fuser -v {file}` names it: {ways}") from None
            time.sleep(_LOOK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    try:
        # 0o660: the daemon's user and an administrator in its group both open it.
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise StoreUnavailable(f"{file}: {error.strerror}{_cure(error, file)}") from error


def _cure(error: OSError, file: Path) -> str:
    if error.errno != errno.EROFS:
        return ""
    return (
        f": its disk is mounted so, or the service's unit opens no such folder: [Service] ReadWritePaths={file.parent}"
    )
