"""The command line ``mssgw``: one room for each command group."""

from mssgw.app.cli.root import main

__all__ = ["main"]
