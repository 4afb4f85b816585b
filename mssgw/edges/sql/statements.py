"""The statements of the hot path, compiled for one database."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table, case, cast, select, union_all, update

from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.rows import MOST_ROWS, Place, Rows
from mssgw.edges.sql.tables import (
    accounts,
    collected,
    conversations,
    data_keys,
    deliveries,
    journal,
    letters,
    messages,
    notifications,
    unopened,
)

SETTLED = ("state", "due_at", "attempts", "warned", "last_reply")  # what an attempt changes of a delivery


class Statements:
    """Rows go in the order of the columns named here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.message = self._insert(messages)
        self.data_key = self._insert(data_keys)
        self.delivery = self._insert(deliveries)
        self.letter = self._insert(letters, leave_out="id")
        self.journal = self._insert(journal, leave_out="id")
        self.move = self._insert(conversations, conflict=_unless_in_state)
        self.account = self._insert(accounts, conflict=_latest_account)
        self.notification = self._insert(notifications, conflict=_one_more_waits)
        self.collected = self._insert(collected, conflict=lambda statement: statement.on_conflict_do_nothing())
        self.unopened = self._insert(unopened, conflict=lambda statement: statement.on_conflict_do_nothing())
        self.settle = Rows(deliveries, ("spool_id", "number", "lease_token", *SETTLED), database.dialect, _settle)
        self.close_letters = Rows(
            letters, ("patient", "pair"), database.dialect, _close_letters, at_once=1, contended=True
        )

    def _insert(self, table: Table, *, leave_out: str = "", conflict: Callable[[Any], Any] | None = None) -> Rows:
        columns = [column.name for column in table.columns if column.name != leave_out]

        def build(place: Place, count: int) -> Any:
            rows = [{column: place(column, row) for column in columns} for row in range(count)]
            statement = self._database.insert(table).values(rows)
            return conflict(statement) if conflict else statement

        # Two rows with one key may meet in a statement with ON CONFLICT: PostgreSQL refuses that, so one at a time.
        upserts = conflict is not None
        return Rows(
            table, columns, self._database.dialect, build, at_once=1 if upserts else MOST_ROWS, contended=upserts
        )


def _unless_in_state(statement: Any) -> Any:
    """A move to a state; writes nothing when the pair is there already, so OPEN to OPEN costs no page."""
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["pair"],
        set_={"state": new.state, "since": new.since},
        where=conversations.c.state != new.state,
    )


def _latest_account(statement: Any) -> Any:
    new = statement.excluded
    return statement.on_conflict_do_update(index_elements=["patient"], set_={"state": new.state, "at": new.at})


def _one_more_waits(statement: Any) -> Any:
    """The first that waits is told when the mailbox's time of peace is over; those that follow go with it."""
    new, old = statement.excluded, notifications.c
    first = old.waiting == 0
    return statement.on_conflict_do_update(
        index_elements=["mailbox"],
        set_={
            "waiting": old.waiting + new.waiting,
            "since": case((first, new.since), else_=old.since),
            "due_at": case((first & (new.due_at > old.due_at), new.due_at), else_=old.due_at),
        },
    )


def _settle(place: Place, count: int) -> Any:
    """Fenced: only rows whose lease token still is the one given."""
    names: Sequence[str] = ("spool_id", "number", "lease_token", *SETTLED)
    given = [select(*(cast(place(n, row), deliveries.c[n].type).label(n) for n in names)) for row in range(count)]
    new = union_all(*given).subquery("new")
    return (
        update(deliveries)
        .where(
            deliveries.c.spool_id == new.c.spool_id,
            deliveries.c.number == new.c.number,
            deliveries.c.lease_token == new.c.lease_token,
        )
        .values({name: new.c[name] for name in SETTLED} | {"lease_token": None, "lease_until": None})
    )


def _close_letters(place: Place, _count: int) -> Any:
    return (
        update(letters)
        .where(letters.c.patient == place("patient", 0), letters.c.pair == place("pair", 0), letters.c.closed == 0)
        .values(closed=1)
    )
