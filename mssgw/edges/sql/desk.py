"""The Desk port over SQL: what an operator does, beside a running daemon or without one."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from mssgw.core.addresses import Address
from mssgw.core.conversation import Move, Pair, State
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.edges.sql.codec import micros, moment
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.rotation import rewrap
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.store import FINAL, HELD, QUEUED, unowned
from mssgw.edges.sql.tables import blocks, conversations, data_keys, deliveries, journal, messages
from mssgw.edges.sql.workers import Unit
from mssgw.ports import Clock, ConversationRow, QueueRow

_AT_ONCE = 500  # pairs that one transaction imports


class SqlDesk:
    """See ports.Desk. Made by ``open_store``.

    Of a message that cannot be read, ``queue`` shows the row with the recipient ``?@its.domain``.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    @property
    def _records(self) -> Records:
        return self._session.records

    # --- the queue ---------------------------------------------------------------------------------------------

    async def queue(
        self, *, limit: int, state: str | None = None, domain: str | None = None, spool_id: str | None = None
    ) -> Sequence[QueueRow]:
        wanted = [deliveries.c.state == state if state else deliveries.c.state.not_in(FINAL)]
        if domain is not None:
            wanted.append(deliveries.c.domain == domain)
        if spool_id is not None:
            wanted.append(deliveries.c.spool_id == spool_id)
        statement = (
            select(deliveries, messages.c.size, messages.c.sealed, data_keys.c.wrapped)
            .outerjoin(messages, messages.c.spool_id == deliveries.c.spool_id)
            .outerjoin(data_keys, data_keys.c.spool_id == deliveries.c.spool_id)
            .where(and_(*wanted))
            .order_by(deliveries.c.due_at, deliveries.c.spool_id, deliveries.c.number)
            .limit(limit)
        )
        now = micros(self._clock.now())
        rows: list[QueueRow] = await self._session.reader.ask(
            lambda connection: [self._queue_row(row, now) for row in connection.execute(statement)]
        )
        return rows

    def _queue_row(self, row: Any, now: int) -> QueueRow:
        try:
            envelope = self._records.read_envelope(row.spool_id, row.wrapped, row.sealed)
            delivery = self._records.read_delivery(row, envelope)
        except Undecryptable:
            envelope = _unreadable(row)
            delivery = self._records.read_delivery(row, envelope, with_reply=False)
        return QueueRow(
            delivery=delivery,
            sender=envelope.reverse_path,
            size=row.size or 0,
            leased=row.lease_until is not None and row.lease_until > now,
            held_because=row.held_because,
        )

    async def retry(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        chosen = [deliveries.c.state == QUEUED, deliveries.c.due_at > micros(now), unowned(micros(now))]
        if spool_ids:
            chosen.append(deliveries.c.spool_id.in_(list(spool_ids)))
        entry = Entry(at=now, event=JournalEvent.DEFERRED, operator=operator, detail="retry-now")
        return await self._change(chosen, {"due_at": micros(now)}, entry)

    async def hold(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        chosen = [deliveries.c.state == QUEUED, unowned(micros(now)), deliveries.c.spool_id.in_(list(spool_ids))]
        entry = Entry(at=now, event=JournalEvent.HELD, operator=operator, detail="operator")
        return await self._change(chosen, {"state": HELD, "held_because": "operator", **_NO_LEASE}, entry)

    async def release(self, spool_id: str, *, operator: str, now: datetime, moves: Sequence[Move]) -> int:
        chosen = [deliveries.c.state == HELD, deliveries.c.spool_id == spool_id]
        entry = Entry(at=now, event=JournalEvent.RELEASED, operator=operator)
        become = {"state": QUEUED, "due_at": micros(now), "held_because": ""}
        return await self._change(chosen, become, entry, tuple(moves))

    async def bounce(self, spool_id: str, *, operator: str, now: datetime, reply: Reply) -> int:
        chosen = [deliveries.c.state.not_in(FINAL), unowned(micros(now)), deliveries.c.spool_id == spool_id]
        entry = Entry(at=now, event=JournalEvent.BOUNCED, operator=operator, detail="operator", reply=reply)
        become = {
            "state": DeliveryState.BOUNCED.value,
            "last_reply": self._records.sealed_reply(reply),
            "held_because": "",
            **_NO_LEASE,
        }
        return await self._change(chosen, become, entry)

    async def _change(
        self, chosen: Sequence[Any], become: dict[str, Any], entry: Entry, moves: tuple[Move, ...] = ()
    ) -> int:
        """Change deliveries, with a journal line for each that names its recipient, and the moves that go with it."""
        statement = update(deliveries).where(*chosen).values(become)
        changing = statement.returning(deliveries.c.spool_id, deliveries.c.number)

        def work(connection: Connection) -> int:
            changed = connection.execute(changing).all()
            lines = [self._line(connection, entry, *each) for each in changed]
            self._session.statements.journal.run(connection, [self._records.entry(line) for line in lines])
            if changed:
                for step in self._session.intake.moves(moves, micros(entry.at)):
                    step.rows.run(connection, [step.row])
            return len(changed)

        count: int = await self._session.write(Unit(work=work))
        return count

    def _line(self, connection: Connection, entry: Entry, spool_id: str, number: int) -> Entry:
        sealed = (
            select(messages.c.sealed, data_keys.c.wrapped)
            .outerjoin(data_keys, data_keys.c.spool_id == messages.c.spool_id)
            .where(messages.c.spool_id == spool_id)
        )
        recipient = None
        row = connection.execute(sealed).first()
        if row is not None:
            with contextlib.suppress(Undecryptable, IndexError):  # what cannot be read can still be held or bounced
                envelope = self._records.read_envelope(spool_id, row.wrapped, row.sealed)
                recipient = envelope.forward_paths[number].address
        return Entry(
            at=entry.at,
            event=entry.event,
            spool_id=spool_id,
            recipient=recipient,
            operator=entry.operator,
            reply=entry.reply,
            detail=entry.detail,
        )

    # --- conversations -----------------------------------------------------------------------------------------

    async def conversations(
        self, *, limit: int, patient: Address | None = None, bal: Address | None = None, state: State | None = None
    ) -> Sequence[ConversationRow]:
        def read(connection: Connection) -> list[ConversationRow]:
            return self._conversations(connection, limit, patient, bal, state)

        rows: list[ConversationRow] = await self._session.reader.ask(read)
        return rows

    def _conversations(
        self, connection: Connection, limit: int, patient: Address | None, bal: Address | None, state: State | None
    ) -> list[ConversationRow]:
        pairs, stops = select(conversations), select(blocks)
        if patient is not None:
            pairs = pairs.where(conversations.c.patient == self._records.address(patient))
            stops = stops.where(blocks.c.patient == self._records.address(patient))
        if bal is not None:
            pairs = pairs.where(conversations.c.bal == self._records.address(bal))
        if state is not None:
            pairs = pairs.where(conversations.c.state == state.value)
        blocked = {(row.patient, row.bal): row for row in connection.execute(stops)}
        rows = [
            ConversationRow(
                patient=self._records.unsealed_address(row.sealed_patient),
                bal=self._records.unsealed_address(row.sealed_bal),
                state=State(row.state),
                since=moment(row.since),
                blocked=(row.patient, row.bal) in blocked or (row.patient, b"") in blocked,
            )
            for row in connection.execute(pairs.order_by(conversations.c.since.desc()).limit(limit))
        ]
        if state in (None, State.ABSENT):
            rows += self._oppositions(connection, blocked, bal)
        return sorted(rows, key=lambda row: row.since or datetime.min, reverse=True)[:limit]

    def _oppositions(
        self, connection: Connection, blocked: dict[Any, Any], bal: Address | None
    ) -> list[ConversationRow]:
        """Oppositions that stand on no conversation."""
        wanted = None if bal is None else self._records.address(bal)
        rows = []
        for (patient, of_bal), row in blocked.items():
            mine = and_(conversations.c.patient == patient, conversations.c.bal == of_bal)
            if wanted not in (None, of_bal) or connection.execute(select(conversations.c.pair).where(mine)).first():
                continue
            rows.append(
                ConversationRow(
                    patient=self._records.unsealed_address(row.sealed_patient),
                    bal=self._records.unsealed_address(row.sealed_bal) if row.sealed_bal else None,
                    state=State.ABSENT,
                    since=moment(row.since),
                    blocked=True,
                )
            )
        return rows

    async def set_state(
        self, pairs: Sequence[tuple[Pair, State, datetime]], *, operator: str, only_absent: bool
    ) -> int:
        changed = 0
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            work = partial(self._set_states, pairs=some, operator=operator, only_absent=only_absent)
            changed += await self._session.write(Unit(work=work))
        return changed

    def _set_states(
        self,
        connection: Connection,
        *,
        pairs: Sequence[tuple[Pair, State, datetime]],
        operator: str,
        only_absent: bool,
    ) -> int:
        changed = 0
        for pair, state, since in pairs:
            key = self._records.pair(pair)
            found = connection.execute(select(conversations.c.state).where(conversations.c.pair == key)).scalar()
            if (found or State.ABSENT) == state or (only_absent and found is not None):
                continue
            if state is State.ABSENT:
                connection.execute(delete(conversations).where(conversations.c.pair == key))
            else:
                row = self._records.conversation(pair, state, micros(since))
                self._session.statements.move.run(connection, [row])
            if state is State.CLOSED:
                self._session.statements.close_letters.run(connection, [self._records.closing(pair)])
            self._journal_pair(connection, pair.patient, pair.bal, state.value, operator, self._clock.now())
            changed += 1
        return changed

    async def set_block(
        self, patient: Address, bal: Address | None, *, blocked: bool, operator: str, now: datetime
    ) -> bool:
        key = {"patient": self._records.address(patient), "bal": self._records.address(bal) if bal else b""}
        row = {
            **key,
            "sealed_patient": self._records.sealed_address(patient),
            "sealed_bal": self._records.sealed_address(bal) if bal else None,
            "since": micros(now),
        }
        mine = and_(blocks.c.patient == key["patient"], blocks.c.bal == key["bal"])

        def work(connection: Connection) -> bool:
            if (connection.execute(select(blocks.c.since).where(mine)).first() is not None) is blocked:
                return False
            connection.execute(insert(blocks).values(row) if blocked else delete(blocks).where(mine))
            detail = "blocked" if blocked else "unblocked"
            self._journal_pair(connection, patient, bal, detail, operator, now)
            return True

        changed: bool = await self._session.write(Unit(work=work))
        return changed

    def _journal_pair(
        self, connection: Connection, patient: Address, bal: Address | None, detail: str, operator: str, at: datetime
    ) -> None:
        event = JournalEvent.CONVERSATION
        entry = Entry(at=at, event=event, sender=bal, recipient=patient, operator=operator, detail=detail)
        self._session.statements.journal.run(connection, [self._records.entry(entry)])

    # --- the journal and the keys ------------------------------------------------------------------------------

    async def trace(
        self,
        *,
        spool_id: str | None = None,
        message_id: str | None = None,
        address: Address | None = None,
        alias: str | None = None,
        limit: int,
    ) -> Sequence[Entry]:
        """The latest ``limit`` lines, oldest first."""
        wanted: list[Any] = []
        if spool_id:
            wanted.append(journal.c.spool_id == spool_id)
        if message_id:
            wanted.append(journal.c.message_id == self._records.message_id(message_id))
        if address or alias:
            person = self._records.address(address) if address else _digest_of(alias)
            wanted += [journal.c.sender == person, journal.c.recipient == person]

        def read(connection: Connection) -> list[Entry]:
            found: dict[int, Row[Any]] = {}
            for condition in wanted:  # one index each
                for row in connection.execute(
                    select(journal).where(condition).order_by(journal.c.id.desc()).limit(limit)
                ):
                    found[row.id] = row
            return [self._records.read_entry(found[key]) for key in sorted(found)[-limit:]]

        entries: list[Entry] = await self._session.reader.ask(read)
        return entries

    async def rotate(self, new_key: bytes) -> int:
        vault = self._records.vault.rekeyed(new_key)
        count: int = await self._session.write(Unit(work=partial(rewrap, old=self._records.vault, new=vault)))
        self._session.use(vault)
        await self._session.scrub()
        return count


_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_until": None}


def _digest_of(alias: str | None) -> bytes:
    """The keyed hash that an alias shows; one that nothing has when it is no alias."""
    try:
        return bytes.fromhex(alias or "")
    except ValueError:
        return b""


def _unreadable(row: Any) -> Envelope:
    """Stands in for an envelope that does not decrypt, so that an operator sees that something is there."""
    address = Address(text=f"?@{row.domain}", key=f"?@{row.domain}", domain=row.domain)
    paths = (ForwardPath(address=address),) * (row.number + 1)
    return Envelope(reverse_path=None, forward_paths=paths, origin=Origin(role=Role.OURSELVES, client=""))
