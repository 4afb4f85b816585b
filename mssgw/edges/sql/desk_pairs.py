"""The desk's part for conversations and oppositions."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.sql.codec import micros, moment
from mssgw.edges.sql.desk_part import DeskPart
from mssgw.edges.sql.tables import blocks, conversations
from mssgw.edges.sql.units import Unit
from mssgw.ports import ConversationRow

_AT_ONCE = 500  # pairs that one transaction imports


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
