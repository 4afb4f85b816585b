"""The journal: one line for each thing that happened to a letter (TRC-1), append-only, kept 12 months by default."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mssgw.core.addresses import Address
from mssgw.core.replies import Reply
from mssgw.core.verdict import Finding


class JournalEvent(StrEnum):
    ACCEPTED = "accepted"
    HELD = "held"
    REFUSED = "refused"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    # A notice went to the sender, or a word to the patient's ordinary address; ``detail`` is its queue id behind
    # what it was: failure, delay or success, the AccountState, or new-message.
    NOTIFIED = "notified"
    READ = "read"  # a receipt answers this letter; ``detail`` is its Mdn.outcome
    ACCOUNT = "account"  # a notice of Mon espace santé answers this letter; ``detail`` is the AccountState
    RELEASED = "released"
    ANNOUNCED = "announced"  # the readers of a mailbox were told which letters will be deleted there, and when (TRC-3)
    PURGED = "purged"  # the letter was deleted from the mailbox that we had put it into, as announced
    ERASED = "erased"  # the content is gone for good
    # An operator closed, reopened, blocked, unblocked or imported a pair; without an ``operator``, it closed by itself
    # (core.closing).
    CONVERSATION = "conversation"
    TRUST = "trust"  # an operator accepted a white list by hand; ``detail`` says which, and what came of it
    PATIENT = "patient"  # an operator changed the registry of patients; one of them is the ``recipient``
    DIRECTORY = "directory"  # an operator imported the directory, or set what a mailbox is, the ``recipient``
    UNKNOWN = "unknown"  # read, never written: a line of a later version's node, or one whose event is damaged


WHITE_LIST = "white-list"  # stands for the queue id in a TRUST line: what it is about is no letter
THE_DIRECTORY = "directory"  # the same in a DIRECTORY line
THE_PATIENTS = "patients"  # the same in a PATIENT line


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. ``spool_id`` "" when it is about no letter, or one refused before DATA; refused later, it has one.

    Addresses and ``person`` are sealed at rest and found again by keyed hash; ``detail`` and ``findings`` hold codes,
    never values from the letter. ``operator``: the system user of a command line action.
    """

    at: datetime
    event: JournalEvent
    spool_id: str = ""
    message_id: str | None = None
    sender: Address | None = None
    recipient: Address | None = None
    client: str = ""
    peer: str = ""
    person: str | None = field(default=None, repr=False)
    operator: str = ""
    size: int = 0
    reply: Reply | None = None
    next_hop: str = ""
    detail: str = ""
    findings: tuple[Finding, ...] = ()
