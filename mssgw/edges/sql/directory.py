"""The Directory port over SQL: half a million rows beside the mail, written and erased in pieces between its commits.

1. ``begin`` takes a number; whatever others were staging is overtaken, so nothing has to be locked in between;
2. ``stage`` appends in the order of the key, each piece a transaction of its own that ends in milliseconds;
3. ``adopt`` changes two words, and every look-up from then on goes by the new edition;
4. ``tidy`` erases the old one, piece by piece. Left off anywhere, the next import begins with what is left of that.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, literal, or_, select, update

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.directory import Change, Edition, Listing, Overtaken, Overview
from mssgw.core.journal import THE_DIRECTORY, Entry, JournalEvent
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.directory_change import change, in_force
from mssgw.edges.sql.knowledge import IN_FORCE
from mssgw.edges.sql.rows import Place, Rows
from mssgw.edges.sql.session import Session
from mssgw.edges.sql.tables import directory_editions as editions
from mssgw.edges.sql.tables import directory_mailboxes as mailboxes
from mssgw.edges.sql.tables import directory_overrides as overrides
from mssgw.edges.sql.tables import directory_pharmacies as pharmacies
from mssgw.edges.sql.units import Unit

STAGING, PAST = "staging", "past"
AT_ONCE = 2_000  # rows of one transaction: ten milliseconds
_LONGEST_PAUSE = 0.1  # seconds
_NUMBERS = ("mailboxes", "pharmacies", "structures")


class SqlDirectory:
    """See ports.Directory. Made by ``open_store``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._mailboxes, self._pharmacies = self._appending(mailboxes), self._appending(pharmacies)

    def _appending(self, table: Any) -> Rows:
        columns = [column.name for column in table.columns]

        def build(place: Place, count: int) -> Any:
            return insert(table).values([{name: place(name, row) for name in columns} for row in range(count)])

        return Rows(table, columns, self._session.database.dialect, build)

    # --- what is loaded ----------------------------------------------------------------------------------------

    async def edition(self) -> Edition | None:
        edition: Edition | None = await self._session.reader.ask(_edition)
        return edition

    async def overview(self) -> Overview:
        def read(connection: Connection) -> Overview:
            counted = select(mailboxes.c.generation, mailboxes.c.kind, func.count().label("number"))
            rows = connection.execute(counted.group_by(mailboxes.c.generation, mailboxes.c.kind)).all()
            mine = connection.execute(in_force()).scalar()
            kinds = sorted((BalKind(row.kind), row.number) for row in rows if row.generation == mine)
            return Overview(
                edition=_edition(connection),
                kinds=tuple(kinds),
                by_hand=connection.execute(select(func.count()).select_from(overrides)).scalar_one(),
                leftover=sum(row.number for row in rows if row.generation != mine),
            )

        overview: Overview = await self._session.surveyor.ask(read)
        return overview

    async def pharmacies(self) -> frozenset[str]:
        known = select(pharmacies.c.structure).where(pharmacies.c.generation == in_force().scalar_subquery())
        found: frozenset[str] = await self._session.surveyor.ask(
            lambda connection: frozenset(connection.execute(known).scalars())
        )
        return found

    # --- an import ---------------------------------------------------------------------------------------------

    async def begin(self, now: datetime) -> int:
        def work(connection: Connection) -> int:
            self._session.database.alone(connection, editions)
            connection.execute(update(editions).where(editions.c.standing == STAGING).values(standing=PAST))
            latest: int | None = connection.execute(select(func.max(editions.c.generation))).scalar()
            begun: dict[str, Any] = {"generation": (latest or 0) + 1, "standing": STAGING}
            begun |= {"made_at": micros(now), "imported_at": micros(now), "source": "", "fingerprint": ""}
            connection.execute(insert(editions).values(begun | dict.fromkeys(_NUMBERS, 0)))
            number: int = begun["generation"]
            return number

        generation: int = await self._session.write(Unit(work=work))
        return generation

    async def stage(self, generation: int, listings: Sequence[Listing]) -> None:
        rows = [
            (generation, each.mailbox, each.kind.value, each.structure, int(each.pharmacy), each.name, each.place)
            for each in listings
        ]
        await self._append(self._mailboxes, generation, rows)

    async def stage_pharmacies(self, generation: int, structures: Sequence[str]) -> None:
        await self._append(self._pharmacies, generation, [(generation, each) for each in structures])

    async def _append(self, statement: Rows, generation: int, rows: Sequence[tuple[Any, ...]]) -> None:
        def work(connection: Connection, some: Sequence[tuple[Any, ...]]) -> None:
            _require_staging(connection, generation)
            statement.run(connection, some)

        for start in range(0, len(rows), AT_ONCE):
            await self._between_letters(Unit(work=partial(work, some=rows[start : start + AT_ONCE])))

    async def _between_letters(self, unit: Unit[Any]) -> Any:
        """Write, then wait as long as that took: who waits for the write lock of SQLite looks for it now and then."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        result = await self._session.write(unit)
        await asyncio.sleep(min(loop.time() - begun, _LONGEST_PAUSE))
        return result

    async def compare(self, generation: int, *, most: int) -> Change:
        found: Change = await self._session.surveyor.ask(lambda connection: change(connection, generation, most))
        return found

    async def adopt(self, generation: int, edition: Edition, *, operator: str, detail: str) -> None:
        told = {
            "standing": IN_FORCE,
            "made_at": micros(edition.made_at),
            "imported_at": micros(edition.imported_at),
            "source": edition.source,
            "fingerprint": edition.fingerprint,
            **{name: getattr(edition, name) for name in _NUMBERS},
        }

        def work(connection: Connection) -> None:
            self._session.database.alone(connection, editions)
            _require_staging(connection, generation)
            connection.execute(update(editions).where(editions.c.standing == IN_FORCE).values(standing=PAST))
            connection.execute(update(editions).where(editions.c.generation == generation).values(told))
            self._journal(connection, None, operator, detail, edition.imported_at)

        await self._session.write(Unit(work=work))

    async def abandon(self, generation: int) -> None:
        mine = and_(editions.c.generation == generation, editions.c.standing == STAGING)
        leave = update(editions).where(mine).values(standing=PAST)
        await self._session.write(Unit(work=lambda connection: connection.execute(leave).rowcount))

    async def tidy(self, advance: Callable[[int], None]) -> int:
        past = select(editions.c.generation).where(editions.c.standing == PAST).order_by(editions.c.generation)
        gone = 0
        for generation in await self._session.reader.ask(lambda connection: connection.execute(past).scalars().all()):
            gone += await self._erase(mailboxes.c.generation, mailboxes.c.mailbox, generation, advance)
            await self._erase(pharmacies.c.generation, pharmacies.c.structure, generation, lambda _: None)
            # The last number stays taken: nobody who was overtaken may find his own again.
            later = select(func.max(editions.c.generation)).scalar_subquery()
            ended = delete(editions).where(editions.c.generation == generation, editions.c.generation < later)
            await self._session.write(Unit(work=partial(_execute, statement=ended)))
        return gone

    async def _erase(self, of: Any, key: Any, generation: int, advance: Callable[[int], None]) -> int:
        """From one key on to another: what was erased before is not looked at again."""
        gone, after = 0, ""
        erased: int
        while True:
            last = select(key).where(of == generation, key > after).order_by(key).offset(AT_ONCE - 1).limit(1)
            until = await self._session.reader.ask(partial(_scalar, statement=last))
            bound = [key > after] if until is None else [key > after, key <= until]
            some = delete(key.table).where(of == generation, *bound)
            erased = await self._between_letters(Unit(work=partial(_execute, statement=some)))
            advance(erased)
            gone += erased
            if until is None:
                return gone
            after = until

    # --- one mailbox -------------------------------------------------------------------------------------------

    async def look_up(self, mailbox: Address) -> Sequence[Listing]:
        return await self._listed(lambda table: table.c.mailbox == mailbox.key, limit=2)

    async def find(self, text: str, *, limit: int) -> Sequence[Listing]:
        def names(table: Any) -> Any:
            searched = [table.c[each] for each in ("mailbox", "structure", "name", "place") if each in table.c]
            return or_(*(func.lower(column).contains(text.lower(), autoescape=True) for column in searched))

        return await self._listed(names, limit=limit)

    async def _listed(self, those: Callable[[Any], Any], *, limit: int) -> Sequence[Listing]:
        by_hand = select(overrides).where(those(overrides)).order_by(overrides.c.mailbox).limit(limit)
        mine = mailboxes.c.generation == in_force().scalar_subquery()
        listed = select(mailboxes).where(mine, those(mailboxes)).order_by(mailboxes.c.mailbox).limit(limit)

        def read(connection: Connection) -> list[Listing]:
            first = [_listing(row, by_hand=True) for row in connection.execute(by_hand)]
            return [*first, *(_listing(row, by_hand=False) for row in connection.execute(listed))][:limit]

        found: list[Listing] = await self._session.surveyor.ask(read)
        return found

    async def put(self, mailbox: Address, bal: Bal, *, operator: str, now: datetime) -> bool:
        said = {"kind": bal.kind.value, "pharmacy": int(bal.pharmacy)}
        same = [overrides.c[name] == value for name, value in said.items()]

        def work(connection: Connection) -> bool:
            self._session.database.alone(connection, overrides)
            mine = overrides.c.mailbox == mailbox.key
            if connection.execute(select(literal(1)).where(mine, *same)).first() is not None:
                return False
            connection.execute(delete(overrides).where(mine))
            connection.execute(insert(overrides).values(mailbox=mailbox.key, **said))
            detail = f"set {bal.kind}{' pharmacy' if bal.pharmacy else ''}"
            self._journal(connection, mailbox, operator, detail, now)
            return True

        changed: bool = await self._session.write(Unit(work=work))
        return changed

    async def withdraw(self, mailbox: Address, *, operator: str, now: datetime) -> bool:
        def work(connection: Connection) -> bool:
            if connection.execute(delete(overrides).where(overrides.c.mailbox == mailbox.key)).rowcount == 0:
                return False
            self._journal(connection, mailbox, operator, "unset", now)
            return True

        changed: bool = await self._session.write(Unit(work=work))
        return changed

    def _journal(
        self, connection: Connection, mailbox: Address | None, operator: str, detail: str, at: datetime
    ) -> None:
        entry = Entry(
            at=at,
            event=JournalEvent.DIRECTORY,
            spool_id=THE_DIRECTORY,
            recipient=mailbox,
            operator=operator,
            detail=detail,
        )
        self._session.statements.journal.run(connection, [self._session.records.entry(entry)])


def _edition(connection: Connection) -> Edition | None:
    row = connection.execute(select(editions).where(editions.c.standing == IN_FORCE)).first()
    if row is None:
        return None
    return Edition(
        made_at=moment(row.made_at),
        imported_at=moment(row.imported_at),
        source=row.source,
        fingerprint=row.fingerprint,
        mailboxes=row.mailboxes,
        pharmacies=row.pharmacies,
        structures=row.structures,
    )


def _require_staging(connection: Connection, generation: int) -> None:
    mine = select(editions.c.standing).where(editions.c.generation == generation)
    if connection.execute(mine).scalar() != STAGING:
        raise Overtaken


def _listing(row: Any, *, by_hand: bool) -> Listing:
    more = {} if by_hand else {"structure": row.structure, "name": row.name, "place": row.place}
    return Listing(mailbox=row.mailbox, kind=BalKind(row.kind), pharmacy=bool(row.pharmacy), by_hand=by_hand, **more)


def _execute(connection: Connection, *, statement: Any) -> int:
    touched: int = connection.execute(statement).rowcount
    return touched


def _scalar(connection: Connection, *, statement: Any) -> Any:
    return connection.execute(statement).scalar()
