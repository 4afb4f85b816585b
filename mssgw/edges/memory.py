"""In-memory twins of the store, its desk and the spool, for tests. tests/contract holds them to the real ones."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.conversation import TRANSITIONS, Conversation, Event, Move, Pair, State
from mssgw.core.delivery import Delivery, Lease
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.errors import Gone
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import AccountState
from mssgw.core.replies import Reply
from mssgw.core.verdict import Hold, strictest
from mssgw.edges.clock import SystemClock
from mssgw.edges.linking import disposition_code, subject_key
from mssgw.ports import (
    INLINE_LIMIT,
    Acceptance,
    Body,
    Clock,
    Conflict,
    ConversationRow,
    Known,
    Letter,
    NoticeSeen,
    Question,
    QueueRow,
    ReceiptSeen,
    Settlement,
    Store,
    Stored,
)


class MemorySpool:
    """The Spool port in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def create(self, spool_id: str) -> "MemorySink":
        return MemorySink(self, spool_id)

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        if body.inline is not None:
            yield body.inline
        elif body.hot is not None:
            for segment in body.hot:
                yield segment
        elif body.spool_id in self.files:
            yield self.files[body.spool_id]
        else:
            raise Gone("the spool file is missing")

    async def remove(self, spool_id: str) -> None:
        self.files.pop(spool_id, None)

    async def sweep(self, known: Store, *, older_than: float) -> int:
        """Files have no age here: all count as old."""
        removed = 0
        for spool_id in list(self.files):
            try:
                await known.load(spool_id)
            except Gone:
                await self.remove(spool_id)
                removed += 1
        return removed


class MemorySink:
    """One body on its way in."""

    def __init__(self, spool: MemorySpool, spool_id: str) -> None:
        self._spool, self._id, self._content = spool, spool_id, bytearray()

    async def write(self, chunk: bytes) -> None:
        self._content += chunk

    async def close(self, *, size: int) -> Body:
        content = bytes(self._content)
        inline = content if len(content) <= INLINE_LIMIT else None
        if inline is None:
            self._spool.files[self._id] = content
        return Body(spool_id=self._id, key=os.urandom(32), size=size, wire_size=len(content), inline=inline)

    async def discard(self) -> None:
        self._content.clear()


@dataclass(slots=True, kw_only=True)
class _Queued:
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
class _Remembered:
    """A letter of a pair."""

    letter: Letter
    spool_id: str
    seen_at: datetime
    closed: bool = False
    receipt_at: datetime | None = None

    def answers_to(self, patient: Address, message_id: str) -> bool:
        return self.letter.pair.patient == patient and self.letter.message_id == message_id


@dataclass(slots=True)
class _Content:
    """What is kept."""

    messages: dict[str, Stored] = field(default_factory=dict)
    queue: dict[tuple[str, int], _Queued] = field(default_factory=dict)
    conversations: dict[Pair, tuple[State, datetime]] = field(default_factory=dict)
    blocks: dict[tuple[Address, Address | None], datetime] = field(default_factory=dict)
    letters: list[_Remembered] = field(default_factory=list)
    accounts: dict[Address, AccountState] = field(default_factory=dict)
    strikes: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)


class MemoryStore:
    """The Store and Desk ports in dictionaries. Every call is one commit, because nothing in it waits."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._now = (clock or SystemClock()).now
        self._has = _Content()
        self._salt = os.urandom(16)

    # --- Store -------------------------------------------------------------------------------------------------

    async def know(self, question: Question) -> Sequence[Known]:
        await asyncio.sleep(0)  # as a real store, let others run meanwhile
        return [self._known(question, pair) for pair in question.pairs]

    def _known(self, question: Question, pair: Pair) -> Known:
        has = self._has
        state, since = has.conversations.get(pair, (State.ABSENT, None))
        blocked = (pair.patient, None) in has.blocks or (pair.patient, pair.bal) in has.blocks
        return Known(
            conversation=Conversation(state=state, since=since, blocked=blocked),
            in_closed_thread=any(
                each.closed and each.letter.pair == pair and each.letter.message_id in question.thread
                for each in has.letters
            ),
            receipt_due=question.receipt_for is not None
            and any(
                each.answers_to(pair.patient, question.receipt_for)
                and each.receipt_at is None
                and pair.bal.key in each.letter.receipt_to
                for each in has.letters
            ),
            account=has.accounts.get(pair.patient),
        )

    def alias(self, address: Address) -> str:
        return hashlib.blake2b(address.key.encode(), key=self._salt, digest_size=16).hexdigest()

    async def strike(self, message_id: str, now: datetime) -> int:
        count = self._has.strikes.get(message_id, (0, now))[0] + 1
        self._has.strikes[message_id] = (count, now)
        return count

    async def accept(self, acceptance: Acceptance) -> None:
        await asyncio.sleep(0)
        if acceptance.receipt is not None:
            self._refuse_counted(acceptance.receipt)  # first: nothing of this unit may stay
        spool_id, at = acceptance.body.spool_id, acceptance.facts.taken_at
        self._has.messages[spool_id] = Stored(
            spool_id=spool_id,
            envelope=acceptance.facts.envelope,
            facts=acceptance.facts,
            verdict=acceptance.verdict,
            body=replace(acceptance.body, hot=None),
            accepted_at=at,
        )
        for delivery in acceptance.deliveries:
            held = delivery.state is DeliveryState.HELD
            self._has.queue[spool_id, delivery.number] = _Queued(
                delivery=delivery,
                lease=None if held else acceptance.lease,
                held_because=_holding_rule(acceptance) if held else "",
            )
        self._has.letters += [_Remembered(letter=each, spool_id=spool_id, seen_at=at) for each in acceptance.letters]
        self._move(acceptance.moves, at)
        for letter in acceptance.letters:
            if letter.closes:
                self._close_letters(letter.pair)
        self._has.journal += acceptance.entries
        if acceptance.receipt is not None:
            self._count(acceptance.receipt, at)
        if acceptance.notice is not None:
            self._heed(acceptance.notice, at)

    async def note(self, entries: Sequence[Entry]) -> None:
        self._has.journal += entries

    async def claim(self, *, now: datetime, lease: Lease, limit: int) -> Sequence[Delivery]:
        due = [row for row in self._has.queue.values() if row.queued and row.ready_at <= now]
        due.sort(key=lambda row: row.delivery.due_at)
        for row in due[:limit]:
            row.lease = lease
        return [row.delivery for row in due[:limit]]

    async def load(self, spool_id: str) -> Stored:
        if spool_id not in self._has.messages:
            raise Gone("the message was erased, or never was")
        return self._has.messages[spool_id]

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        return [self._settle(settlement) for settlement in settlements]

    def _settle(self, settlement: Settlement) -> bool:
        row = self._has.queue.get((settlement.after.spool_id, settlement.after.number))
        if row is None or row.lease is None or row.lease.token != settlement.lease.token:
            return False
        row.delivery, row.lease = settlement.after, None
        self._has.journal += settlement.entries
        return True

    async def free(self, tokens: Sequence[str]) -> None:
        self._free(lambda token: token in tokens)

    async def free_node(self, node: str) -> None:
        self._free(lambda token: token.startswith(f"{node}."))

    def _free(self, mine: Callable[[str], bool]) -> None:
        for row in self._has.queue.values():
            if row.lease is not None and mine(row.lease.token):
                row.lease = None

    async def set_aside(self, spool_id: str, entry: Entry) -> None:
        for row in self._rows([spool_id]):
            if row.queued:
                row.become(DeliveryState.HELD, entry.detail)
        self._has.journal.append(entry)

    async def next_due(self) -> datetime | None:
        return min((row.ready_at for row in self._has.queue.values() if row.queued), default=None)

    async def erase_finished(self, *, now: datetime) -> Sequence[str]:
        still_open = {row.delivery.spool_id for row in self._has.queue.values() if row.open}
        erased = [spool_id for spool_id in self._has.messages if spool_id not in still_open]
        for spool_id in erased:
            del self._has.messages[spool_id]
            for row in self._rows([spool_id]):
                del self._has.queue[spool_id, row.delivery.number]
            self._has.journal.append(Entry(at=now, event=JournalEvent.ERASED, spool_id=spool_id))
        return erased

    async def forget(self, *, before: datetime) -> int:
        has = self._has
        journal = [entry for entry in has.journal if entry.at >= before]
        letters = [letter for letter in has.letters if letter.seen_at >= before]
        kept = {
            pair: (state, since)
            for pair, (state, since) in has.conversations.items()
            if state is not State.CLOSED or since >= before
        }
        forgotten = len(has.journal) - len(journal) + len(has.letters) - len(letters)
        forgotten += len(has.conversations) - len(kept)
        has.journal, has.letters, has.conversations = journal, letters, kept
        has.strikes = {key: value for key, value in has.strikes.items() if value[1] >= before}
        return forgotten

    # --- Desk --------------------------------------------------------------------------------------------------

    async def queue(
        self, *, limit: int, state: str | None = None, domain: str | None = None, spool_id: str | None = None
    ) -> Sequence[QueueRow]:
        now = self._now()
        rows = [
            row
            for row in self._has.queue.values()
            if (row.delivery.state.value == state if state else row.open)
            and domain in (None, row.delivery.domain)
            and spool_id in (None, row.delivery.spool_id)
        ]
        rows.sort(key=lambda row: (row.delivery.due_at, row.delivery.spool_id, row.delivery.number))
        return [self._queue_row(row, now) for row in rows[:limit]]

    def _queue_row(self, row: _Queued, now: datetime) -> QueueRow:
        stored = self._has.messages[row.delivery.spool_id]
        return QueueRow(
            delivery=row.delivery,
            sender=stored.envelope.reverse_path,
            size=stored.body.size,
            leased=row.leased(now),
            held_because=row.held_because,
        )

    async def retry(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        rows = [
            row for row in self._rows(spool_ids) if row.queued and not row.leased(now) and row.delivery.due_at > now
        ]
        for row in rows:
            row.delivery = replace(row.delivery, due_at=now)
        return self._acted(rows, JournalEvent.DEFERRED, "retry-now", operator, now)

    async def hold(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        rows = [row for row in self._rows(spool_ids) if row.queued and not row.leased(now)] if spool_ids else []
        for row in rows:
            row.become(DeliveryState.HELD, "operator")
        return self._acted(rows, JournalEvent.HELD, "operator", operator, now)

    async def release(self, spool_id: str, *, operator: str, now: datetime, moves: Sequence[Move]) -> int:
        rows = [row for row in self._rows([spool_id]) if row.delivery.state is DeliveryState.HELD]
        for row in rows:
            row.become(DeliveryState.QUEUED)
            row.delivery = replace(row.delivery, due_at=now)
        if rows:
            self._move(moves, now)
        return self._acted(rows, JournalEvent.RELEASED, "", operator, now)

    async def bounce(self, spool_id: str, *, operator: str, now: datetime, reply: Reply) -> int:
        rows = [row for row in self._rows([spool_id]) if row.open and not row.leased(now)]
        for row in rows:
            row.become(DeliveryState.BOUNCED)
            row.delivery = replace(row.delivery, last_reply=reply)
        return self._acted(rows, JournalEvent.BOUNCED, "operator", operator, now, reply)

    def _acted(
        self,
        rows: Sequence[_Queued],
        event: JournalEvent,
        detail: str,
        operator: str,
        now: datetime,
        reply: Reply | None = None,
    ) -> int:
        """One journal line for each delivery that an operator changed."""
        self._has.journal += [
            Entry(
                at=now,
                event=event,
                spool_id=row.delivery.spool_id,
                recipient=row.delivery.forward_path.address,
                operator=operator,
                reply=reply,
                detail=detail,
            )
            for row in rows
        ]
        return len(rows)

    async def conversations(
        self, *, limit: int, patient: Address | None = None, bal: Address | None = None, state: State | None = None
    ) -> Sequence[ConversationRow]:
        has = self._has
        keys = {(pair.patient, pair.bal) for pair in has.conversations} | set(has.blocks)
        rows = [self._conversation_row(*key) for key in keys]
        rows = [
            row
            for row in rows
            if patient in (None, row.patient) and bal in (None, row.bal) and state in (None, row.state)
        ]
        rows.sort(key=lambda row: row.since or datetime.min, reverse=True)
        return rows[:limit]

    def _conversation_row(self, patient: Address, bal: Address | None) -> ConversationRow:
        blocked_at = self._has.blocks.get((patient, bal))
        blocked = blocked_at is not None or (patient, None) in self._has.blocks
        state, since = State.ABSENT, blocked_at
        if bal is not None and Pair(patient, bal) in self._has.conversations:
            state, since = self._has.conversations[Pair(patient, bal)]
        return ConversationRow(patient=patient, bal=bal, state=state, since=since, blocked=blocked)

    async def set_state(
        self, pairs: Sequence[tuple[Pair, State, datetime]], *, operator: str, only_absent: bool
    ) -> int:
        changed = 0
        for pair, state, since in pairs:
            present = self._has.conversations.get(pair, (State.ABSENT, None))[0]
            if present is state or (only_absent and pair in self._has.conversations):
                continue
            if state is State.ABSENT:
                del self._has.conversations[pair]
            else:
                self._has.conversations[pair] = (state, since)
            if state is State.CLOSED:
                self._close_letters(pair)
            self._journal_pair(pair.patient, pair.bal, state.value, operator, self._now())
            changed += 1
        return changed

    async def set_block(
        self, patient: Address, bal: Address | None, *, blocked: bool, operator: str, now: datetime
    ) -> bool:
        if ((patient, bal) in self._has.blocks) is blocked:
            return False
        if blocked:
            self._has.blocks[patient, bal] = now
        else:
            del self._has.blocks[patient, bal]
        self._journal_pair(patient, bal, "blocked" if blocked else "unblocked", operator, now)
        return True

    async def trace(
        self,
        *,
        spool_id: str | None = None,
        message_id: str | None = None,
        address: Address | None = None,
        alias: str | None = None,
        limit: int,
    ) -> Sequence[Entry]:
        found = [
            entry
            for entry in self._has.journal
            if (spool_id and entry.spool_id == spool_id)
            or (message_id and entry.message_id == message_id)
            or (address and address in (entry.sender, entry.recipient))
            or (alias and alias in [self.alias(each) for each in (entry.sender, entry.recipient) if each])
        ]
        return found[-limit:]

    async def rotate(self, new_key: bytes) -> int:
        """Nothing is encrypted here."""
        return len(self._has.messages)

    # --- what both share ---------------------------------------------------------------------------------------

    def _rows(self, spool_ids: Sequence[str]) -> list[_Queued]:
        """The deliveries of these messages; no ids: all."""
        return [row for row in self._has.queue.values() if not spool_ids or row.delivery.spool_id in spool_ids]

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

    def _answering(self, receipt: ReceiptSeen) -> list[_Remembered]:
        return [each for each in self._has.letters if each.answers_to(receipt.patient, receipt.original_message_id)]

    def _refuse_counted(self, receipt: ReceiptSeen) -> None:
        answered = self._answering(receipt)
        if answered and all(each.receipt_at is not None for each in answered):
            raise Conflict("the receipt was already counted")

    def _count(self, receipt: ReceiptSeen, at: datetime) -> None:
        due = [each for each in self._answering(receipt) if each.receipt_at is None]
        for each in due:
            each.receipt_at = at
        if due:
            self._has.journal.append(
                Entry(
                    at=at,
                    event=JournalEvent.READ,
                    spool_id=due[-1].spool_id,
                    message_id=receipt.original_message_id,
                    recipient=receipt.patient,
                    detail=disposition_code(receipt.disposition),
                )
            )

    def _heed(self, notice: NoticeSeen, at: datetime) -> None:
        answered = self._answered(notice)
        patient = notice.patient or (answered.letter.pair.patient if answered else None)
        if patient is not None:
            self._has.accounts[patient] = notice.account
        if answered is not None:
            self._has.journal.append(
                Entry(
                    at=at,
                    event=JournalEvent.ACCOUNT,
                    spool_id=answered.spool_id,
                    recipient=notice.patient,
                    detail=notice.account.value,
                )
            )

    def _answered(self, notice: NoticeSeen) -> _Remembered | None:
        """The latest letter that the notice can be about (NDR-7)."""
        of_patient = [each for each in self._has.letters if notice.patient in (None, each.letter.pair.patient)]
        cited = [each for each in of_patient if each.letter.message_id in notice.thread]
        subject = subject_key(notice.subject)
        if not cited and notice.patient is not None and subject:
            cited = [each for each in of_patient if subject_key(each.letter.subject) == subject]
        return cited[-1] if cited else None

    def _journal_pair(self, patient: Address, bal: Address | None, detail: str, operator: str, at: datetime) -> None:
        event = JournalEvent.CONVERSATION
        self._has.journal.append(
            Entry(at=at, event=event, sender=bal, recipient=patient, operator=operator, detail=detail)
        )


def _holding_rule(acceptance: Acceptance) -> str:
    finding = strictest(acceptance.verdict.findings) if isinstance(acceptance.verdict, Hold) else None
    return finding.rule if finding else ""
