"""The demo's IMAP servers with the accounts of the tests: one for each test, so that none has to be emptied.

``DovecotStore`` (dovecot.py) and ``PymapStore`` (pymap.py) are such stores, so that nothing is fitted to one of them.
"""

from typing import Any

from demo.mail_store import HOST, LIMIT, PASSWORD
from demo.mail_store import MailStore as AnyMailStore

__all__ = ["ACCOUNTS", "HOST", "LIMIT", "PASSWORD", "PATIENT", "PHARMACY", "SMALL", "SPARE", "MailStore"]

PHARMACY = "officine@pharmacie.example"
PATIENT = "279035121518989@patient.mssante.fr"
SMALL = "pleine@pharmacie.example"  # may hold 40 kB, where the store knows quotas at all
SPARE = tuple(f"bal{number:03}@pharmacie.example" for number in range(300))
ACCOUNTS = (PHARMACY, PATIENT, SMALL, *SPARE)


class MailStore(AnyMailStore):
    """``fresh`` gives accounts that nobody used before."""

    def __init__(self, *accounts: str, **more: Any) -> None:
        """``accounts``: further ones beside ACCOUNTS."""
        super().__init__(*ACCOUNTS, *accounts, **more)
        self._spare = iter(SPARE)

    def fresh(self) -> str:
        """An account that nobody used before."""
        return next(self._spare)
