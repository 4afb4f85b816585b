"""A private pymap on loopback: an IMAP server of another make, in Python, that keeps mail in memory. STARTTLS only.

It differs from Dovecot: no keywords, other orders and forms of answers. What it held is gone when it stops.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from demo.mail_store import MailStore

ACCOUNTS_FILE = "--accounts-file"
ROOT = Path(__file__).parents[1]


class PymapStore(MailStore):
    """pymap in a process of its own."""

    name = "pymap"

    def command(self) -> Sequence[str | Path]:
        accounts = self.home / "accounts"
        accounts.write_text("\n".join(self.accounts))
        listener = ("--host", "127.0.0.1", "--port", str(self.port), "--cert", self.chain, "--key", self.key)
        start = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); "
        start += "runpy.run_module('demo.pymap_serve', run_name='__main__', alter_sys=True)"
        return (sys.executable, "-c", start, *listener, "accounts", ACCOUNTS_FILE, accounts)
