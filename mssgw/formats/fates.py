"""What became of a letter, recipient by recipient: the values that a delivery notice is written from."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mssgw.core.envelope import Envelope, ForwardPath
from mssgw.core.replies import Reply
from mssgw.formats.own_words import OwnWords, own_words

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


class Action(StrEnum):
    """What became of the letter, as RFC 3464 section 2.3.3 calls it; one notice tells one action."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"  # handed to a server that does not report: nothing more will be known (RFC 3461 section 5.2.6)
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One recipient's: ``reply`` is the last word of ``next_hop``, or our own, be it about ``next_hop``."""

    forward_path: ForwardPath
    reply: Reply | None = None
    next_hop: str = ""
    attempted_at: datetime | None = None

    @property
    def own_words(self) -> OwnWords | None:
        """What we said ourselves; None when a server said the last word, or nobody any."""
        return own_words(self.reply, self.next_hop) if self.reply is not None else None

    @property
    def speaker(self) -> str:
        """The server whose words ``reply`` is; "" when it is ours."""
        return "" if self.own_words else self.next_hop

    def status(self, action: Action) -> str:
        """The enhanced status of RFC 3463 for this action."""
        given = self.reply.status if self.reply and _STATUS.fullmatch(self.reply.status) else ""
        match action:
            case Action.FAILED:
                if self.reply is None or not self.reply.permanent:
                    return "4.4.7"  # tried until the time was up
                return given if given.startswith("5") else "5.0.0"
            case Action.DELAYED:
                return given if given.startswith("4") else "4.0.0"
            case _:
                return given if given.startswith("2") else "2.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeOf:
    """What a notice is written from. Times are aware.

    ``spool_id``: queue id of the letter; ``message_id``: of the notice to write, with angle brackets. ``envelope``: the
    letter's, whose reverse-path receives the notice. ``retry_until``: when we give up (delays). ``original``: octets
    of the letter without stuffed dots: all of it when returns_whole() says so, else at least its header; then
    ``original_size`` is that of the whole letter, else None. b"" when the letter cannot be read any more.
    ``product``: the reference of this product, "" without one (FMT-9).
    """

    action: Action
    fates: tuple[Fate, ...]
    envelope: Envelope
    spool_id: str
    hostname: str
    message_id: str
    original_message_id: str | None
    arrived_at: datetime
    written_at: datetime
    retry_until: datetime | None = None
    original: bytes = field(default=b"", repr=False)
    original_size: int | None = None
    product: str = ""
