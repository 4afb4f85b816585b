"""The command line ``mssgw``: one room for each command group."""

import gc
import os
import sys

from mssgw.app import signals


def _open_what_was_closed() -> None:
    """Standard streams that whoever started us closed (`>&-`): their numbers must not go to files of ours."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


_open_what_was_closed()  # before any file is opened

signals.hold_if_serving(sys.argv)  # before the rest is loaded, which takes its time

gc.disable()  # what is loaded stays: to look through it for cycles meanwhile takes a sixteenth of the time
from mssgw.app.cli.root import main  # noqa: E402 - see above

gc.enable()

__all__ = ["main"]
