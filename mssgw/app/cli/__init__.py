"""The command line ``mssgw``: one room for each command group."""

import sys

from mssgw.app import signals

signals.hold_if_serving(sys.argv)  # before the rest is loaded, which takes its time

from mssgw.app.cli.root import main  # noqa: E402 - see above

__all__ = ["main"]
