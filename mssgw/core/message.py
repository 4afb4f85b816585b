"""What policy may look at in a letter: the facts of its header and structure, never its text."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from mssgw.core.addresses import Address
from mssgw.core.report import Carried

# As we read, write and configure them: nothing of these forms can begin another line of a header.
PRODUCT = re.compile(r"[!-~](?:[ -~]{0,98}[!-~])?")  # a reference of X-MSS-NIL.  req: FMT-9
CODE = re.compile(r"[A-Za-z0-9._-]{1,32}")  # of a document, in X-MSS-CODECDA.  req: FMT-11
_SHORT_NUMBER = re.compile(r"[0-9]{1,4}")


class Fin(StrEnum):
    """Whether the subject closes the exchange (SD-2)."""

    NO = "no"
    EXACT = "exact"
    NEAR_MISS = "near-miss"  # "Re: [FIN]", "[Fin]": does nothing, and the journal says so


class Content(StrEnum):
    ORDINARY = "ordinary"
    MDN = "mdn"  # multipart/report; report-type=disposition-notification (RFC 8098)
    DSN = "dsn"  # multipart/report; report-type=delivery-status (RFC 3464)


class AccountState(StrEnum):
    """What Mon espace santé's notice says of a patient's account (NDR-2 to NDR-4)."""

    NOT_CREATED = "account-not-created"  # or opposed: S2 and S3 word both alike
    CLOSED = "account-closed"
    BAD_ADDRESS = "address-invalid"


class Unreadable(StrEnum):
    """Why the structure of a message cannot be trusted (threats: MIME bombs, parser differentials)."""

    HEADERS_TOO_LONG = "headers-too-long"
    TOO_MANY_FIELDS = "too-many-header-fields"
    MALFORMED_HEADER = "malformed-header"
    TOO_DEEP = "nested-too-deep"
    TOO_MANY_PARTS = "too-many-parts"
    BAD_BOUNDARY = "bad-boundary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mdn:
    """The machine part of a read receipt (MDN-6). ``disposition`` is its type: displayed, processed, deleted …

    ``error``: the receipt tells of a failure (MDN-7: ``processed/Error: 902^…``); its code, or "error" without one.
    """

    original_message_id: str | None
    disposition: str
    error: str | None = None

    @property
    def outcome(self) -> str:
        """For the journal: "displayed", or "processed/902" for a failure. A code that is no short number is "error":
        a peer may write anything there, a matricule too."""
        if self.error is None:
            return self.disposition
        return f"{self.disposition}/{self.error if _SHORT_NUMBER.fullmatch(self.error) else 'error'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A non-delivery notice of Mon espace santé (NDR-2 to NDR-5). ``about``: the patient address it names."""

    account: AccountState
    about: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MssFields:
    """What the sender's software says of its documents. ``ins``: "O", "N", "?" for anything else, "" for nothing
    (FMT-10). ``codes``: those of X-MSS-CODECDA that are in form, None without the field (FMT-11). ``product``: what
    X-MSS-NIL says, "?" for what is no reference, "" for nothing (FMT-9).
    """

    ins: str = ""
    codes: tuple[str, ...] | None = None
    product: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHead:
    """The header facts of one message.

    ``from_fields`` counts From: fields, ``from_`` holds all addresses in them. ``to_cc``: every address in To:,
    Cc: and their like. ``also_signed``: those of Sender:, Resent-From:, Resent-Sender:, shown beside the author.
    ``thread``: the Message-IDs of In-Reply-To and References, with angle brackets, oldest first; of a very long
    one its ends, and ``thread_cut``.
    ``receipt_to``: addresses of Disposition-Notification-To. ``received``: number of Received: fields;
    ``own_hop``: one of them is ours. ``may_hold_documents``: a part may be a clinical document, or hold one, by its
    name, type or beginning; only a validator can tell. ``carried``: what else comes along. ``subject``: unfolded and
    RFC 2047-decoded, used to link notices (NDR-7) and beside documents (FMT-6).
    """

    message_id: str | None = None
    from_fields: int = 0
    from_: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to_cc: tuple[Address, ...] = ()
    also_signed: tuple[Address, ...] = ()
    subject: str = field(default="", repr=False)
    subject_fin: Fin = Fin.NO
    mss_fin: bool = False
    thread: tuple[str, ...] = ()
    thread_cut: bool = False
    auto_submitted: str = "no"
    content: Content = Content.ORDINARY
    receipt_to: tuple[Address, ...] = ()
    return_receipt_to: bool = False
    received: int = 0
    own_hop: bool = False
    person: str | None = field(default=None, repr=False)  # from the client's named header or top Received (SD-6)
    mdn: Mdn | None = None
    notice: Notice | None = None
    unreadable: tuple[Unreadable, ...] = ()
    may_hold_documents: bool = False
    carried: frozenset[Carried] = frozenset()
    mss: MssFields = MssFields()
    malformed: str = ""  # of MALFORMED_HEADER which kind, without values: "two-message-id-fields"

    @property
    def closes(self) -> bool:
        """Whether a professional's letter with this head closes the exchange (FIN-1, FIN-2)."""
        return self.subject_fin is Fin.EXACT or self.mss_fin
