"""The desk's part for letters that asked for a read receipt and have none."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select, text

from mssgw.core.addresses import Address
from mssgw.core.journal import JournalEvent
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.desk_part import DeskPart
from mssgw.edges.sql.pseudonyms import digests
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.tables import UNREAD, journal, letters
from mssgw.ports import UnreadCount, UnreadRow

_AT_ONCE = 500  # letters looked at together
_BEGUN = (JournalEvent.ACCEPTED.value, JournalEvent.HELD.value)
_TOLD = (*_BEGUN, JournalEvent.DELIVERED.value, JournalEvent.BOUNCED.value, JournalEvent.ACCOUNT.value)
_ASKED = text(UNREAD)  # in the words of the index


class UnreadDesk(DeskPart):
    """Goes by the index of unread letters; what else there is to say of each stands in the journal."""

    async def unread(
        self, *, before: datetime, limit: int, sender: Address | None = None, domain: str | None = None
    ) -> Sequence[UnreadRow]:
        def read(connection: Connection) -> list[UnreadRow]:
            search = _Search(connection, self._records, sender, domain)
            found: list[UnreadRow] = []
            for page in _pages(connection, micros(before)):
                found += search.among(page, limit - len(found))
                if len(found) >= limit:
                    break
            return found

        rows: list[UnreadRow] = await self._session.surveyor.ask(read)
        return rows

    async def count_unread(self, *, before: datetime, fresh_since: datetime) -> UnreadCount:
        bounced = select(journal.c.id).where(
            journal.c.spool_id == letters.c.spool_id,
            journal.c.event == JournalEvent.BOUNCED.value,
            journal.c.recipient == letters.c.patient,
        )
        # A letter with a Reply-To is remembered on two pairs.
        each = (
            select(letters.c.spool_id, letters.c.patient, func.max(letters.c.seen_at).label("seen_at"))
            .where(_ASKED, letters.c.seen_at < micros(before), ~bounced.exists())
            .group_by(letters.c.spool_id, letters.c.patient)
            .subquery()
        )
        fresh = func.sum(case((each.c.seen_at >= micros(fresh_since), 1), else_=0))
        row = await self._session.surveyor.ask(
            lambda connection: connection.execute(select(func.count(), func.coalesce(fresh, 0)).select_from(each)).one()
        )
        return UnreadCount(total=row[0], fresh=int(row[1]))


def _pages(connection: Connection, before: int) -> Iterator[Sequence[Any]]:
    """Rows of letters, latest first, some at a time."""
    rows = select(letters.c.id, letters.c.spool_id, letters.c.patient, letters.c.receipt_to, letters.c.seen_at)
    last: Any = None
    while True:
        of: list[Any] = [_ASKED, letters.c.seen_at < before]
        if last is not None:  # behind the page before; of those of one moment, behind its last
            at = letters.c.seen_at
            of = [_ASKED, at <= last.seen_at, (at < last.seen_at) | (letters.c.id < last.id)]
        order = letters.c.seen_at.desc(), letters.c.id.desc()
        page = connection.execute(rows.where(*of).order_by(*order).limit(_AT_ONCE)).all()
        if page:
            yield page
        if len(page) < _AT_ONCE:
            return
        last = page[-1]


@dataclass(slots=True)
class _Life:
    """What the journal says of one letter to one patient."""

    begun: Any = None
    delivered_at: int | None = None
    bounced: bool = False
    account: str = ""


@dataclass(slots=True)
class _Search:
    """Unsealing costs most: each address is unsealed once."""

    connection: Connection
    records: Records
    sender: Address | None
    domain: str | None
    _seen: set[tuple[str, bytes]] = field(default_factory=set)
    _names: dict[bytes, Address | None] = field(default_factory=dict)

    def among(self, page: Sequence[Any], limit: int) -> list[UnreadRow]:
        """Those of this page that are wanted, ``limit`` at most."""
        lives, found = self._lives({row.spool_id for row in page}), []
        for row in page:
            key = row.spool_id, row.patient
            if key in self._seen:  # remembered on the pair of its Reply-To too
                continue
            self._seen.add(key)
            life = lives.get(key, _Life())
            if not life.bounced and self._is_wanted(life):
                found.append(self._row(row, life))
                if len(found) == limit:
                    break
        return found

    def _lives(self, ids: Iterable[str]) -> dict[tuple[str, bytes], _Life]:
        lives: dict[tuple[str, bytes], _Life] = {}
        accounts: dict[str, str] = {}
        about = select(journal).where(journal.c.spool_id.in_(sorted(ids)), journal.c.event.in_(_TOLD))
        for line in self.connection.execute(about.order_by(journal.c.id)):
            if line.event == JournalEvent.ACCOUNT.value and line.recipient is None:
                accounts[line.spool_id] = line.detail  # whom it is about, it did not say
                continue
            _tell(lives.setdefault((line.spool_id, line.recipient), _Life()), line)
        for (spool_id, _), life in lives.items():
            life.account = life.account or accounts.get(spool_id, "")
        return lives

    def _is_wanted(self, life: _Life) -> bool:
        if self.sender is None and self.domain is None:
            return True
        if life.begun is None or life.begun.sender is None:
            return False
        if self.sender is not None and life.begun.sender != self.records.address(self.sender):
            return False
        return self.domain is None or getattr(self._sender(life), "domain", None) == self.domain

    def _row(self, row: Any, life: _Life) -> UnreadRow:
        return UnreadRow(
            spool_id=row.spool_id,
            sent_at=moment(row.seen_at),
            sender=self._sender(life),
            patient=self.records.read_entry(life.begun).recipient if life.begun is not None else None,
            receipt_to=tuple(self._named(each) or each.hex() for each in digests(row.receipt_to)),
            delivered_at=None if life.delivered_at is None else moment(life.delivered_at),
            account=life.account,
        )

    def _sender(self, life: _Life) -> Address | None:
        if life.begun is None or life.begun.sender is None:
            return None
        digest = life.begun.sender
        if digest not in self._names:
            self._names[digest] = self.records.read_entry(life.begun).sender
        return self._names[digest]

    def _named(self, digest: bytes) -> Address | None:
        """Whose hash it is, if he ever sent or received a letter here."""
        if digest not in self._names:
            self._names[digest] = self._found(journal.c.sender, digest) or self._found(journal.c.recipient, digest)
        return self._names[digest]

    def _found(self, column: ColumnElement[Any], digest: bytes) -> Address | None:
        line = self.connection.execute(select(journal).where(column == digest).limit(1)).first()
        if line is None:
            return None
        entry = self.records.read_entry(line)
        return entry.sender if column is journal.c.sender else entry.recipient


def _tell(life: _Life, line: Any) -> None:
    """Take in what one line says, the latest last."""
    match JournalEvent(line.event):
        case JournalEvent.DELIVERED:
            life.delivered_at = line.at
        case JournalEvent.BOUNCED:
            life.bounced = True
        case JournalEvent.ACCOUNT:
            life.account = line.detail
        case _:  # the first: what is held by hand later names no sender
            life.begun = life.begun or line
