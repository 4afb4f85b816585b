"""The store's part for letters that leave mailboxes (ports.Purges)."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from mssgw.core.addresses import Address
from mssgw.core.journal import Entry
from mssgw.core.retention import Announced
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import purges
from mssgw.edges.sql.units import Unit
from mssgw.formats.imap_writing import read_uid_set, uid_set


class SqlPurges(StorePart):
    """Neither mailbox nor folder stands in a row."""

    async def announced(self, mailbox: Address, folder: str) -> Announced | None:
        asked = select(purges).where(purges.c.place == self._place(mailbox, folder))
        row = await self._session.reader.ask(lambda connection: connection.execute(asked).first())
        if row is None:
            return None
        return Announced(
            mailbox=mailbox,
            folder=folder,
            uid_validity=row.uid_validity,
            uids=read_uid_set(row.uids),
            before=moment(row.before),
            due_at=moment(row.due_at),
        )

    async def announce(self, announced: Sequence[Announced], entry: Entry) -> None:
        rows = [
            {
                "place": self._place(each.mailbox, each.folder),
                "uid_validity": each.uid_validity,
                "uids": uid_set(sorted(each.uids)),
                "before": micros(each.before),
                "due_at": micros(each.due_at),
            }
            for each in announced
        ]
        line = self._records.entry(entry)

        def work(connection: Connection) -> None:
            for row in rows:
                new = self._session.database.insert(purges).values(row)
                connection.execute(new.on_conflict_do_update(index_elements=["place"], set_=row))
            self._session.statements.journal.run(connection, [line])

        await self._session.write(Unit(work=work))

    async def call_off(self, announced: Announced) -> None:
        this = delete(purges).where(purges.c.place == self._place(announced.mailbox, announced.folder))
        await self._session.write(Unit(work=lambda connection: connection.execute(this).rowcount))

    def _place(self, mailbox: Address, folder: str) -> bytes:
        return self._records.place(f"retention {mailbox.key} {folder}")
