"""The Store port in dictionaries."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mssgw.core.closing import Silence, is_silent
from mssgw.core.conversation import Conversation, Pair, State, answers_what_was_closed
from mssgw.core.delivery import Delivery, Lease
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.errors import Gone
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.memory.collecting import MemoryCollecting
from mssgw.edges.memory.content import Queued, Remembered
from mssgw.edges.memory.directory import MemoryDirectory
from mssgw.edges.memory.leases import MemoryLeases
from mssgw.edges.memory.notifications import MemoryNotifications
from mssgw.edges.memory.patients import MemoryPatients
from mssgw.edges.memory.retention import MemoryPurges
from mssgw.edges.memory.unopened import MemoryUnopened
from mssgw.edges.memory.unread import MemoryUnread
from mssgw.edges.memory.vitals import MemoryVitals
from mssgw.ports import Acceptance, Clock, Known, Question, Settlement, Stored


class MemoryStore(
    MemoryUnread,
    MemoryNotifications,
    MemoryCollecting,
    MemoryLeases,
    MemoryUnopened,
    MemoryPurges,
    MemoryVitals,
    MemoryDirectory,
):
    """See ports.Store; it is its own desk, directory and vitals. ``patients``: the registry beside it."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.patients = MemoryPatients(self._has)

    async def know(self, question: Question) -> Sequence[Known]:
        await asyncio.sleep(0)  # as a real store, let others run meanwhile
        return [self._known(question, pair) for pair in question.pairs]

    def _known(self, question: Question, pair: Pair) -> Known:
        has = self._has
        state, since = has.conversations.get(pair, (State.ABSENT, None))
        mine = [each for each in has.letters if each.letter.pair == pair]
        cited = [each.closed for each in mine if each.letter.message_id in question.thread]
        blocked = (pair.patient, None) in has.blocks or (pair.patient, pair.bal) in has.blocks
        return Known(
            conversation=Conversation(state=state, since=since, blocked=blocked),
            in_closed_thread=answers_what_was_closed(state, cited),
            receipt_due=question.receipt_for is not None
            and any(
                each.answers_to(pair.patient, question.receipt_for)
                and each.receipt_at is None
                and pair.bal.key in each.letter.receipt_to
                for each in has.letters
            ),
            account=has.accounts.get(pair.patient),
            word=self._word(pair.bal) if question.directory else None,
        )

    async def strike(self, letter: str, now: datetime) -> int:
        count = self._has.strikes.get(letter, (0, now))[0] + 1
        self._has.strikes[letter] = (count, now)
        return count

    async def accept(self, acceptance: Acceptance) -> None:
        await asyncio.sleep(0)
        self._refuse_counted(acceptance.receipt)  # first: nothing of this unit may stay
        self._refuse_collected(acceptance.collected)
        self._refuse_illegal(acceptance.moves)
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
            self._has.queue[spool_id, delivery.number] = Queued(
                delivery=delivery,
                lease=None if held else acceptance.lease,
                held_because=acceptance.holding_rule if held else "",
            )
        self._has.letters += [Remembered(letter=each, spool_id=spool_id, seen_at=at) for each in acceptance.letters]
        self._move(acceptance.moves, at)
        for letter in acceptance.letters:
            if letter.closes:
                self._close_letters(letter.pair)
        self._has.journal += acceptance.entries
        self._link(acceptance.receipt, acceptance.notice, at)
        self._remember_collected(acceptance.collected, at)

    async def note(self, entries: Sequence[Entry]) -> None:
        self._has.journal += entries

    async def claim(self, *, now: datetime, lease: Lease, limit: int, lapsed: bool = True) -> Sequence[Delivery]:
        due = self._due(now, lapsed=lapsed)[:limit]
        for row in due:
            row.lease = lease
        return [row.delivery for row in due]

    async def domains_due(self, *, now: datetime, lapsed: bool = True) -> Sequence[str]:
        return list(dict.fromkeys(row.delivery.domain for row in self._due(now, lapsed=lapsed)))

    async def claim_for(
        self, domains: Sequence[str], *, now: datetime, lease: Lease, limit: int, lapsed: bool = True
    ) -> Sequence[Delivery]:
        due = self._due(now, lapsed=lapsed)
        claimed = [row for domain in domains for row in [one for one in due if one.delivery.domain == domain][:limit]]
        for row in claimed:
            row.lease = lease
        return sorted((row.delivery for row in claimed), key=lambda delivery: delivery.due_at)

    def _due(self, now: datetime, *, lapsed: bool) -> list[Queued]:
        """The rows that may be claimed, oldest due first."""
        rows = self._has.queue.values()
        due = [row for row in rows if row.queued and row.ready_at <= now and (lapsed or row.lease is None)]
        return sorted(due, key=lambda row: row.delivery.due_at)

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
        if settlement.notify is not None:
            self._one_more_waits(settlement.notify)
        if settlement.unopened is not None:
            self._has.unopened.setdefault(settlement.unopened.letter_id, settlement.unopened)
        return True

    async def renew(self, tokens: Sequence[str], until: datetime) -> None:
        for row in self._has.queue.values():
            if row.lease is not None and row.lease.token in tokens:
                row.lease = replace(row.lease, until=until)

    async def free_node(self, node: str) -> None:
        for row in self._has.queue.values():
            if row.lease is not None and row.lease.token.rpartition(".")[0] == node:
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

    async def leads(self) -> bool:
        return True

    async def close_silent(self, silences: Sequence[Silence], *, now: datetime) -> int:
        silent = [(pair, each) for each in silences for pair in self._has.conversations if self._is_silent(pair, each)]
        for pair, silence in silent:
            self._has.conversations[pair] = State.CLOSED, now
            self._close_letters(pair)
            event = JournalEvent.CONVERSATION
            self._has.journal.append(
                Entry(at=now, event=event, sender=pair.bal, recipient=pair.patient, detail=silence.detail)
            )
        return len(silent)

    def _is_silent(self, pair: Pair, silence: Silence) -> bool:
        state, since = self._has.conversations[pair]
        last = max((each.seen_at for each in self._has.letters if each.letter.pair == pair), default=None)
        return pair.bal == silence.bal and is_silent(Conversation(state=state, since=since), last, silence)

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
        has.collected = {key: value for key, value in has.collected.items() if value[1] >= before}
        has.unopened = {key: value for key, value in has.unopened.items() if value.delivered_at >= before}
        has.strikes = {key: value for key, value in has.strikes.items() if value[1] >= before}
        return forgotten
