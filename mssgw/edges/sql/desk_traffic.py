"""The desk's part for who exchanges mail with whom: journal lines, summed by domain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from mssgw.core.correspondents import Traffic
from mssgw.core.journal import JournalEvent
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.desk_part import DeskPart
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.tables import journal

_EVENTS = (JournalEvent.ACCEPTED.value, JournalEvent.DELIVERED.value)
_AT_ONCE = 5_000  # rows in memory

_Key = tuple[str, str, str, str]  # event, domains of sender and recipient, client


class TrafficDesk(DeskPart):
    """Goes by the index on time. Unsealing costs most, so each pair of addresses is unsealed once."""

    async def traffic(self, *, since: datetime) -> Sequence[Traffic]:
        wanted = journal.c.at, journal.c.event, journal.c.sender, journal.c.recipient, journal.c.client
        statement = (
            select(*wanted, journal.c.next_hop, journal.c.sealed)
            .where(journal.c.at >= micros(since), journal.c.event.in_(_EVENTS))
            .execution_options(yield_per=_AT_ONCE)
        )

        def read(connection: Connection) -> Sequence[Traffic]:
            sums = _Sums(self._records)
            for row in connection.execute(statement):
                sums.add(*row)
            return sums.traffic()

        found: Sequence[Traffic] = await self._session.surveyor.ask(read)
        return found


class _Sums:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._domains: dict[bytes | None, str] = {None: ""}  # by the keyed hash of an address
        self._lines: dict[_Key, int] = {}
        self._last: dict[_Key, tuple[int, str]] = {}

    def add(
        self,
        at: int,
        event: str,
        sender: bytes | None,
        recipient: bytes | None,
        client: str,
        next_hop: str,
        sealed: Any,
    ) -> None:
        known = self._domains
        if sender not in known or recipient not in known:
            known[sender], known[recipient] = self._records.journal_domains(sealed)
            known[None] = ""
        key = event, known[sender], known[recipient], client
        self._lines[key] = self._lines.get(key, 0) + 1
        if at >= self._last.get(key, (at, ""))[0]:
            self._last[key] = at, next_hop

    def traffic(self) -> Sequence[Traffic]:
        return [
            Traffic(
                event=JournalEvent(key[0]),
                sender=key[1],
                recipient=key[2],
                client=key[3],
                lines=lines,
                last=moment(self._last[key][0]),
                next_hop=self._last[key][1],
            )
            for key, lines in self._lines.items()
        ]
