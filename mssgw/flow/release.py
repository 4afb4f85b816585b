"""What a letter that the inspection held brings about when it is released: as if it had just arrived (SD-10)."""

from collections.abc import Sequence
from dataclasses import dataclass

from mssgw.core.conversation import Move
from mssgw.core.facts import Facts
from mssgw.core.moves import HOLDING_EVENTS
from mssgw.core.verdict import Admit
from mssgw.flow import record
from mssgw.ports import NoticeSeen, ReceiptSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The arguments of ports.Desk.release that depend on what the letter is."""

    moves: Sequence[Move] = ()
    receipt: ReceiptSeen | None = None
    notice: NoticeSeen | None = None


NONE = Effects()


def effects_of(facts: Facts, admitted: Admit) -> Effects:
    """What waited for the release. ``facts``: taken now, for the store may not have answered when the letter came.

    Its FIN is left out: that closed when the letter came, and the exchange may have been opened anew since.
    """
    return Effects(
        moves=[move for move in admitted.moves if move.event not in HOLDING_EVENTS],
        receipt=record.receipt_seen(facts),
        notice=record.notice_seen(facts),
    )
