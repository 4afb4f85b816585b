"""The desk's part for conversations and oppositions."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, insert, select, union_all

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.errors import GatewayError
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.desk_part import DeskPart
from mssgw.edges.sql.tables import blocks, conversations
from mssgw.edges.sql.units import Unit
from mssgw.ports import ConversationRow

_UNREADABLE = Address(text="?@?", key="?@?", domain="?")
_AT_ONCE = 500  # pairs that one transaction imports
_KEPT = tuple(state for state in State if state is not State.ABSENT)  # an absent one has no row


class PairsDesk(DeskPart):
    """Pairs of a patient and a mailbox."""

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
        of = [] if patient is None else [conversations.c.patient == self._records.address(patient)]
        of += [] if bal is None else [conversations.c.bal == self._records.address(bal)]
        found = list(connection.execute(_latest(limit, _KEPT if state is None else (state,), of)))
        blocked = _blocked(connection, {row.patient for row in found})
        rows = [
            ConversationRow(
                patient=self._unsealed(row.sealed_patient),
                bal=self._unsealed(row.sealed_bal),
                state=State(row.state),
                since=moment(row.since),
                blocked=not blocked.isdisjoint({(row.patient, row.bal), (row.patient, b"")}),
            )
            for row in found
        ]
        if state in (None, State.ABSENT):
            rows += self._oppositions(connection, limit, patient, bal)
        return sorted(rows, key=lambda row: row.since or datetime.min, reverse=True)[:limit]

    def _oppositions(
        self, connection: Connection, limit: int, patient: Address | None, bal: Address | None
    ) -> list[ConversationRow]:
        """Oppositions that stand on no conversation."""
        of = [] if patient is None else [blocks.c.patient == self._records.address(patient)]
        of += [] if bal is None else [blocks.c.bal == self._records.address(bal)]
        pair = select(conversations.c.pair).where(
            conversations.c.patient == blocks.c.patient, conversations.c.bal == blocks.c.bal
        )
        alone = select(blocks).where(~pair.exists(), *of).order_by(blocks.c.since.desc()).limit(limit)
        return [
            ConversationRow(
                patient=self._unsealed(row.sealed_patient),
                bal=self._unsealed(row.sealed_bal) if row.sealed_bal else None,
                state=State.ABSENT,
                since=moment(row.since),
                blocked=True,
            )
            for row in connection.execute(alone)
        ]

    def _unsealed(self, sealed: bytes) -> Address:
        """Of a damaged row the rest is shown: after a repair the list is what operators go by."""
        try:
            return self._records.unsealed_address(sealed)
        except (GatewayError, ValueError):
            return _UNREADABLE

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
        self._session.database.alone(connection, conversations)
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
            self._session.database.alone(connection, blocks)
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


def _latest(limit: int, states: Sequence[State], of: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Conversations in these states, latest change first. Each state has its part of the index."""
    if of:  # few, by patient or mailbox
        some = select(conversations).where(conversations.c.state.in_([state.value for state in states]), *of)
        return some.order_by(conversations.c.since.desc()).limit(limit)
    parts = [
        select(conversations)
        .where(conversations.c.state == state.value)
        .order_by(conversations.c.since.desc())
        .limit(limit)
        .subquery()
        for state in states
    ]
    each = union_all(*(select(part) for part in parts)).subquery()
    return select(each).order_by(each.c.since.desc()).limit(limit)


def _blocked(connection: Connection, patients: set[bytes]) -> set[tuple[bytes, bytes]]:
    """The oppositions of these patients: patient and mailbox, which is empty for all."""
    every, found = sorted(patients), set()
    for start in range(0, len(every), _AT_ONCE):
        some = blocks.c.patient.in_(every[start : start + _AT_ONCE])
        found |= {
            (row.patient, row.bal) for row in connection.execute(select(blocks.c.patient, blocks.c.bal).where(some))
        }
    return found
