"""Letters in mailboxes of patients whose senders asked to be told when they are opened (MDN-2)."""

from dataclasses import dataclass
from datetime import datetime

from mssgw.core.ins import Matricule


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """One letter, for one patient: delivered, and not opened as far as we know. ``number``: of its forward-path.

    ``place``: UIDVALIDITY and UID under which we put it into his inbox; a message is never changed under them, while
    whatever else looks like the letter there may be the patient's own making. None: not known.
    """

    spool_id: str
    number: int
    patient: Matricule
    delivered_at: datetime
    place: tuple[int, int] | None = None

    @property
    def letter_id(self) -> str:
        """By what it is known in the mailbox (X-Mssgw-Id)."""
        return f"{self.spool_id}.{self.number}"
