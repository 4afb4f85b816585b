"""The demo's pymap with the accounts of the tests."""

from demo.pymap import PymapStore as AnyPymap
from tests.peers.mail_store import MailStore

__all__ = ["PymapStore"]


class PymapStore(MailStore, AnyPymap):
    """pymap in a process of its own."""
