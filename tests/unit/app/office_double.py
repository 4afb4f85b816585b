"""An Office for the tests of the command line: the ports it needs, in lists, and letters to put in them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssgw.core.addresses import Address
from mssgw.core.bal import Party, PatientSpace
from mssgw.core.clients import Client
from mssgw.core.conversation import Conversation, Move, Pair, State, after
from mssgw.core.delivery import Delivery
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import Gone
from mssgw.core.facts import Exchange, Facts, Policy
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import MessageHead
from mssgw.core.replies import Reply
from mssgw.core.verdict import Admit, Verdict
from mssgw.edges.clock import SystemClock
from mssgw.flow.release import NONE, Judgement
from mssgw.ports import Body, Conflict, ConversationRow, NoticeSeen, QueueRow, ReceiptSeen, Stored, UnreadRow

PATIENT = "279035121518989@patient.mssante.fr"
DOCTOR = "dr.martin@cabinet.mssante.fr"
ID = "1M8Z7Q4X9TB20KEV"
OTHER_ID = "1M8Z7Q4X9TB20KEW"
ALIAS = "h7:9c2f01aa"  # of the patient
EARLIER = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
BUSY = Reply(450, "4.2.0", "boite occupee")


class OfficeDouble:
    """Keeps what the commands do to it; ``opened`` says how."""

    def __init__(self) -> None:
        self.desk = self.store = self
        self.lost = 0  # deliveries that went with a damaged page
        self.clock = SystemClock()
        self.space = PatientSpace()
        self.rows: list[QueueRow] = []
        self.stored: dict[str, Stored] = {}
        self.entries: list[Entry] = []
        self.pairs: dict[Pair, tuple[State, datetime]] = {}
        self.unread_rows: list[UnreadRow] = []
        self.asked: dict[str, object] = {}  # of the last report
        self.blocked: set[tuple[Address, Address | None]] = set()
        self.moved: list[Move] = []
        self.conflicts = 0  # how many releases meet one
        self.operators: list[str] = []
        self.opened: list[tuple[Path, bool]] = []
        self.verdict: Verdict = Admit()
        self.effects = NONE  # of a release
        self.writes: list[int] = []
        self.new_key = b""

    def ours(self, bal: Address) -> bool:
        return bal.domain.endswith("mssante.fr")

    @asynccontextmanager
    async def open(self, path: Path, alone: bool) -> AsyncIterator["OfficeDouble"]:
        self.opened.append((path, alone))
        yield self

    def put(self, spool_id: str = ID, *, verdict: Verdict | None = None, **delivery: object) -> None:
        """A letter of the doctor to the patient, with one delivery and the journal line of its 250."""
        facts = a_fact()
        self.stored[spool_id] = Stored(
            spool_id=spool_id,
            envelope=facts.envelope,
            facts=facts,
            verdict=verdict or Admit(),
            body=Body(spool_id=spool_id, key=bytes(32), size=4096, wire_size=4096, inline=b""),
            accepted_at=EARLIER,
        )
        due = Delivery(
            spool_id=spool_id,
            number=0,
            forward_path=facts.envelope.forward_paths[0],
            domain="patient.mssante.fr",
            created_at=EARLIER,
            due_at=EARLIER + timedelta(minutes=1),
            attempts=2,
            last_reply=BUSY,
        )
        self.rows.append(
            QueueRow(delivery=replace(due, **delivery), sender=Address.parse(DOCTOR), size=4096, leased=False)
        )
        self.entries.append(an_entry(JournalEvent.ACCEPTED, spool_id, person="Anne Dupont", client="chu"))

    async def unread(self, **asked: object) -> Sequence[UnreadRow]:
        self.asked = asked
        return self.unread_rows

    async def queue(
        self, *, limit: int, state: str | None = None, domain: str | None = None, spool_id: str | None = None
    ) -> Sequence[QueueRow]:
        return [
            row
            for row in self.rows
            if (not row.delivery.state.final if state is None else row.delivery.state == state)
            and domain in (None, row.delivery.domain)
            and spool_id in (None, row.delivery.spool_id)
        ][:limit]

    async def load(self, spool_id: str) -> Stored:
        if spool_id not in self.stored:
            raise Gone
        return self.stored[spool_id]

    def _change(self, spool_ids: Sequence[str], was: DeliveryState, becomes: DeliveryState, operator: str) -> int:
        self.operators.append(operator)
        hits = [
            n
            for n, row in enumerate(self.rows)
            if row.delivery.state is was and (not spool_ids or row.delivery.spool_id in spool_ids)
        ]
        for n in hits:
            self.rows[n] = replace(self.rows[n], delivery=replace(self.rows[n].delivery, state=becomes))
        return len(hits)

    async def retry(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        return self._change(spool_ids, DeliveryState.QUEUED, DeliveryState.QUEUED, operator)

    async def hold(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        return self._change(spool_ids, DeliveryState.QUEUED, DeliveryState.HELD, operator)

    async def release(
        self,
        spool_id: str,
        *,
        operator: str,
        now: datetime,
        moves: Sequence[Move],
        receipt: ReceiptSeen | None = None,
        notice: NoticeSeen | None = None,
        entries: Sequence[Entry] = (),
    ) -> int:
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict
        for move in moves:
            state, _ = self.pairs.get(move.pair, (State.ABSENT, now))
            self.pairs[move.pair] = after(state, move.event), now
        self.moved += moves
        self.entries.append(an_entry(JournalEvent.RELEASED, spool_id, operator=operator))
        return self._change([spool_id], DeliveryState.HELD, DeliveryState.QUEUED, operator)

    async def bounce(self, spool_id: str, *, operator: str, untold: bool = False) -> int:
        await self.load(spool_id)
        open_states = (DeliveryState.QUEUED, DeliveryState.HELD)
        return sum(self._change([spool_id], state, DeliveryState.BOUNCED, operator) for state in open_states)

    async def conversations(
        self, *, limit: int, patient: Address | None = None, bal: Address | None = None, state: State | None = None
    ) -> Sequence[ConversationRow]:
        known = [
            ConversationRow(patient=pair.patient, bal=pair.bal, state=now, since=since, blocked=False)
            for pair, (now, since) in self.pairs.items()
        ]
        known += [
            ConversationRow(patient=who, bal=mailbox, state=State.ABSENT, since=None, blocked=True)
            for who, mailbox in self.blocked
        ]
        return [
            row
            for row in known
            if patient in (None, row.patient) and bal in (None, row.bal) and state in (None, row.state)
        ][:limit]

    async def set_state(
        self, pairs: Sequence[tuple[Pair, State, datetime]], *, operator: str, only_absent: bool
    ) -> int:
        self.operators.append(operator)
        self.writes.append(len(pairs))
        changed = 0
        for pair, state, since in pairs:
            known = self.pairs.get(pair)
            if (known is None) if only_absent else (known is None or known[0] is not state):
                self.pairs[pair] = state, since
                changed += 1
        return changed

    async def set_block(
        self, patient: Address, bal: Address | None, *, blocked: bool, operator: str, now: datetime
    ) -> bool:
        self.operators.append(operator)
        stood = (patient, bal) in self.blocked
        (self.blocked.add if blocked else self.blocked.discard)((patient, bal))
        return stood is not blocked

    async def trace(
        self,
        *,
        spool_id: str | None = None,
        message_id: str | None = None,
        address: Address | None = None,
        alias: str | None = None,
        limit: int,
    ) -> Sequence[Entry]:
        return [
            entry
            for entry in self.entries
            if spool_id in (None, entry.spool_id)
            and message_id in (None, entry.message_id)
            and (address is None or address in (entry.sender, entry.recipient))
            and (alias is None or (alias == ALIAS and entry.recipient == Address.parse(PATIENT)))
        ][-limit:]

    async def mend(self, *, operator: str, now: datetime) -> int:
        self.entries.append(an_entry(JournalEvent.HELD, ID, operator=operator))
        return self.lost

    async def rotate(self, new_key: bytes) -> int:
        self.new_key = new_key
        return len(self.stored)

    async def judge(self, spool_id: str) -> Judgement | None:
        if not await self.queue(limit=1, state=DeliveryState.HELD.value, spool_id=spool_id):
            return None
        await self.load(spool_id)
        return Judgement(verdict=self.verdict, effects=self.effects)

    async def explain_file(
        self, content: bytes, *, sender: Address | None, recipients: Sequence[Address], client: str | None
    ) -> tuple[Facts, Verdict]:
        return a_fact(), self.verdict

    async def explain_id(self, spool_id: str) -> tuple[Facts | None, Verdict | None, Sequence[Entry]]:
        stored = self.stored.get(spool_id)
        entries = await self.trace(spool_id=spool_id, limit=100)
        return (stored.facts, stored.verdict, entries) if stored else (None, None, entries)


def a_pair() -> Pair:
    return Pair(Address.parse(PATIENT), Address.parse(DOCTOR))


def an_entry(event: JournalEvent, spool_id: str = ID, **more: object) -> Entry:
    entry = Entry(
        at=EARLIER,
        event=event,
        spool_id=spool_id,
        message_id=f"<{spool_id}@cabinet.mssante.fr>",
        sender=Address.parse(DOCTOR),
        recipient=Address.parse(PATIENT),
    )
    return replace(entry, **more)


def a_fact() -> Facts:
    patient, doctor = Address.parse(PATIENT), Address.parse(DOCTOR)
    client = Client(name="chu", role=Role.ESTABLISHMENT, domains=frozenset({"cabinet.mssante.fr"}))
    path = ForwardPath(address=patient)
    return Facts(
        envelope=Envelope(
            reverse_path=doctor,
            forward_paths=(path,),
            origin=Origin(role=Role.ESTABLISHMENT, client="chu", peer="192.0.2.7", person="Anne Dupont"),
        ),
        client=client,
        sender=doctor,
        sender_party=Party.PROFESSIONAL,
        size=4096,
        head=MessageHead(message_id=f"<{ID}@cabinet.mssante.fr>", subject="Compte rendu de Madame Canari"),
        exchanges=(
            Exchange(
                forward_path=path,
                party=Party.PATIENT,
                relayable=True,
                pair=a_pair(),
                conversation=Conversation(state=State.OPEN, since=EARLIER),
            ),
        ),
        policy=Policy(),
        taken_at=EARLIER,
    )
