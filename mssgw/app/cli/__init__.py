"""The command line ``mssgw``: one room for each command group."""

import gc
import sys

from mssgw.app import signals

signals.hold_if_serving(sys.argv)  # before the rest is loaded, which takes its time

gc.disable()  # what is loaded stays: to look through it for cycles meanwhile takes a sixteenth of the time
from mssgw.app.cli.root import main  # noqa: E402 - see above

gc.enable()

__all__ = ["main"]
