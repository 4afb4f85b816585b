"""What is decided of a held letter when it is to be released: as if it had just arrived (SD-10).

Whatever held it, what the rules look at may have changed since: an exchange closed, an opposition recorded. What a
letter brings about, it brings about once: one that was admitted when it came, and held by hand later, has moved its
conversations and counted as receipt or notice already.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mssgw.core.conversation import Event, Move
from mssgw.core.decide import decide
from mssgw.core.delivery import State
from mssgw.core.envelope import Role
from mssgw.core.errors import Gone
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.moves import closes_at_once
from mssgw.core.settings import Settings
from mssgw.core.verdict import Admit, Hold, Verdict
from mssgw.flow import record
from mssgw.flow.documents import Documents
from mssgw.flow.inspect import Inspector
from mssgw.ports import Desk, NoticeSeen, ReceiptSeen, Spool, Store, Stored

_EVERY_ROW = 1_000_000  # of one letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The arguments of ports.Desk.release that depend on what the letter is."""

    moves: Sequence[Move] = ()
    receipt: ReceiptSeen | None = None
    notice: NoticeSeen | None = None
    entries: Sequence[Entry] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is decided now of a held letter, and what its release brings about if that is an Admit."""

    verdict: Verdict
    effects: Effects


NONE = Effects()
OURS = Judgement(verdict=Admit(), effects=NONE)


class Judge:
    """Judges held letters. It changes nothing."""

    def __init__(self, *, store: Store, desk: Desk, spool: Spool, inspector: Inspector, documents: Documents) -> None:
        self._store, self._desk, self._spool = store, desk, spool
        self._inspector, self._documents = inspector, documents

    async def of(self, spool_id: str, settings: Settings) -> Judgement | None:  # req: SD-10, SD-12
        """What is decided of that letter as things stand; None when no delivery of it is held.

        Raises Gone and Undecryptable when what there was to send is missing or damaged.
        """
        rows = await self._desk.queue(limit=_EVERY_ROW, state=State.HELD.value, spool_id=spool_id)
        if not rows:
            return None
        stored = await self._store.load(spool_id)
        async for _ in self._spool.read(stored.body):  # to the end: what was cut off is found there
            pass
        if stored.envelope.origin.role is Role.OURSELVES:  # a notice: no rule is about it
            return OURS
        counted = await self._has_counted(stored)
        facts = await self._facts(stored, settings, {row.delivery.number for row in rows}, counted=counted)
        verdict = decide(facts)
        if not isinstance(verdict, Admit):
            return Judgement(verdict=verdict, effects=NONE)
        effects = _what_must_be_legal_still(verdict) if counted else _effects(facts, verdict, spool_id)
        return Judgement(verdict=verdict, effects=effects)

    async def _has_counted(self, stored: Stored) -> bool:  # req: SD-7, SD-10
        """Whether all that it brings about was recorded: when it was admitted, or released a first time."""
        if not isinstance(stored.verdict, Hold):
            return True
        entries = await self._desk.trace(spool_id=stored.spool_id, limit=_EVERY_ROW)
        return any(entry.event is JournalEvent.RELEASED for entry in entries)

    async def _facts(self, stored: Stored, settings: Settings, held: Collection[int], *, counted: bool) -> Facts:
        """Taken now, about the held recipients: those who have the letter already are no reason to keep it."""
        then = stored.facts
        if then.head is None:
            raise Gone("the facts of that letter were not kept")
        facts = await self._inspector.of_letter(settings, then.client, stored.envelope, then.head, then.size)
        if then.head.may_hold_documents:  # what a person lets go, but for danger and what nobody could judge even now
            report = await self._documents.report_on(stored.body, facts)
            facts = replace(facts, report=report, released=True)
        exchanges = [(n, exchange) for n, exchange in enumerate(facts.exchanges) if n in held]
        if counted:  # the receipt that is "seen already" is this very one
            was_held = isinstance(stored.verdict, Hold)
            exchanges = [(n, replace(x, receipt_due=was_held or then.exchanges[n].receipt_due)) for n, x in exchanges]
        return replace(facts, exchanges=tuple(exchange for _, exchange in exchanges))


def _what_must_be_legal_still(admitted: Admit) -> Effects:  # req: WHO-2, FIN-7
    """Moves that change nothing; but a [FIN] may come while it is judged, and then the store refuses them."""
    return Effects(moves=[move for move in admitted.moves if move.event is Event.PATIENT_WROTE])


def _effects(facts: Facts, admitted: Admit, spool_id: str) -> Effects:
    """What waited for the release.

    Its FIN is left out: that closed when the letter came, and the exchange may have been opened anew since.
    """
    return Effects(
        moves=[move for move in admitted.moves if not closes_at_once(facts, move)],
        receipt=record.receipt_seen(facts),
        notice=record.notice_seen(facts),
        entries=record.closed_on_send(spool_id, facts, admitted, facts.taken_at),
    )
