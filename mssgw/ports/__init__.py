"""What the flow asks of the world. ``mssgw/edges`` answers for real, ``mssgw/edges/memory`` for tests.

Contract of every port: tests/contract. Errors are GatewayErrors, Conflict and AlreadyCollected; whatever a store
raises, nothing was kept, but for HalfSettled and CommitInDoubt, which say otherwise.
"""

from mssgw.ports.acceptance import Acceptance, Letter, NoticeSeen, ReceiptSeen
from mssgw.ports.bodies import INLINE_LIMIT, Body
from mssgw.ports.clock import Clock
from mssgw.ports.collecting import AlreadyCollected, Collected, CollectedLetters
from mssgw.ports.desk import ConversationRow, Desk, QueueRow, UnreadCount, UnreadRow
from mssgw.ports.directory import Directory
from mssgw.ports.leases import LeaseBook
from mssgw.ports.mailbox import Account, Mailbox, Mailboxes
from mssgw.ports.notifying import Hooks, NotificationQueue, Untold
from mssgw.ports.patients import Patients
from mssgw.ports.reception import LetterIn, Login, PatientDoor, Reception
from mssgw.ports.retention import Purges
from mssgw.ports.spool import BodySink, Spool
from mssgw.ports.store import Conflict, HalfSettled, Known, Question, Settlement, Store, Stored
from mssgw.ports.telemetry import Meter, Telemetry
from mssgw.ports.transport import StillOurs, Transport, always
from mssgw.ports.trust import Revocation, Source, Trust
from mssgw.ports.unopened import UnopenedLetters
from mssgw.ports.validators import Validators
from mssgw.ports.vitals import Census, Vitals

__all__ = [
    "INLINE_LIMIT",
    "Acceptance",
    "Account",
    "AlreadyCollected",
    "Body",
    "BodySink",
    "Census",
    "Clock",
    "Collected",
    "CollectedLetters",
    "Conflict",
    "ConversationRow",
    "Desk",
    "Directory",
    "HalfSettled",
    "Hooks",
    "Known",
    "LeaseBook",
    "Letter",
    "LetterIn",
    "Login",
    "Mailbox",
    "Mailboxes",
    "Meter",
    "NoticeSeen",
    "NotificationQueue",
    "PatientDoor",
    "Patients",
    "Purges",
    "Question",
    "QueueRow",
    "ReceiptSeen",
    "Reception",
    "Revocation",
    "Settlement",
    "Source",
    "Spool",
    "StillOurs",
    "Store",
    "Stored",
    "Telemetry",
    "Transport",
    "Trust",
    "UnopenedLetters",
    "UnreadCount",
    "UnreadRow",
    "Untold",
    "Validators",
    "Vitals",
    "always",
]
