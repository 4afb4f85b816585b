"""What the flow asks of the world. ``mssgw/edges`` answers for real, ``mssgw/edges/memory.py`` for tests.

Contract of every port: tests/contract. Errors are GatewayErrors, and Conflict; whatever a store raises, nothing was
kept.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.conversation import Conversation, Move, Pair, State
from mssgw.core.delivery import Delivery, Lease, Outcome
from mssgw.core.envelope import Envelope, ForwardPath, Role
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.message import AccountState
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.core.verdict import Verdict

INLINE_LIMIT = 65_536  # octets of wire form that stay in the row; more goes to a spool file


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The bytes of a message in wire form: CRLF and dot-stuffed as received, without the final ``.CRLF``.

    ``size`` counts octets without stuffed dots (SD-1); ``wire_size`` counts them all. ``key`` is the 32-byte data key
    under which they rest. Up to INLINE_LIMIT the bytes are ``inline`` and the store keeps them encrypted in the row;
    beyond, they are in the spool file of that id, already synced. ``hot`` is a copy of a large body's segments while
    memory allows, so that a healthy letter is never read back.
    """

    spool_id: str
    key: bytes = field(repr=False)
    size: int
    wire_size: int
    inline: bytes | None = field(default=None, repr=False)
    hot: tuple[bytes, ...] | None = field(default=None, repr=False)


class BodySink(Protocol):
    """Takes a message body while DATA runs. close() or discard() ends it; discard() after close() does nothing."""

    async def write(self, chunk: bytes) -> None:
        """Take more wire bytes, any length. Raises StoreFull or StoreUnavailable."""

    async def close(self, *, size: int) -> Body:
        """Make the bytes durable (file and directory synced) and say where they are. ``size``: see Body."""

    async def discard(self) -> None:
        """Forget the bytes. Never raises."""


class Spool(Protocol):
    """Message bodies at rest, each under its own data key."""

    def create(self, spool_id: str) -> BodySink: ...

    def read(self, body: Body) -> AsyncIterator[bytes]:
        """The wire bytes in segments. Raises Gone when the file is missing, Undecryptable when it was changed."""

    async def remove(self, spool_id: str) -> None:
        """Remove the file of that id, if there is one."""

    async def sweep(self, known: "Store", *, older_than: float) -> int:
        """Remove files without a row that are older than so many seconds: garbage of a crash, never a letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What accept asks about each pair of a message: one look-up for all.

    ``thread``: Message-IDs that the letter answers (SD-3). ``receipt_for``: Original-Message-ID of an MDN (SD-4).
    """

    pairs: tuple[Pair, ...]
    thread: tuple[str, ...] = ()
    receipt_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The answer for one pair; see Exchange for the meaning of each field."""

    conversation: Conversation = Conversation()
    in_closed_thread: bool = False
    receipt_due: bool = False
    account: AccountState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter worth remembering on a pair, as long as the trace: for replies, receipts and notices.

    ``receipt_to``: keys of Disposition-Notification-To addresses. Message-ID and subject are kept as keyed hashes.
    ``closes``: it carries FIN, so it and all earlier letters of the pair now belong to closed threads (SD-3).
    """

    pair: Pair
    message_id: str | None
    subject: str = field(default="", repr=False)
    receipt_to: tuple[str, ...] = ()
    closes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptSeen:
    """An MDN that answers a letter: counts once per letter and patient (SD-4)."""

    patient: Address
    original_message_id: str
    disposition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSeen:
    """A notice about a patient's account, linked by thread, else by subject and patient (NDR-7)."""

    account: AccountState
    patient: Address | None
    thread: tuple[str, ...] = ()
    subject: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """All that one 250 stands for: kept in one transaction, or not at all.

    ``deliveries`` are leased to ``lease`` when it is given; held ones never are.
    """

    body: Body
    facts: Facts
    verdict: Verdict
    deliveries: tuple[Delivery, ...]
    lease: Lease | None
    letters: tuple[Letter, ...] = ()
    moves: tuple[Move, ...] = ()
    receipt: ReceiptSeen | None = None
    notice: NoticeSeen | None = None
    entries: tuple[Entry, ...] = ()


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

    ``after`` is the delivery as it is from now on (state, attempts, due_at, warned, last_reply).
    """

    after: Delivery
    lease: Lease
    outcome: Outcome
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """One line of ``conversation list``. ``pair.bal`` None: an opposition of the patient to all mailboxes."""

    patient: Address
    bal: Address | None
    state: State
    since: datetime | None
    blocked: bool


class Store(Protocol):
    """Queue, conversations and journal behind one durable commit. Times are aware UTC datetimes."""

    async def know(self, question: Question) -> Sequence[Known]:
        """What is known of each pair, in the order asked. Includes everything committed before the call."""

    def alias(self, address: Address) -> str:
        """A short keyed hash that stands for the address in logs; ``trace`` takes it too."""

    async def free_node(self, node: str) -> None:
        """Give back all leases whose token begins with ``node.``: those of our own earlier incarnations."""

    async def strike(self, message_id: str, now: datetime) -> int:
        """Count one more inspection time-out of this Message-ID and return the count so far (SD-10)."""

    async def accept(self, acceptance: Acceptance) -> None:
        """Keep it all, durably, before returning. Raises Conflict when a receipt was already counted meanwhile."""

    async def note(self, entries: Sequence[Entry]) -> None:
        """Journal lines that belong to no commit: refusals. May be durable a little later."""

    async def claim(self, *, now: datetime, lease: Lease, limit: int) -> Sequence[Delivery]:
        """Take up to ``limit`` due deliveries that nobody holds, oldest due first."""

    async def load(self, spool_id: str) -> Stored:
        """Raises Gone when unknown or erased, Undecryptable when the key or the bytes do not fit."""

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        """Record outcomes; False for one whose lease had lapsed and passed to somebody else: nothing was kept."""

    async def renew(self, tokens: Sequence[str], until: datetime) -> None:
        """Let the leases of these tokens that still own something last until then."""

    async def free(self, tokens: Sequence[str]) -> None:
        """Give leases back: their deliveries are due as before."""

    async def set_aside(self, spool_id: str, entry: Entry) -> None:
        """Hold all open deliveries of a message that cannot be read, so that the rest goes on."""

    async def next_due(self) -> datetime | None:
        """When the earliest queued delivery is due or its lease lapses; None when none waits."""

    async def erase_finished(self, *, now: datetime) -> Sequence[str]:
        """Erase key, body, envelope and facts of messages whose deliveries are all final; return their ids.

        When it returns, the wrapped keys are in neither database nor WAL.
        """

    async def forget(self, *, before: datetime) -> int:
        """Delete journal lines, letters and closed conversations from before that time (TRC-2); return how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One line of ``queue list``. ``sender`` None is ``<>``; ``held_because``: the rule that holds it, or ""."""

    delivery: Delivery
    sender: Address | None
    size: int
    leased: bool
    held_because: str = ""


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

    async def release(self, spool_id: str, *, operator: str, now: datetime, moves: Sequence[Move]) -> int:
        """Queue a held message's deliveries as if created now, and record the moves that waited for it (SD-10)."""

    async def bounce(self, spool_id: str, *, operator: str, now: datetime, reply: Reply) -> int:
        """Put the open deliveries of a message that no one is sending, held ones too, in BOUNCED; how many.

        The caller has kept the notice to the sender before.
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
        """Journal lines by queue id, Message-ID, address (sender or recipient) or its alias, oldest first."""

    async def rotate(self, new_key: bytes) -> int:
        """Re-wrap every key under a new 32-byte master key, in one transaction; returns how many were re-wrapped."""


class LetterIn(Protocol):
    """One message during DATA. Exactly one of end() and abort() ends it."""

    async def write(self, chunk: bytes) -> None:
        """Wire bytes as received (dot-stuffed, CRLF), any length. Raises GatewayError: stop, and answer its reply."""

    async def end(self, *, size: int) -> Reply:
        """Decide and keep; the reply to the final dot. ``size``: octets without stuffed dots.

        2xx means durable. Not to be cancelled: shield it, for the commit outlives a client that has gone.
        """

    async def abort(self, reply: Reply | None = None) -> None:
        """Forget it: the client left, or the edge refused with ``reply``, which is then journalled if it can be.

        Raises no GatewayError: the rest of the message is still to be read.
        """


class Reception(Protocol):
    """What inbound edges call, in the order of an SMTP dialogue. A Reply refuses; None lets the dialogue go on."""

    def client_at(self, role: Role, peer: str) -> Client | None:
        """The client whose networks hold this IP address, on a listener of that role."""

    async def authenticate(self, role: Role, login: str, password: str) -> Client | None:
        """The client that this login speaks for; None when login or password are wrong. Never blocks the loop."""

    async def sender(self, client: Client | None, envelope: Envelope, declared_size: int) -> Reply | None:
        """MAIL FROM; ``envelope`` has no recipients yet. ``declared_size`` 0: none declared."""

    async def recipient(self, client: Client, envelope: Envelope, forward_path: ForwardPath) -> Reply | None:
        """RCPT TO; ``envelope`` holds the recipients accepted so far."""

    def letter(self, client: Client, envelope: Envelope) -> LetterIn:
        """DATA begins."""


class Conflict(Exception):
    """The facts changed between look-up and commit; take them again and decide again."""


class Transport(Protocol):
    """Hands messages to a next hop."""

    async def send(self, route: Route, stored: Stored, deliveries: Sequence[Delivery]) -> Mapping[int, Outcome]:
        """One attempt for deliveries of one message on one route; an outcome for each delivery number.

        Never raises for what a peer or the network does: that is an outcome.
        """


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC."""


class Telemetry(Protocol):
    """The log. One event name for each thing that happens; fields are codes, counts and ids, never personal data."""

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        """``alarm``: somebody should look at this now. ``failure``: logged as its class and where it came from.

        ``count=0``: all is well and nothing was to be done; a sign of life, counted but not logged.
        """


class Meter(Protocol):
    """What edges measure where a log line each would be too much. Any thread may call; never blocks, never raises.

    Names and kinds are fixed words of our own. See mssgw/app/telemetry/metrics.py for those that are shown.
    """

    def observe(self, name: str, value: float) -> None:
        """One value of a distribution: seconds, or how many at once."""

    def count(self, name: str, kind: str) -> None:
        """One more of that kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The open deliveries at one moment.

    ``waiting``, ``sending`` (leased) and ``held`` are counts. ``younger``: for each age that was asked, how many are
    at most that old; ``oldest``: the greatest age, 0 when there are none; ``total_age``: all ages together. In seconds.
    """

    waiting: int = 0
    sending: int = 0
    held: int = 0
    younger: tuple[int, ...] = ()
    oldest: float = 0.0
    total_age: float = 0.0

    @property
    def open(self) -> int:
        return self.waiting + self.sending + self.held


class Vitals(Protocol):
    """What health checks ask of a store."""

    async def answers(self) -> None:
        """Returns when the writer has come to this: it is alive. May wait for as long as a commit takes."""

    async def probe(self) -> None:
        """Commit something without meaning, to the disk and all. Raises StoreUnavailable or StoreFull."""

    async def census(self, *, now: datetime, ages: Sequence[float]) -> Census:
        """Count the open deliveries; ``ages`` in seconds, ascending. Does not hold up letters."""
