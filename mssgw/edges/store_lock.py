"""Who has the store open: the daemon and commands share it, ``key rotate`` wants it alone.

A process keeps the master key in memory. One that went on wrapping under the old key after a rotation would make
letters that nobody can read any more; so whoever opens the store holds this lock as long as it has it open. The
kernel frees it with its process, ``kill -9`` included, so that there is nothing stale to clean up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mssgw.core.errors import StoreBusy, StoreUnavailable


@contextmanager
def store_lock(state_dir: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold the lock of that state directory, in company or alone; never waits.

    Raises StoreBusy when somebody else works alone, or, with ``alone``, when anybody has the store open;
    StoreUnavailable when the lock file cannot be opened.
    """
    try:
        # 0o660: the daemon's user and an administrator in its group both open it.
        descriptor = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise StoreUnavailable(f"{state_dir / 'lock'}: {error.strerror}") from error
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
