"""Everything a decision may depend on, frozen: decide(facts) is the same today and when ``explain`` replays it."""

from dataclasses import dataclass
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, Party, PatientSpace
from mssgw.core.clients import Client
from mssgw.core.conversation import Conversation, Pair
from mssgw.core.document_policy import DocumentPolicy
from mssgw.core.envelope import Envelope, ForwardPath, Role
from mssgw.core.message import AccountState, Content, MessageHead
from mssgw.core.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings that a decision depends on, as they were when the facts were taken.

    ``enforcing``: conversation rules refuse; when false they observe (SD-9). ``patient_receipts_after_data``: patient
    mail on a pair that is not open waits for DATA in case it is a receipt (SD-4). Limits in octets and counts.
    ``adds_fields``: what the sender's software does not say of its documents, we say (FMT-12); ``product``: the
    reference of that software, "" when not configured (FMT-9).
    """

    enforcing: bool = True
    patient_receipts_after_data: bool = False
    size_limit: int = 10_485_760  # req: SD-1
    max_received: int = 30
    space: PatientSpace = PatientSpace()
    documents: DocumentPolicy = DocumentPolicy()
    adds_fields: bool = False
    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One forward-path with what we know of it.

    ``pair`` is None between two professionals. ``relayable``: a route exists and this client may use it.
    ``unlisted``: there is none, for the white list does not name the domain (WL-8).
    ``in_closed_thread``: the letter answers one that this pair saw before its last FIN, and none since (SD-3).
    ``receipt_due``: the MDN at hand answers a letter relayed to that patient which asked this recipient to be told,
    and no receipt was seen for it yet (SD-4). ``account``: what an earlier notice said of this patient.
    ``bal``: as configured, as set by hand, or as the directory has it when a patient writes; ``directory_unusable``:
    that could not be known, for the directory is missing or too old. ``author_closed``: the exchange of who signs the
    letter, in From:, is closed.
    """

    forward_path: ForwardPath
    party: Party
    bal: Bal = Bal()
    relayable: bool = False
    unlisted: bool = False
    pair: Pair | None = None
    conversation: Conversation = Conversation()
    in_closed_thread: bool = False
    receipt_due: bool = False
    account: AccountState | None = None
    directory_unusable: bool = False
    author_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one message, or of one RCPT command (``head`` None, one exchange, size as declared or 0).

    ``sender`` is the policy's sender (SD-5): the reverse-path; From: when that is null, a robot's, or when an operator
    shows a patient there. ``client``: as far as it matters here; an operator has up to thousands of domains, and facts
    are kept with each letter. ``from_is_foreign``: the From: domain, or one above it, is known to belong to somebody
    else than this client, us included. ``sender_listed``: whether anybody in the white list may use that domain;
    None when no list was asked: from establishments, without [trust], or when the domain is one of ours.
    ``report``: what its documents are like; None when it has none, or they were not judged yet. ``released``: a person
    has looked at a held letter and lets it go. ``author_bal``: of who signs, in From:, as the configuration has it.
    """

    envelope: Envelope
    client: Client
    sender: Address | None
    sender_party: Party
    sender_bal: Bal = Bal()
    author_bal: Bal = Bal()
    size: int = 0
    head: MessageHead | None = None
    exchanges: tuple[Exchange, ...]
    from_is_foreign: bool = False
    sender_listed: bool | None = None
    policy: Policy
    taken_at: datetime
    report: Report | None = None
    released: bool = False

    @property
    def automatic(self) -> bool:
        """Mail that moves no conversation (SD-4): null reverse-path, MDN, DSN, Auto-Submitted other than "no"."""
        if self.envelope.reverse_path is None:
            return True
        head = self.head
        return head is not None and (head.content is not Content.ORDINARY or head.auto_submitted != "no")

    @property
    def from_trust_space(self) -> bool:
        return self.envelope.origin.role is Role.TRUST_SPACE
