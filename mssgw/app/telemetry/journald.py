"""The priority of a line, for ``journalctl --priority``, as sd-daemon(3) has it; journald takes it off the line."""

import os
from typing import TextIO

PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}


def priority(level: str, stream: TextIO) -> str:
    """What stands before a line of that level where journald reads ``stream``, else nothing."""
    return PRIORITIES[level] if reads(stream) else ""


def reads(stream: TextIO) -> bool:
    """Whether journald reads it: systemd says which file that is, for what we write may have been sent elsewhere."""
    try:
        file = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # closed before we began, when it is None, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"
