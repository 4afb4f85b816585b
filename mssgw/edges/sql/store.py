"""The Store port over SQL: queue, conversations and journal behind one durable commit."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, select, update

from mssgw.core.addresses import Address
from mssgw.core.delivery import Delivery, Lease
from mssgw.core.errors import Gone, StoreDamaged, StoreUnavailable, Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.accepting import Accepting
from mssgw.edges.sql.closing import Closing
from mssgw.edges.sql.collecting import SqlCollecting
from mssgw.edges.sql.erasing import Erasing
from mssgw.edges.sql.forgetting import Forgetting
from mssgw.edges.sql.leases import SqlLeases
from mssgw.edges.sql.notifications import SqlNotifications
from mssgw.edges.sql.retention import SqlPurges
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.tables import data_keys, deliveries, messages, strikes
from mssgw.edges.sql.units import Step, Unit
from mssgw.edges.sql.unopened import SqlUnopened
from mssgw.edges.sql.waiting import (
    HELD,
    IS_QUEUED,
    claiming,
    domains_due,
    due_and_free,
    earliest,
    freed,
    renewed,
)
from mssgw.ports import Acceptance, HalfSettled, Known, Question, Settlement, Stored

_AT_ONCE = 500  # leases that one statement renews


class LeaseLost(Exception):
    """The delivery belongs to somebody else now."""


class SqlStore(Closing, Erasing, Forgetting, SqlNotifications, SqlCollecting, SqlLeases, SqlUnopened, SqlPurges):
    """See ports.Store. Made by ``open_store``."""

    def __init__(self, session: Session, damaged: Callable[[str], None]) -> None:
        """``damaged`` hears the queue id of each letter that a claim sets aside."""
        super().__init__(session)
        self._damaged = damaged

    @property
    def _accepting(self) -> Accepting:
        return self._session.accepting

    async def know(self, question: Question) -> Sequence[Known]:
        answer: list[Known] = await self._session.reader.ask(question)
        return answer

    async def accept(self, acceptance: Acceptance) -> None:
        await self._session.write(self._accepting.unit(acceptance))

    async def note(self, entries: Sequence[Entry]) -> None:
        await self._session.write(Unit(self._accepting.entries(tuple(entries))))

    def alias(self, address: Address) -> str:
        return self._records.address(address).hex()

    async def free_node(self, node: str) -> None:
        begins = deliveries.c.lease_token.startswith(f"{node}.", autoescape=True)
        mine = and_(
            begins, deliveries.c.lease_token.not_like(f"{_escaped(node)}.%.%", escape="/")
        )  # host is not host.b
        await self._session.write(Unit(work=lambda connection: connection.execute(freed(mine)).rowcount, wakes=True))

    async def strike(self, letter: str, now: datetime) -> int:
        digest, at = self._records.message_id(letter), micros(now)
        insert = self._session.database.insert(strikes).values(message_id=digest, count=1, at=at)
        upsert = insert.on_conflict_do_update(
            index_elements=["message_id"], set_={"count": strikes.c.count + 1, "at": at}
        ).returning(strikes.c.count)
        count: int = await self._session.write(Unit(work=lambda connection: connection.execute(upsert).scalar_one()))
        return count

    async def load(self, spool_id: str) -> Stored:
        wanted = (
            select(messages, data_keys.c.wrapped)
            .outerjoin(data_keys, data_keys.c.spool_id == messages.c.spool_id)
            .where(messages.c.spool_id == spool_id)
        )

        def read(connection: Connection) -> Stored:
            row = connection.execute(wanted).first()
            if row is None:
                raise Gone("the message was erased, or never was")
            try:
                return self._records.read_message(row)
            except Undecryptable:
                self._session.check_key(connection)  # rotated meanwhile is no damage
                raise

        try:
            stored: Stored = await self._session.reader.ask(read)
        except StoreDamaged:
            raise Undecryptable("a page of the database is damaged") from None
        return stored

    async def claim(self, *, now: datetime, lease: Lease, limit: int, lapsed: bool = True) -> Sequence[Delivery]:
        return await self._claim(
            [claiming(micros(now), lease, limit, lapsed=lapsed)], now, [due_and_free(micros(now)).limit(limit)]
        )

    async def claim_for(
        self, domains: Sequence[str], *, now: datetime, lease: Lease, limit: int, lapsed: bool = True
    ) -> Sequence[Delivery]:
        mine = [claiming(micros(now), lease, limit, lapsed=lapsed, domain=domain) for domain in domains]
        theirs = [due_and_free(micros(now)).where(deliveries.c.domain == domain).limit(limit) for domain in domains]
        return await self._claim(mine, now, theirs)

    async def _claim(self, mine: Sequence[Any], now: datetime, among: Sequence[Select[Any]]) -> Sequence[Delivery]:
        """A message that cannot be read is held aside in the same commit, with a journal line; the rest goes on.

        ``among``: the queue ids that ``mine`` may look at.
        """

        def work(connection: Connection) -> tuple[list[Delivery], list[str]]:
            rows = [row for statement in mine for row in connection.execute(statement)]
            claimed, unreadable = self._read_claimed(connection, rows)
            for spool_id in unreadable:
                entry = Entry(at=now, event=JournalEvent.HELD, spool_id=spool_id, detail="unreadable")
                self._set_aside(connection, spool_id, entry)
            return sorted(claimed, key=lambda delivery: delivery.due_at), unreadable

        try:
            claimed, unreadable = await self._session.write(Unit(work=work))
        except StoreDamaged:
            claimed, unreadable = [], await self._set_damaged_aside(now, among)
            if not unreadable:
                raise  # some other page
        for spool_id in unreadable:
            self._damaged(spool_id)
        return claimed

    def _read_claimed(self, connection: Connection, rows: Sequence[Any]) -> tuple[list[Delivery], list[str]]:
        ids = {row.spool_id for row in rows}
        sealed = {row.spool_id: row for row in connection.execute(_envelopes(ids))} if ids else {}
        claimed, envelopes, unreadable = [], {}, set()
        for row in rows:
            try:
                if row.spool_id not in envelopes:
                    if row.spool_id not in sealed:
                        raise Undecryptable("the message row is missing")
                    found = sealed[row.spool_id]
                    envelopes[row.spool_id] = self._records.read_envelope(row.spool_id, found.wrapped, found.sealed)
                claimed.append(self._records.read_delivery(row, envelopes[row.spool_id]))
            except Undecryptable:
                unreadable.add(row.spool_id)
        return [delivery for delivery in claimed if delivery.spool_id not in unreadable], sorted(unreadable)

    async def _set_damaged_aside(self, now: datetime, among: Sequence[Select[Any]]) -> list[str]:
        """Hold the letters ``among`` these whose rows lie on a damaged page; the next claim gets the others.

        Not within the claim: after meeting such a page a transaction of SQLite can write nothing more.
        """
        ids = await self._session.reader.ask(
            lambda connection: sorted({each for some in among for each in connection.execute(some).scalars()})
        )
        damaged = []
        for spool_id in ids:
            try:
                await self.load(spool_id)
            except (Gone, Undecryptable):
                entry = Entry(at=now, event=JournalEvent.HELD, spool_id=spool_id, detail="unreadable")
                await self.set_aside(spool_id, entry)
                damaged.append(spool_id)
        return damaged

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        """Each in a unit of its own: one lost lease undoes nothing else."""
        asked = [self._session.writer.put(self._settling(settlement)) for settlement in settlements]
        ends = [await _ended(one) for one in asked]
        kept = [True if end is None else False if isinstance(end, LeaseLost) else None for end in ends]
        if None in kept:
            trouble = ends[kept.index(None)]
            raise HalfSettled(str(trouble), kept) if isinstance(trouble, StoreUnavailable) else trouble
        return [bool(each) for each in kept]

    def _settling(self, settlement: Settlement) -> Unit[None]:
        row = self._records.settled(settlement.after, settlement.lease.token)
        steps = [Step(self._session.statements.settle, row, LeaseLost()), *self._accepting.entries(settlement.entries)]
        if settlement.notify is not None:
            waits = self._records.notification(settlement.notify)
            steps.append(Step(self._session.statements.notification, waits))
        if settlement.unopened is not None:
            steps.append(Step(self._session.statements.unopened, self._records.unopened(settlement.unopened)))
        return Unit(steps)

    async def renew(self, tokens: Sequence[str], until: datetime) -> None:
        def work(connection: Connection) -> None:
            for start in range(0, len(tokens), _AT_ONCE):
                connection.execute(renewed(tokens[start : start + _AT_ONCE], micros(until)))

        await self._session.write(Unit(work=work))

    async def set_aside(self, spool_id: str, entry: Entry) -> None:
        await self._session.write(Unit(work=lambda connection: self._set_aside(connection, spool_id, entry)))

    def _set_aside(self, connection: Connection, spool_id: str, entry: Entry) -> None:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.spool_id == spool_id, IS_QUEUED)
            .values(state=HELD, lease_token=None, lease_until=None, held_because=entry.detail)
        )
        self._session.statements.journal.run(connection, [self._records.entry(entry)])

    async def domains_due(self, *, now: datetime, lapsed: bool = True) -> Sequence[str]:
        asked = domains_due(micros(now), lapsed=lapsed)
        found = await self._session.reader.ask(
            lambda connection: [tuple(row) for statement in asked for row in connection.execute(statement)]
        )
        return list(dict.fromkeys(domain for domain, _ in sorted(found, key=lambda row: row[1])))

    async def next_due(self) -> datetime | None:
        due = await self._session.reader.ask(
            lambda connection: [connection.execute(statement).scalar() for statement in earliest()]
        )
        return min((moment(each) for each in due if each is not None), default=None)


async def _ended(asked: asyncio.Future[Any]) -> Any:
    """What became of it: its value, or the exception."""
    try:
        return await asked
    except Exception as error:
        return error


def _escaped(node: str) -> str:
    return node.replace("/", "//").replace("%", "/%").replace("_", "/_")


def _envelopes(ids: set[str]) -> Select[Any]:
    return (
        select(messages.c.spool_id, messages.c.sealed, data_keys.c.wrapped)
        .outerjoin(data_keys, data_keys.c.spool_id == messages.c.spool_id)
        .where(messages.c.spool_id.in_(ids))
    )
