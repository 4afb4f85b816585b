"""The demo's Dovecot with the accounts of the tests."""

import os

import pytest

from demo.dovecot import MASTER, MASTER_PASSWORD, missing
from demo.dovecot import DovecotStore as AnyDovecot
from tests.peers.mail_store import SMALL, MailStore

__all__ = ["MASTER", "MASTER_PASSWORD", "DovecotStore", "missing", "required"]


def required() -> None:
    """Skip where Dovecot is missing; fail under CI, which installs it."""
    if (why := missing()) is not None:
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


class DovecotStore(MailStore, AnyDovecot):
    """SMALL has a quota."""

    def __init__(self, *accounts: str, more: str = "") -> None:
        """``more``: further lines of dovecot.conf."""
        super().__init__(*accounts, more=more, quotas={SMALL: 40_000})
