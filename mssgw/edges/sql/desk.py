"""The Desk port over SQL: what an operator does, beside a running daemon or without one."""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from mssgw.core.addresses import Address
from mssgw.core.errors import CommitInDoubt, StoreUnavailable
from mssgw.core.journal import Entry
from mssgw.edges.sql.desk_pairs import PairsDesk
from mssgw.edges.sql.desk_queue import QueueDesk
from mssgw.edges.sql.desk_traffic import TrafficDesk
from mssgw.edges.sql.desk_unread import UnreadDesk
from mssgw.edges.sql.rotation import rewrap
from mssgw.edges.sql.tables import journal
from mssgw.edges.sql.units import Unit


class SqlDesk(QueueDesk, PairsDesk, TrafficDesk, UnreadDesk):
    """See ports.Desk. Made by ``open_store``."""

    async def trace(
        self,
        *,
        spool_id: str | None = None,
        message_id: str | None = None,
        address: Address | None = None,
        alias: str | None = None,
        limit: int,
    ) -> Sequence[Entry]:
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
        work = partial(rewrap, database=self._session.database, old=self._records.vault, new=vault)
        try:
            count: int = await self._session.write(Unit(work=work))
        except CommitInDoubt as error:
            keep = "perhaps the new key is in force: keep both, one of them opens the store"
            raise CommitInDoubt(f"{error}; {keep}") from None
        self._session.use(vault)
        with contextlib.suppress(StoreUnavailable):  # it is done; who sweeps next scrubs what is left of the old key
            await self._session.scrub()
        return count


def _digest_of(alias: str | None) -> bytes:
    """The keyed hash that an alias shows; one that nothing has when it is no alias."""
    try:
        return bytes.fromhex(alias or "")
    except ValueError:
        return b""
