"""What an operator asks of the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mssgw.core.addresses import Address
from mssgw.core.conversation import Move, Pair, State
from mssgw.core.correspondents import Traffic
from mssgw.core.delivery import Delivery
from mssgw.core.journal import Entry
from mssgw.core.replies import Reply
from mssgw.ports.acceptance import NoticeSeen, ReceiptSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One line of ``queue list``. ``sender`` None is ``<>``; ``held_because``: the rule that holds it, or "".

    ``accepted_at``: when the letter got its 250; its delivery's ``created_at`` begins anew at each release.
    """

    delivery: Delivery
    sender: Address | None
    size: int
    leased: bool
    held_because: str = ""
    accepted_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """From when its age counts; of a letter whose row is damaged, from the last release."""
        return self.accepted_at or self.delivery.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """One line of ``conversation list``. ``pair.bal`` None: an opposition of the patient to all mailboxes."""

    patient: Address
    bal: Address | None
    state: State
    since: datetime | None
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadRow:
    """A letter to a patient that asked for a read receipt and has none.

    ``receipt_to``: who asked to be told; the alias of an address that nothing else here names. ``delivered_at`` None:
    it waits or is held. ``account``: what a notice said of the patient's account in answer to it. ``sender`` and
    ``patient`` None: the journal line is damaged.
    """

    spool_id: str
    sent_at: datetime
    sender: Address | None
    patient: Address | None
    receipt_to: tuple[Address | str, ...]
    delivered_at: datetime | None = None
    account: str = ""


@dataclass(frozen=True, slots=True)
class UnreadCount:
    """How many such letters there are; ``fresh``: how many of them came of age since a given moment."""

    total: int = 0
    fresh: int = 0


class Desk(Protocol):
    """What an operator does to the store from the command line, beside a running daemon.

    Every change is journalled with ``operator``, the system user. Ids that match nothing are ignored; calls that
    change say what they changed.
    """

    async def queue(
        self, *, limit: int, state: str | None = None, domain: str | None = None, spool_id: str | None = None
    ) -> Sequence[QueueRow]:
        """Deliveries that are not final (or of that state), oldest due first."""

    async def retry(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        """Make queued deliveries due now; no ids: all. Returns how many."""

    async def hold(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        """Hold queued deliveries that no one is sending at this moment."""

    async def release(
        self,
        spool_id: str,
        *,
        operator: str,
        now: datetime,
        moves: Sequence[Move],
        receipt: ReceiptSeen | None = None,
        notice: NoticeSeen | None = None,
        entries: Sequence[Entry] = (),
    ) -> int:
        """Queue a held message's deliveries as if created now; record, once, what waited for that (SD-10).

        ``receipt``, ``notice`` and ``entries``: as in Acceptance. Raises Conflict when the receipt was already counted
        meanwhile, or a move is not legal any more.
        """

    async def bounce(self, spool_id: str, *, operator: str, now: datetime, reply: Reply) -> int:
        """Put the open deliveries of a message that no one is sending, held ones too, in BOUNCED; how many.

        The caller has kept the notice to the sender before.
        """

    async def mend(self, *, operator: str, now: datetime) -> int:
        """Hold the deliveries of kept letters that the store has lost, with a damaged page; returns how many.

        One whose end the journal knows ends so again. The caller is alone with the store.
        """

    async def conversations(
        self, *, limit: int, patient: Address | None = None, bal: Address | None = None, state: State | None = None
    ) -> Sequence[ConversationRow]:
        """Pairs and oppositions, latest change first."""

    async def set_state(
        self, pairs: Sequence[tuple[Pair, State, datetime]], *, operator: str, only_absent: bool
    ) -> int:
        """Put pairs in a state, whatever it was; with ``only_absent`` known pairs stay as they are (import).

        Closing puts the letters of the pair in closed threads (SD-3). Returns how many pairs changed.
        """

    async def set_block(
        self, patient: Address, bal: Address | None, *, blocked: bool, operator: str, now: datetime
    ) -> bool:
        """Record or lift an opposition (SD-12), of all mailboxes when ``bal`` is None; False when it stood so."""

    async def trace(
        self,
        *,
        spool_id: str | None = None,
        message_id: str | None = None,
        address: Address | None = None,
        alias: str | None = None,
        limit: int,
    ) -> Sequence[Entry]:
        """Journal lines by queue id, Message-ID, address (sender or recipient) or its alias.

        The latest ``limit`` of them, oldest first.
        """

    async def unread(
        self, *, before: datetime, limit: int, sender: Address | None = None, domain: str | None = None
    ) -> Sequence[UnreadRow]:
        """Letters from before that time which asked for a receipt and have none, latest first (MDN-2).

        One for each patient. Not those that bounced: their senders were told. ``domain``: of the sender.
        """

    async def count_unread(self, *, before: datetime, fresh_since: datetime) -> UnreadCount:
        """How many there are; as fresh count those not from before ``fresh_since``. Does not hold up letters."""

    async def traffic(self, *, since: datetime) -> Sequence[Traffic]:
        """What was accepted and delivered since then, between which domains. Reads every line of that time."""

    async def rotate(self, new_key: bytes) -> int:
        """Re-wrap every key under a new 32-byte master key, in one transaction; returns how many were re-wrapped.

        Raises CommitInDoubt when either key may be the store's, else StoreUnavailable: the old one is.
        """
