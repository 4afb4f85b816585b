"""Queue, conversations and journal: what is kept, and how the flow asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mssgw.core.addresses import Address
from mssgw.core.closing import Silence
from mssgw.core.conversation import Conversation, Pair
from mssgw.core.delivery import Delivery, Lease, Outcome
from mssgw.core.directory import Word
from mssgw.core.envelope import Envelope
from mssgw.core.errors import StoreUnavailable
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.message import AccountState
from mssgw.core.notifying import Notification
from mssgw.core.unopened import Unopened
from mssgw.core.verdict import Verdict
from mssgw.ports.acceptance import Acceptance
from mssgw.ports.bodies import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What accept asks about each pair of a message: one look-up for all.

    ``thread``: Message-IDs that the letter answers (SD-3). ``receipt_for``: Original-Message-ID of an MDN (SD-4).
    ``directory``: also what the directory says of the mailboxes.
    """

    pairs: tuple[Pair, ...]
    thread: tuple[str, ...] = ()
    receipt_for: str | None = None
    directory: bool = False

    @property
    def is_about_pairs_alone(self) -> bool:
        """Neither letters nor the directory are to be looked up."""
        return not (self.thread or self.receipt_for or self.directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The answer for one pair; see Exchange for the meaning of each field. ``word``: None when it was not asked for."""

    conversation: Conversation = Conversation()
    in_closed_thread: bool = False
    receipt_due: bool = False
    account: AccountState | None = None
    word: Word | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as it rests: what delivery, notices and ``queue show`` need."""

    spool_id: str
    envelope: Envelope
    facts: Facts
    verdict: Verdict
    body: Body
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The outcome of one attempt, fenced: it counts only while ``lease`` still owns the delivery.

    ``after`` is the delivery as it is from now on (state, attempts, due_at, warned, last_reply). ``notify``: whose
    readers are to be told of it (NotificationQueue). ``unopened``: whose opening is waited for (UnopenedLetters).
    """

    after: Delivery
    lease: Lease
    outcome: Outcome
    entries: tuple[Entry, ...] = ()
    notify: Notification | None = None
    unopened: Unopened | None = None


class Conflict(Exception):
    """The facts changed between look-up and commit; take them again and decide again."""


class HalfSettled(StoreUnavailable):
    """The store failed between outcomes: some were recorded, others not."""

    def __init__(self, why: str, kept: Sequence[bool | None]) -> None:
        """``kept``: what settle() would have given, and None for each that was not recorded."""
        super().__init__(why)
        self.kept = kept


class Store(Protocol):
    """Queue, conversations and journal behind one durable commit. Times are aware UTC datetimes."""

    async def know(self, question: Question) -> Sequence[Known]:
        """What is known of each pair, in the order asked. Includes everything committed before the call."""

    def alias(self, address: Address) -> str:
        """A short keyed hash that stands for the address in logs; ``trace`` takes it too."""

    async def free_node(self, node: str) -> None:
        """Give back all leases whose token begins with ``node.``: those of our own earlier incarnations."""

    async def strike(self, letter: str, now: datetime) -> int:
        """Count one more inspection time-out of this letter and return the count so far (SD-10).

        ``letter``: its Message-ID, or what stands in for one; kept as keyed hash, as long as the trace.
        """

    async def accept(self, acceptance: Acceptance) -> None:
        """Keep it all, durably, before returning.

        Raises Conflict when a receipt was already counted meanwhile, or a conversation was closed on which a patient
        writes; AlreadyCollected.
        """

    async def note(self, entries: Sequence[Entry]) -> None:
        """Journal lines that belong to no commit: refusals. May be durable a little later."""

    async def claim(self, *, now: datetime, lease: Lease, limit: int, lapsed: bool = True) -> Sequence[Delivery]:
        """Take up to ``limit`` due deliveries that nobody holds, oldest due first; those whose lease lapsed as well,
        unless ``lapsed`` is false."""

    async def domains_due(self, *, now: datetime, lapsed: bool = True) -> Sequence[str]:
        """The domains of all that claim() may take, each once, that of the oldest due first."""

    async def claim_for(
        self, domains: Sequence[str], *, now: datetime, lease: Lease, limit: int, lapsed: bool = True
    ) -> Sequence[Delivery]:
        """As claim(), up to ``limit`` for each of these domains, and for no other."""

    async def load(self, spool_id: str) -> Stored:
        """Raises Gone when unknown or erased, Undecryptable when the key or the bytes do not fit."""

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        """Record outcomes; False for one whose lease had lapsed and passed to somebody else: nothing was kept.

        Raises HalfSettled when there are such answers for some only, to be settled no more: they end the lease.
        """

    async def renew(self, tokens: Sequence[str], until: datetime) -> None:
        """Let the leases of these tokens that still own something last until then."""

    async def set_aside(self, spool_id: str, entry: Entry) -> None:
        """Hold all open deliveries of a message that cannot be read, so that the rest goes on."""

    async def next_due(self) -> datetime | None:
        """When the earliest queued delivery is due or its lease lapses; None when none waits."""

    async def erase_finished(self, *, now: datetime) -> Sequence[str]:
        """Erase key, body, envelope and facts of messages whose deliveries are all final; return their ids.

        When it returns, the wrapped keys are in neither database nor WAL.
        """

    async def leads(self) -> bool:
        """Whether what one process does for all, such as sweeping, is this one's task."""

    async def close_silent(self, silences: Sequence[Silence], *, now: datetime) -> int:
        """Close the exchanges that fell silent (core.closing.is_silent) as a FIN would, with a journal line each.

        Some at a time, so that letters get in between. Returns how many; 0 where another process leads.
        """

    async def forget(self, *, before: datetime) -> int:
        """Delete journal lines, letters and closed conversations from before that time (TRC-2); return how many."""
