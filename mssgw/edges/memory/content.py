"""What the store in memory holds, and the steps that store and desk share."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.conversation import TRANSITIONS, Event, Move, Pair, State
from mssgw.core.delivery import Delivery, Lease
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.directory import Listing
from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry
from mssgw.core.message import AccountState
from mssgw.core.notifying import Notification
from mssgw.core.patients import Patient
from mssgw.core.retention import Announced
from mssgw.core.unopened import Unopened
from mssgw.edges.clock import SystemClock
from mssgw.ports import Clock, Collected, Conflict, Letter, Stored


@dataclass(slots=True, kw_only=True)
class Queued:
    """A delivery and who holds it."""

    delivery: Delivery
    lease: Lease | None = None
    held_because: str = ""

    def leased(self, now: datetime) -> bool:
        return self.lease is not None and self.lease.until > now

    @property
    def open(self) -> bool:
        return not self.delivery.state.final

    @property
    def queued(self) -> bool:
        return self.delivery.state is DeliveryState.QUEUED

    @property
    def ready_at(self) -> datetime:
        return max(self.delivery.due_at, self.lease.until) if self.lease else self.delivery.due_at

    def become(self, state: DeliveryState, because: str = "") -> None:
        self.delivery = replace(self.delivery, state=state)
        self.lease, self.held_because = None, because


@dataclass(slots=True, kw_only=True)
class Remembered:
    """A letter of a pair."""

    letter: Letter
    spool_id: str
    seen_at: datetime
    closed: bool = False
    receipt_at: datetime | None = None

    def answers_to(self, patient: Address, message_id: str) -> bool:
        return self.letter.pair.patient == patient and self.letter.message_id == message_id


@dataclass(slots=True)
class Content:
    """What is kept."""

    messages: dict[str, Stored] = field(default_factory=dict)
    queue: dict[tuple[str, int], Queued] = field(default_factory=dict)
    conversations: dict[Pair, tuple[State, datetime]] = field(default_factory=dict)
    blocks: dict[tuple[Address, Address | None], datetime] = field(default_factory=dict)
    letters: list[Remembered] = field(default_factory=list)
    accounts: dict[Address, AccountState] = field(default_factory=dict)
    strikes: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    notifications: dict[Address, tuple[Notification, datetime]] = field(default_factory=dict)  # with when it is due
    collected: dict[tuple[str, int, int, str, bytes], tuple[Collected, datetime]] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    unopened: dict[str, Unopened] = field(default_factory=dict)  # by letter_id
    announced: dict[tuple[Address, str], Announced] = field(default_factory=dict)
    patients: dict[Matricule, Patient] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    set_by_hand: dict[str, Listing] = field(default_factory=dict)


class MemoryPart:
    """Every call is one commit, because nothing in it waits."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._now = (clock or SystemClock()).now
        self._has = Content()
        self._salt = os.urandom(16)

    def _rows(self, spool_ids: Sequence[str]) -> list[Queued]:
        """The deliveries of these messages; no ids: all."""
        return [row for row in self._has.queue.values() if not spool_ids or row.delivery.spool_id in spool_ids]

    def _refuse_illegal(self, moves: Iterable[Move]) -> None:
        for move in moves:
            state = self._has.conversations.get(move.pair, (State.ABSENT, None))[0]
            if (state, move.event) not in TRANSITIONS:
                raise Conflict("the conversation was closed meanwhile")

    def _move(self, moves: Iterable[Move], at: datetime) -> None:
        for move in moves:
            present = self._has.conversations.get(move.pair, (State.ABSENT, at))[0]
            after = TRANSITIONS.get((present, move.event), present)
            if after is not present:
                self._has.conversations[move.pair] = (after, at)
            if move.event is Event.PROFESSIONAL_CLOSED:
                self._close_letters(move.pair)

    def _close_letters(self, pair: Pair) -> None:
        for each in self._has.letters:
            each.closed = each.closed or each.letter.pair == pair
