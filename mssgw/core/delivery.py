"""A delivery: one forward-path of one accepted letter, on its way."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mssgw.core.envelope import ForwardPath
from mssgw.core.message import AccountState
from mssgw.core.replies import Reply

DISTRUSTED = "4.7.5"  # the status of our replies about a next hop that is not trusted, and of no other of ours


class State(StrEnum):
    QUEUED = "queued"
    HELD = "held"  # waits for a person: queue release, queue bounce
    DELIVERED = "delivered"
    BOUNCED = "bounced"

    @property
    def final(self) -> bool:
        return self in (State.DELIVERED, State.BOUNCED)


@dataclass(frozen=True, slots=True)
class Lease:
    """Ownership of a delivery is a time and a secret, not a status: when it lapses, anyone may take over."""

    token: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """``spool_id`` is the queue id that the 250 named; ``number`` is the index of the forward-path in its envelope.

    ``domain``: by which its route is found: the mailbox's, or what stands in place of one (routes.PATIENTS_HEAR).
    ``created_at``: when its time began, by which it is late or given up: accepted, or released after it was held.
    """

    spool_id: str
    number: int
    forward_path: ForwardPath
    domain: str
    created_at: datetime
    due_at: datetime
    state: State = State.QUEUED
    attempts: int = 0
    warned: bool = False  # a delay warning went out
    last_reply: Reply | None = None
    fresh: bool = field(default=False, compare=False)  # accepted by this very process, and nobody has tried it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The next hop took it. ``dsn_passed_on``: it offers DSN and got our NOTIFY, so reports are its duty now.

    ``place``: UIDVALIDITY and UID under which a mailbox has it, where the store told us when we put it there.
    """

    reply: Reply
    next_hop: str
    dsn_passed_on: bool = False
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """To be tried again. ``alarm``: trust or login trouble that an administrator should hear of.

    ``distrust``: whoever answers for the next hop is not who may have the letter; waiting long does not help (WL-8).
    ``down``: no server of the next hop talks to us at all, so ``reply`` is about the hop and quotes no letter.
    ``collective``: came to all who stood in one transaction, and may be about one of them only.
    """

    reply: Reply
    next_hop: str = ""
    alarm: bool = False
    distrust: bool = False
    down: bool = False
    collective: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    """Refused for good. ``account``: by us, for what there is of that patient; a notice says so (NDR-2 to NDR-4)."""

    reply: Reply
    next_hop: str = ""
    account: AccountState | None = None


Outcome = Delivered | Deferred | Bounced


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to try again: the first wait doubles up to the last, each with up to ``jitter`` of itself added.

    ``distrust_after``, ``warn_after``, ``give_up_after``: since ``Delivery.created_at``.
    """

    first: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(hours=1)
    jitter: float = 0.2
    distrust_after: timedelta = timedelta(hours=4)  # req: WL-8
    warn_after: timedelta = timedelta(hours=4)
    give_up_after: timedelta = timedelta(hours=48)

    def is_hopeless(self, delivery: Delivery, outcome: Deferred, now: datetime) -> bool:  # req: WL-8
        """Whether to give up instead of trying again.

        A next hop that is not trusted has ``distrust_after`` from when the letter's time began, not from when it was
        first distrusted: so nobody waits longer to be told, and nothing more has to be kept. But one look is never
        enough, for a renewed certificate and the list that names it may cross: the attempt before this one must have
        met distrust too. Network trouble in between waits on, up to ``give_up_after``, which holds for all.
        """
        age = now - delivery.created_at
        again = delivery.last_reply is not None and delivery.last_reply.status == DISTRUSTED
        return age >= self.give_up_after or (outcome.distrust and again and age >= self.distrust_after)

    def owes_a_word(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the next failed attempt is told to the sender: of a delay not told yet, or of the end."""
        age = now - delivery.created_at
        return age >= self.give_up_after or (age >= self.warn_after and not delivery.warned)

    def retry_at(self, attempts: int, now: datetime, dice: float) -> datetime:
        """When the attempt after ``attempts`` failed ones is due; ``dice`` in [0, 1) spreads a burst of failures."""
        wait = min(self.first * (1 << min(max(attempts - 1, 0), 20)), self.longest)
        spread = 1 + self.jitter * dice
        return now + wait * spread
