"""The Desk port in dictionaries."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.conversation import Move, Pair, State
from mssgw.core.correspondents import Traffic
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.edges.memory.content import Queued
from mssgw.edges.memory.links import MemoryLinks
from mssgw.ports import ConversationRow, NoticeSeen, QueueRow, ReceiptSeen


class MemoryDesk(MemoryLinks):
    """See ports.Desk."""

    def alias(self, address: Address) -> str:
        return hashlib.blake2b(address.key.encode(), key=self._salt, digest_size=16).hexdigest()

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

    def _queue_row(self, row: Queued, now: datetime) -> QueueRow:
        stored = self._has.messages[row.delivery.spool_id]
        return QueueRow(
            delivery=row.delivery,
            sender=stored.envelope.reverse_path,
            size=stored.body.size,
            leased=row.leased(now),
            held_because=row.held_because,
            accepted_at=stored.accepted_at,
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
        rows = [row for row in self._rows([spool_id]) if row.delivery.state is DeliveryState.HELD]
        if rows:
            self._refuse_counted(receipt)
            self._refuse_illegal(moves)
        for row in rows:
            row.become(DeliveryState.QUEUED)
            row.delivery = replace(row.delivery, created_at=now, due_at=now)
        released = self._acted(rows, JournalEvent.RELEASED, "", operator, now)
        if released:
            self._move(moves, now)
            self._link(receipt, notice, now)
            self._has.journal += entries
        return released

    async def bounce(self, spool_id: str, *, operator: str, now: datetime, reply: Reply) -> int:
        rows = [row for row in self._rows([spool_id]) if row.open and not row.leased(now)]
        for row in rows:
            row.become(DeliveryState.BOUNCED)
            row.delivery = replace(row.delivery, last_reply=reply)
        return self._acted(rows, JournalEvent.BOUNCED, "operator", operator, now, reply)

    async def mend(self, *, operator: str, now: datetime) -> int:
        return 0  # no page of it is ever damaged

    def _acted(
        self,
        rows: Sequence[Queued],
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

    async def traffic(self, *, since: datetime) -> Sequence[Traffic]:
        found: dict[tuple[object, ...], Traffic] = {}
        for each in self._has.journal:
            if each.at < since or each.event not in (JournalEvent.ACCEPTED, JournalEvent.DELIVERED):
                continue
            sender, recipient = (one.domain if one else "" for one in (each.sender, each.recipient))
            key = each.event, sender, recipient, each.client
            before = found.get(key)
            found[key] = Traffic(
                event=each.event,
                sender=sender,
                recipient=recipient,
                client=each.client,
                lines=before.lines + 1 if before else 1,
                last=max(each.at, before.last) if before else each.at,
                next_hop=each.next_hop if before is None or each.at >= before.last else before.next_hop,
            )
        return list(found.values())

    async def rotate(self, new_key: bytes) -> int:
        """Nothing is encrypted here."""
        return len(self._has.messages)

    def _journal_pair(self, patient: Address, bal: Address | None, detail: str, operator: str, at: datetime) -> None:
        event = JournalEvent.CONVERSATION
        self._has.journal.append(
            Entry(at=at, event=event, sender=bal, recipient=patient, operator=operator, detail=detail)
        )
