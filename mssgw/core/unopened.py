"""Letters in mailboxes of patients whose senders asked to be told when they are opened (MDN-2)."""

from dataclasses import dataclass
from datetime import datetime

from mssgw.core.ins import Matricule


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """One letter, for one patient: delivered, and not opened as far as we know. ``number``: of its forward-path."""

    spool_id: str
    number: int
    patient: Matricule
    delivered_at: datetime

    @property
    def letter_id(self) -> str:
        """By what it is known in the mailbox (X-Mssgw-Id)."""
        return f"{self.spool_id}.{self.number}"
