"""The desk's part for the queue: look, retry, hold, release, bounce."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from mssgw.core.addresses import Address
from mssgw.core.conversation import Move
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.desk_part import DeskPart
from mssgw.edges.sql.mending import missing
from mssgw.edges.sql.tables import data_keys, deliveries, messages
from mssgw.edges.sql.units import Unit
from mssgw.edges.sql.waiting import FINAL, HELD, IS_QUEUED, QUEUED, first, unowned
from mssgw.ports import NoticeSeen, QueueRow, ReceiptSeen

_AT_ONCE = 500  # letters that one transaction changes
_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_until": None}


class QueueDesk(DeskPart):
    """Deliveries. Of a message that cannot be read, ``queue`` shows the row with the recipient ``?@its.domain``."""

    async def queue(
        self, *, limit: int, state: str | None = None, domain: str | None = None, spool_id: str | None = None
    ) -> Sequence[QueueRow]:
        states = [state] if state else (QUEUED, HELD)
        wanted = first(limit, states, domain=domain, of=spool_id).subquery()
        statement = (  # only of those that are shown is the message looked up
            select(
                wanted,
                messages.c.size,
                messages.c.sealed,
                messages.c.created_at.label("accepted_at"),
                data_keys.c.wrapped,
            )
            .outerjoin(messages, messages.c.spool_id == wanted.c.spool_id)
            .outerjoin(data_keys, data_keys.c.spool_id == wanted.c.spool_id)
            .order_by(wanted.c.due_at, wanted.c.spool_id, wanted.c.number)
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
            delivery = self._records.read_damaged(row, envelope)
        return QueueRow(
            delivery=delivery,
            sender=envelope.reverse_path,
            size=row.size or 0,
            leased=row.lease_until is not None and row.lease_until > now,
            held_because=row.held_because,
            accepted_at=_moment(row.accepted_at),
        )

    async def retry(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        late = [IS_QUEUED, deliveries.c.due_at > micros(now), unowned(micros(now))]
        entry = Entry(at=now, event=JournalEvent.DEFERRED, operator=operator, detail="retry-now")
        become = {"due_at": micros(now)}
        if spool_ids:
            return await self._change([*late, deliveries.c.spool_id.in_(list(spool_ids))], become, entry)
        # Which ones is asked once: those that fail again meanwhile are late again. In parts: letters get in between.
        those = select(deliveries.c.spool_id).distinct().where(*late)
        ids: list[str] = await self._session.reader.ask(lambda connection: list(connection.execute(those).scalars()))
        parts = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
        return sum([await self._change([*late, deliveries.c.spool_id.in_(part)], become, entry) for part in parts])

    async def hold(self, spool_ids: Sequence[str], *, operator: str, now: datetime) -> int:
        chosen = [IS_QUEUED, unowned(micros(now)), deliveries.c.spool_id.in_(list(spool_ids))]
        entry = Entry(at=now, event=JournalEvent.HELD, operator=operator, detail="operator")
        return await self._change(chosen, {"state": HELD, "held_because": "operator", **_NO_LEASE}, entry)

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
        chosen = [deliveries.c.state == HELD, deliveries.c.spool_id == spool_id]
        entry = Entry(at=now, event=JournalEvent.RELEASED, operator=operator)
        # Its time begins now: a letter that was held for two days must not bounce on its first greylisting.
        become = {"state": QUEUED, "created_at": micros(now), "due_at": micros(now), "held_because": ""}

        def effects(connection: Connection) -> None:
            self._session.accepting.require_legal(connection, moves)
            steps = self._session.accepting.moves(tuple(moves), micros(now))
            for step in (*steps, *self._session.accepting.entries(tuple(entries))):
                step.rows.run(connection, [step.row])
            self._session.accepting.link(connection, receipt, notice, now)

        return await self._change(chosen, become, entry, effects)

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

    async def mend(self, *, operator: str, now: datetime) -> int:
        rows, entries = await self._session.reader.ask(
            lambda connection: missing(connection, self._records, operator=operator, now=now)
        )

        def work(connection: Connection) -> None:
            connection.execute(insert(deliveries), rows)
            self._session.statements.journal.run(connection, [self._records.entry(line) for line in entries])

        if rows:
            await self._session.write(Unit(work=work, wakes=True))
        return len(entries)

    async def _change(
        self,
        chosen: Sequence[Any],
        become: dict[str, Any],
        entry: Entry,
        effects: Callable[[Connection], None] = lambda _: None,
    ) -> int:
        """Change deliveries, with a journal line for each that names its recipient, and what goes with a change."""
        statement = update(deliveries).where(*chosen).values(become)
        changing = statement.returning(deliveries.c.spool_id, deliveries.c.number)

        def work(connection: Connection) -> int:
            changed = connection.execute(changing).all()
            lines = [self._line(connection, entry, *each) for each in changed]
            self._session.statements.journal.run(connection, [self._records.entry(line) for line in lines])
            if changed:
                effects(connection)
            return len(changed)

        count: int = await self._session.write(Unit(work=work, wakes=True))
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
        return replace(entry, spool_id=spool_id, recipient=recipient)


def _unreadable(row: Any) -> Envelope:
    """Stands in for an envelope that does not decrypt, so that an operator sees that something is there."""
    address = Address(text=f"?@{row.domain}", key=f"?@{row.domain}", domain=row.domain)
    path = ForwardPath(address=address)
    return Envelope(reverse_path=None, forward_paths=(path,), origin=Origin(role=Role.OURSELVES, client=""))


def _moment(at: object) -> datetime | None:
    """None for what is no time: of a damaged row as much as possible is shown."""
    try:
        return moment(at) if isinstance(at, int) else None
    except OverflowError:
        return None
