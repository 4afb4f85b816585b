"""Telling a full disk from a broken one: the first is 452 4.3.1, and no defect of ours."""

import errno
import tempfile
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROBE = 32_768  # octets, as SQLite asks for at once


def is_full(error: OSError) -> bool:
    """Whether that is why it failed."""
    return error.errno in FULL


def takes_nothing(folder: Path) -> bool:
    """Whether a file can be neither made nor filled there now, for want of space. Blocks; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(bytes(_PROBE))
    except OSError as error:
        return is_full(error)
    return False
