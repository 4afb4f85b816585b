"""What one 250 stands for: all that the store keeps in one transaction."""

from dataclasses import dataclass, field

from mssgw.core.addresses import Address
from mssgw.core.conversation import Move, Pair
from mssgw.core.delivery import Delivery, Lease
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.message import AccountState
from mssgw.core.verdict import Hold, Verdict, strictest
from mssgw.ports.bodies import Body
from mssgw.ports.collecting import Collected


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
    """An MDN that answers a letter: counts once per letter and patient (SD-4). ``disposition``: Mdn.outcome.

    ``told``: it answers those letters only that asked for one of these; none: any. Who writes a letter under another's
    Message-ID must not use up the receipt of that one.
    """

    patient: Address
    original_message_id: str
    disposition: str
    told: tuple[Address, ...] = ()


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

    ``deliveries`` are leased to ``lease`` when it is given; held ones never are. ``collected``: the message of a
    mailbox that it is; AlreadyCollected when it was kept before.
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
    collected: Collected | None = None

    @property
    def holding_rule(self) -> str:
        """The rule that holds the letter, or "" when its verdict is not Hold."""
        finding = strictest(self.verdict.findings) if isinstance(self.verdict, Hold) else None
        return finding.rule if finding else ""
