"""What a damaged SQLite database still gives, and what a repair of it leaves."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from mssgw.core.conversation import Event
from mssgw.core.errors import StoreDamaged, StoreUnavailable, Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.clock import FixedClock
from mssgw.edges.sql import open_store
from mssgw.edges.sql.session import Session
from tests.contract.conftest import KEY, OpenPlace, change, query
from tests.contract.letters import (
    BUSY,
    DOCTOR,
    PATIENT,
    PDF,
    SECRETARIAT,
)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE messages SET sealed = zeroblob(40) WHERE spool_id = 'BAD'",
        "UPDATE messages SET sealed = (SELECT sealed FROM messages WHERE spool_id = 'GOOD') WHERE spool_id = 'BAD'",
        "UPDATE data_keys SET wrapped = x'00' WHERE spool_id = 'BAD'",
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE spool_id = 'GOOD') WHERE spool_id = 'BAD'",
        "DELETE FROM data_keys WHERE spool_id = 'BAD'",
        "DELETE FROM messages WHERE spool_id = 'BAD'",
        "UPDATE deliveries SET last_reply = x'0102' WHERE spool_id = 'BAD'",
        "UPDATE deliveries SET attempts = 'x', number = 7 WHERE spool_id = 'BAD'",
    ],
)
async def test_a_damaged_message_is_held_aside_and_the_queue_goes_on(
    open_sqlite: OpenPlace, database: Path, damage: str
) -> None:
    async with open_sqlite() as place:
        await place.keep("BAD")
        await place.keep("GOOD")
        change(database, damage)
        claimed = await place.store.claim(now=place.clock.now(), lease=place.lease(), limit=9)
        assert [delivery.spool_id for delivery in claimed] == ["GOOD"]
        assert not await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)
        held = [row for row in await place.desk.queue(limit=9) if row.delivery.state == "held"]
        assert [(row.delivery.spool_id, row.held_because) for row in held] == [("BAD", "unreadable")]
        assert (await place.events("BAD"))[-1] == "held"
        assert await place.desk.bounce("BAD", operator="root", now=place.clock.now(), reply=BUSY) == 1


@pytest.mark.parametrize("domains", [(DOCTOR.domain,), (PATIENT.domain, DOCTOR.domain)])
async def test_a_damaged_page_is_looked_for_among_the_letters_that_were_asked_for(
    open_sqlite: OpenPlace, database: Path, monkeypatch: pytest.MonkeyPatch, domains: tuple[str, ...]
) -> None:
    """Those of another domain that were due before stand in nobody's way, asked for or not: else no claim would end."""
    async with open_sqlite() as place:
        for name in "ABC":
            await place.keep(name)
        await place.keep("BAD", recipients=(DOCTOR,))
        change(database, "DELETE FROM messages WHERE spool_id = 'BAD'")

        async def meets_it(*_: object) -> None:
            monkeypatch.undo()
            raise StoreDamaged("a page")

        monkeypatch.setattr(Session, "write", meets_it)
        claim = partial(place.store.claim_for, domains, now=place.clock.now(), lease=place.lease(), limit=1)
        assert not await claim()
        held = [row.delivery.spool_id for row in await place.desk.queue(limit=9) if row.delivery.state == "held"]
        assert held == ["BAD"]


async def test_oppositions_are_listed_though_one_row_is_damaged(open_sqlite: OpenPlace, database: Path) -> None:
    """The list is what an operator compares with his register after a repair: of the damaged one the rest is shown."""
    async with open_sqlite() as place:
        now = place.clock.now()
        for bal in (DOCTOR, SECRETARIAT):
            await place.desk.set_block(PATIENT, bal, blocked=True, operator="root", now=now)
        await place.keep("A", moves=(Event.PROFESSIONAL_WROTE,))
        change(database, "UPDATE blocks SET sealed_patient = x'00' WHERE bal = (SELECT min(bal) FROM blocks)")
        change(database, "UPDATE conversations SET sealed_bal = x'00'")
        rows = await place.desk.conversations(limit=9)
        assert len(rows) == 2
        assert all(row.blocked for row in rows)
        assert "?@?" in {row.patient.text for row in rows} | {row.bal.text for row in rows if row.bal}


async def test_a_letter_whose_row_is_lost_is_forgotten_once_it_is_bounced(
    open_sqlite: OpenPlace, database: Path
) -> None:
    """Else each sweep would find it again, for good."""
    async with open_sqlite() as place:
        await place.keep("BAD", held=True)
        change(database, "DELETE FROM messages")
        assert await place.desk.bounce("BAD", operator="root", now=place.clock.now(), reply=BUSY) == 1
        assert await place.store.erase_finished(now=place.clock.now()) == ["BAD"]
        assert await place.store.erase_finished(now=place.clock.now()) == []
        assert query(database, "SELECT spool_id FROM deliveries UNION SELECT spool_id FROM data_keys") == []


async def test_deliveries_that_a_damaged_page_took_are_held_for_a_person_after_a_repair(
    open_sqlite: OpenPlace, database: Path
) -> None:
    """Without them a letter would wait for good, where no list shows it, and its sender would not be told."""
    async with open_sqlite() as place:
        for name in ("LOST", "WHOLE", "HALF", "DONE", "UNREADABLE"):
            kept = await place.keep(
                name, recipients=(PATIENT, DOCTOR) if name == "HALF" else (PATIENT,), lease=place.lease(name)
            )
            if name == "DONE":
                await place.deliver(kept)
                ended = Entry(at=place.clock.now(), event=JournalEvent.DELIVERED, spool_id=name, recipient=PATIENT)
                await place.store.note([ended])
        change(database, "UPDATE messages SET sealed = zeroblob(40) WHERE spool_id = 'UNREADABLE'")
        change(database, "DELETE FROM deliveries WHERE spool_id <> 'WHOLE' AND (spool_id <> 'HALF' OR number = 1)")
        assert await place.desk.mend(operator="anne", now=place.clock.now()) == 3
        rows = query(database, "SELECT spool_id, number, state, held_because FROM deliveries ORDER BY 1, 2")
        assert rows == [
            ("DONE", 0, "delivered", ""),
            ("HALF", 0, "queued", ""),
            ("HALF", 1, "held", "row-lost"),
            ("LOST", 0, "held", "row-lost"),
            ("UNREADABLE", 0, "held", "row-lost"),
            ("WHOLE", 0, "queued", ""),
        ]
        shown = {row.delivery.spool_id: row for row in await place.desk.queue(limit=9, state="held")}
        assert shown["LOST"].delivery.forward_path.address == PATIENT
        assert shown["HALF"].delivery.forward_path.address == DOCTOR
        last = (await place.desk.trace(spool_id="LOST", limit=9))[-1]
        assert (last.event, last.recipient, last.operator, last.detail) == ("held", PATIENT, "anne", "row-lost")
        assert await place.store.erase_finished(now=place.clock.now()) == ["DONE"]
        assert await place.desk.release("LOST", operator="anne", now=place.clock.now(), moves=()) == 1
        assert await place.desk.mend(operator="anne", now=place.clock.now()) == 0


@pytest.mark.parametrize(
    ("table", "expected"),
    [("store_secret", "has lost its secret"), ("alembic_version", "has lost its revision")],
)
async def test_a_store_that_lost_what_opens_it_is_not_begun_anew(database: Path, table: str, expected: str) -> None:
    """With a new secret every letter would be set aside and every exchange forgotten; a backup has the old one."""
    url = f"sqlite:///{database}"
    async with open_store(url, KEY) as opened:
        await opened.store.note([Entry(at=FixedClock().now(), event=JournalEvent.HELD)])
    kept = query(database, f"SELECT * FROM {table}")
    change(database, f"DELETE FROM {table}")
    with pytest.raises(StoreUnavailable, match=expected):
        async with open_store(url, KEY):
            pass
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(kept[0]))})", kept)
    async with open_store(url, KEY):
        pass


async def test_a_changed_body_is_undecryptable_not_wrong(open_sqlite: OpenPlace, database: Path) -> None:
    async with open_sqlite() as place:
        await place.keep("A")
        await place.keep("B")
        change(database, "UPDATE messages SET inline = (SELECT inline FROM messages WHERE spool_id = 'B')")
        with pytest.raises(Undecryptable):
            await place.store.load("A")
        assert (await place.store.load("B")).body.inline == PDF
