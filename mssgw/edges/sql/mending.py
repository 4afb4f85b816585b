"""After a repair of the database: deliveries whose rows went with a damaged page, told from what their letters say.

A letter without them would never leave, and nobody would be told: no question about the queue begins at a letter.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from mssgw.core.delivery import State
from mssgw.core.envelope import ForwardPath
from mssgw.core.errors import Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.codec import micros
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.tables import data_keys, deliveries, journal, messages

LOST = "row-lost"  # why they are held
_FINAL = {JournalEvent.DELIVERED: State.DELIVERED, JournalEvent.BOUNCED: State.BOUNCED}


def missing(
    connection: Connection, records: Records, *, operator: str, now: datetime
) -> tuple[list[dict[str, Any]], list[Entry]]:
    """The rows that are missing, and the journal's lines for those that are held; nothing is written.

    One that the journal knows to be delivered or bounced becomes that again; each other is held for a person, for
    nobody knows whether it was on its way. Of a letter that cannot be read one row stands for all, unless one is left.
    """
    rows: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for spool_id, created_at, paths in _letters(connection, records):
        for number, path in paths:
            state = _outcome(connection, records, spool_id, path) if path else State.HELD
            rows.append(_row(spool_id, number, path, state, created_at, micros(now)))
            if state is State.HELD:
                recipient = path.address if path else None
                entries.append(
                    Entry(
                        at=now,
                        event=JournalEvent.HELD,
                        spool_id=spool_id,
                        recipient=recipient,
                        operator=operator,
                        detail=LOST,
                    )
                )
    return rows, entries


def _letters(
    connection: Connection, records: Records
) -> Iterator[tuple[str, int, Sequence[tuple[int, ForwardPath | None]]]]:
    """Letters with recipients whose rows are missing: queue id, when it was accepted, which."""
    there: dict[str, set[int]] = {}
    for spool_id, number in connection.execute(select(deliveries.c.spool_id, deliveries.c.number)):
        there.setdefault(spool_id, set()).add(number)
    sealed = select(messages.c.spool_id, messages.c.created_at, messages.c.sealed, data_keys.c.wrapped).outerjoin(
        data_keys, data_keys.c.spool_id == messages.c.spool_id
    )
    for row in connection.execute(sealed):
        known = there.get(row.spool_id, set())
        paths: Sequence[ForwardPath | None]
        try:
            paths = records.read_envelope(row.spool_id, row.wrapped, row.sealed).forward_paths
        except Undecryptable:
            paths = () if known else (None,)
        if lost := [(number, path) for number, path in enumerate(paths) if number not in known]:
            yield row.spool_id, row.created_at, lost


def _outcome(connection: Connection, records: Records, spool_id: str, path: ForwardPath) -> State:
    """What the journal says became of it."""
    said = select(journal.c.event).where(
        journal.c.spool_id == spool_id,
        journal.c.recipient == records.address(path.address),
        journal.c.event.in_([event.value for event in _FINAL]),
    )
    event = connection.execute(said).scalar()
    return State.HELD if event is None else _FINAL[JournalEvent(event)]


def _row(
    spool_id: str, number: int, path: ForwardPath | None, state: State, created_at: int, now: int
) -> dict[str, Any]:
    return {
        "spool_id": spool_id,
        "number": number,
        "domain": path.address.domain if path else "",
        "state": state.value,
        "created_at": created_at,
        "due_at": now,
        "attempts": 0,
        "warned": 0,
        "held_because": LOST if state is State.HELD else "",
    }
