"""What the SQLite store promises beyond the contract: keys, erasure, several processes, damage, a full disk."""

import asyncio
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from mssgw.core.conversation import Event
from mssgw.core.errors import Gone, StoreFull, StoreUnavailable, Undecryptable
from mssgw.core.journal import JournalEvent
from mssgw.core.message import AccountState
from mssgw.edges.sql import migrate, open_store, sqlite
from mssgw.edges.sql.tables import metadata
from mssgw.edges.sql.units import Unit, Upkeep
from mssgw.edges.vault import Vault
from mssgw.ports import HalfSettled, NoticeSeen
from tests.contract.conftest import KEY, NEW_KEY, OpenPlace, change, new_spool, query
from tests.contract.letters import (
    DOCTOR,
    PATIENT,
    PDF,
    SECRETARIAT,
    SUBJECT,
    deferral,
    letter,
    receipt,
    settlement,
)

WRAPPED = 48  # octets of a wrapped data key


def everything_in(directory: Path) -> bytes:
    """All octets of all files: database, WAL, shared memory, spool."""
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def keys_in(data: bytes, vault: Vault, spool_id: str) -> int:
    """How many stretches of these octets are the data key of that message, wrapped."""
    found = 0
    for stretch in re.split(rb"\0{16,}", data):  # no wrapped key holds so many zeros
        for start in range(len(stretch) - WRAPPED + 1):
            with contextlib.suppress(Undecryptable):
                vault.unwrap(stretch[start : start + WRAPPED], spool_id)
                found += 1
    return found


async def test_after_erasure_no_key_is_left_on_disk(open_sqlite: OpenPlace, database: Path) -> None:
    """Before, the wrapped key is in the database or WAL; after, in no file, so the spool file as it still stands
    cannot be decrypted even with the master key."""
    spool = new_spool(database.parent / "spool")
    async with open_sqlite() as place:
        sink = spool.create("LARGE")
        await sink.write(PDF * 200)
        body = await sink.close(size=len(PDF) * 200)
        large = await place.keep("LARGE", body=body, lease=(lease := place.lease()))
        for number in range(30):  # neighbours, so that pages split and merge around what is erased
            kept = await place.keep(f"{number:02}SMALL", lease=lease)
            if number % 2:
                await place.deliver(kept)
        ((wrapped,),) = query(database, "SELECT wrapped FROM data_keys WHERE spool_id = 'LARGE'")
        assert isinstance(wrapped, bytes)
        assert wrapped in everything_in(database.parent)
        await place.deliver(large)
        erased = await place.store.erase_finished(now=place.clock.now())
        assert "LARGE" in erased
        assert len(erased) == 16
        left = everything_in(database.parent)
        assert wrapped not in left
        vault = Vault(KEY)
        assert keys_in(left, vault, "LARGE") == 0
        assert keys_in(left, vault, "00SMALL") >= 1, "what is not delivered keeps its key"
        assert (await place.store.load("00SMALL")).body.inline == PDF
    await spool.close()


async def test_the_keys_of_many_letters_are_overwritten_though_their_bodies_are_not(
    open_sqlite: OpenPlace, database: Path
) -> None:
    """Whole pages of keys become free, in several commits; a body without its key is noise, and may stay there."""
    async with open_sqlite() as place:
        lease = place.lease()
        for number in range(3 * 50):
            await place.deliver(await place.keep(f"MANY{number:04}", lease=lease))
        wrapped = [key for (key,) in query(database, "SELECT wrapped FROM data_keys")]
        assert len(wrapped) == 3 * 50
        assert len(await place.store.erase_finished(now=place.clock.now())) == 3 * 50
        left = everything_in(database.parent)
        assert not [key for key in wrapped if isinstance(key, bytes) and key in left]


async def test_erasure_waits_for_readers_of_the_old_state(open_sqlite: OpenPlace, database: Path) -> None:
    async with open_sqlite() as place:
        kept = await place.keep("A", lease=place.lease())
        ((wrapped,),) = query(database, "SELECT wrapped FROM data_keys")
        with closing(sqlite3.connect(database, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM data_keys").fetchall()
            await place.deliver(kept)
            erasing = asyncio.create_task(place.store.erase_finished(now=place.clock.now()))
            while "erased" not in await place.events("A"):  # noqa: ASYNC110 - a database sends no event
                await asyncio.sleep(0.01)
            await place.keep("B")  # mail goes on meanwhile
            assert not erasing.done()
            assert wrapped in everything_in(database.parent)
            reader.execute("COMMIT")
        assert list(await erasing) == ["A"]
        assert wrapped not in everything_in(database.parent)


async def test_an_erasure_that_a_crash_cut_short_is_finished_by_the_next(
    open_sqlite: OpenPlace, database: Path
) -> None:
    """Deleted, but not scrubbed: the next process scrubs although it finds nothing to delete."""
    async with open_sqlite() as place, open_sqlite() as next_place:
        await place.keep("A")
        ((wrapped,),) = query(database, "SELECT wrapped FROM data_keys")
        change(database, "DELETE FROM data_keys")
        assert wrapped in everything_in(database.parent)
        await next_place.store.erase_finished(now=place.clock.now())
        assert wrapped not in everything_in(database.parent)


async def test_a_disk_that_fails_between_two_outcomes_says_which_is_recorded(
    open_sqlite: OpenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked settles the rest again, and that only: what was recorded has no lease any more."""
    async with open_sqlite() as place:
        lost, lease = place.lease("node.2"), place.lease()
        kept = await place.keep("A", recipients=(PATIENT, DOCTOR, SECRETARIAT), lease=lease)
        outcomes = [settlement(each, held) for each, held in zip(kept.deliveries, (lost, lease, lease), strict=True)]
        writer = place.store._session.writer
        free, admit = threading.Event(), writer._admit
        transactions = iter(["together", "the first", "the second"])

        def failing(connection: Connection) -> None:
            admit(connection)
            if next(transactions, None) is None:
                raise sqlite3.OperationalError("disk I/O error")

        earlier = writer.put(Unit(work=lambda connection: free.wait(10)))
        await asyncio.sleep(0.05)  # it holds the writer up, so that all three come in one batch
        with monkeypatch.context() as disk:
            disk.setattr(writer, "_admit", failing)
            asked = asyncio.create_task(place.store.settle(outcomes))
            await asyncio.sleep(0)
            free.set()
            await earlier
            with pytest.raises(HalfSettled) as caught:
                await asked
        assert caught.value.kept == [False, True, None]
        assert list(await place.store.settle(outcomes[2:])) == [True]


async def test_the_database_holds_nobodys_name(open_sqlite: OpenPlace, database: Path) -> None:
    """Domains only: no mailbox, matricule, subject, person or Message-ID in clear in any file of the store."""
    async with open_sqlite() as place:
        kept = await place.keep(
            "A",
            recipients=(PATIENT, DOCTOR),
            lease=place.lease(),
            letters=(letter("<secret-id@chu>", receipt_to=(DOCTOR.key,)),),
            moves=(Event.PROFESSIONAL_WROTE,),
        )
        assert kept.lease is not None
        await place.store.settle([deferral(kept.deliveries[0], kept.lease, minutes=1)])  # its reply repeats the address
        await place.keep("R", receipt=receipt("<secret-id@chu>"))
        await place.keep("N", notice=NoticeSeen(account=AccountState.CLOSED, patient=PATIENT, subject=SUBJECT))
        await place.desk.set_block(PATIENT, DOCTOR, blocked=True, operator="root", now=place.clock.now())
        await place.store.strike("<secret-id@chu>", place.clock.now())
        files = everything_in(database.parent)
    needles = (
        PATIENT.local,
        DOCTOR.local,
        SECRETARIAT.local,
        SUBJECT,
        "Infirmiere",
        "secret-id",
        "canary",
        "try later",
    )
    lowered = files.lower()
    assert [needle for needle in needles if needle.lower().encode() in lowered] == []


async def test_after_a_rotation_only_the_new_key_opens(open_sqlite: OpenPlace, database: Path) -> None:
    """Letters, conversations and traces stay as they were; the old wrappings are gone from the disk."""
    async with open_sqlite() as place:
        await place.keep("A", moves=(Event.PROFESSIONAL_WROTE,))
        await place.keep("B")
        before = [
            row[0] for row in query(database, "SELECT wrapped FROM data_keys UNION SELECT wrapped FROM store_secret")
        ]
        assert await place.desk.rotate(NEW_KEY) == 2
        left = everything_in(database.parent)
        assert [wrapped for wrapped in before if isinstance(wrapped, bytes) and wrapped in left] == []
        await place.keep("C")
        assert (await place.store.load("A")).body.inline == PDF
    with pytest.raises(Undecryptable):
        async with open_sqlite():
            pass
    async with open_sqlite(NEW_KEY) as place:
        for name in "ABC":
            assert (await place.store.load(name)).body.inline == PDF
        assert await place.state() == "open"
        assert [entry.spool_id for entry in await place.desk.trace(address=PATIENT, limit=9)] == ["A", "B", "C"]


async def test_a_trace_shows_lines_whose_event_a_later_version_has_written(
    open_sqlite: OpenPlace, database: Path
) -> None:
    """Nodes of two versions share a journal, and one line that the earlier does not know hid all of a letter's."""
    async with open_sqlite() as place:
        await place.keep("A")
        assert await place.desk.hold(["A"], operator="root", now=place.clock.now()) == 1
        change(database, "UPDATE journal SET event = 'postponed' WHERE event = 'held'")
        events = [entry.event for entry in await place.desk.trace(spool_id="A", limit=9)]
        assert events == [JournalEvent.ACCEPTED, JournalEvent.UNKNOWN]


async def test_a_full_disk_says_so_keeps_nothing_and_recovers(open_sqlite: OpenPlace) -> None:
    async with open_sqlite() as place:
        await place.keep("A")

        async def limit(pages: int) -> None:
            job = Upkeep(lambda c: c.connection.cursor().execute(f"PRAGMA max_page_count = {pages}").fetchone())
            await place.store._session.writer.ask(job)  # type: ignore[attr-defined]

        await limit(1)  # SQLite takes the present size
        with pytest.raises(StoreFull) as raised:  # noqa: PT012 - which letter is the one too many is not known
            for number in range(500):
                await place.keep(f"B{number}")
        assert raised.value.reply.code == 452
        rows = {row.delivery.spool_id for row in await place.desk.queue(limit=1000)}
        full = f"B{number}"
        assert full not in rows
        with pytest.raises(Gone):
            await place.store.load(full)
        await limit(1_000_000)
        await place.keep(full)


async def test_a_locked_database_is_unavailable_and_comes_back(
    open_sqlite: OpenPlace, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_LIMIT", 0)
    async with open_sqlite() as place:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable) as raised:
                await place.keep("A")
            assert raised.value.reply.code == 451
            other.execute("ROLLBACK")
        await place.keep("A")
        assert (await place.store.load("A")).body.inline == PDF


async def test_who_waits_for_another_writer_looks_again_soon_and_ever_so_often(
    open_sqlite: OpenPlace, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself would look ever more rarely, while others commit again and again."""
    slept: list[float] = []
    async with open_sqlite() as place:
        with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as other:

            def sleep(seconds: float) -> None:
                slept.append(seconds)
                if len(slept) == 30:
                    other.execute("ROLLBACK")

            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(sqlite.time, "sleep", sleep)
            await place.keep("A")
    assert slept == [0.001] * 30


async def test_what_a_killed_process_committed_is_there(open_sqlite: OpenPlace, database: Path) -> None:
    """A process that dies by SIGKILL right after accept() returned loses nothing."""
    script = (
        "import asyncio, os, signal, sys\n"
        "from mssgw.edges.clock import FixedClock\n"
        "from mssgw.edges.sql import open_store\n"
        "from tests.contract.letters import acceptance\n"
        "async def main():\n"
        "    async with open_store(sys.argv[1], bytes(range(32)), upgrade=False) as opened:\n"
        "        letters = [acceptance(f'K{n}', FixedClock()) for n in range(10)]\n"
        "        await asyncio.gather(*map(opened.store.accept, letters))\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    arguments = [sys.executable, "-c", script, f"sqlite:///{database}"]
    child = await asyncio.to_thread(subprocess.run, arguments, timeout=60, check=False)
    assert child.returncode == -9
    async with open_sqlite() as place:
        claimed = await place.store.claim(now=place.clock.now(), lease=place.lease(), limit=99)
        assert sorted(delivery.spool_id for delivery in claimed) == sorted(f"K{n}" for n in range(10))


def test_migrations_build_exactly_the_tables(tmp_path: Path) -> None:
    """Column for column as tables.py, and to the letter of SQLite's own schema."""
    migrate(f"sqlite:///{tmp_path}/a.db")
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    fresh = create_engine(f"sqlite:///{tmp_path}/b.db")
    metadata.create_all(fresh)
    fresh.dispose()
    schema = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' ORDER BY name"
    migrated = [(name, " ".join(str(sql).split())) for name, sql in query(tmp_path / "a.db", schema)]
    created = [(name, " ".join(str(sql).split())) for name, sql in query(tmp_path / "b.db", schema)]
    assert [name for name, _ in migrated if not str(name).startswith("sqlite_")]
    assert migrated == created


async def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/mssgw.db"
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*(stack.enter_async_context(open_store(url, KEY)) for _ in range(3)))
        assert await opened[0].desk.rotate(KEY) == 0
    assert (tmp_path / "new" / "mssgw.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y"])
async def test_a_url_that_cannot_hold_a_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:////"):
        async with open_store(url, KEY):
            pass


async def test_a_reader_that_is_made_late_makes_no_database_in_the_place_of_one_taken_away(tmp_path: Path) -> None:
    """It would be a stand-in of no octets, and the real one hard to put back."""
    path, there = tmp_path / "mssgw.db", os.path.exists
    async with open_store(f"sqlite:///{path}", KEY) as opened:
        os.rename(path, path.with_suffix(".aside"))
        with pytest.raises(StoreUnavailable, match="taken away under the gateway"):
            await opened.vitals.receipts_waiting()
        assert not there(path)
        os.rename(path.with_suffix(".aside"), path)
        assert await opened.vitals.receipts_waiting() == 0


async def test_a_database_that_was_taken_away_keeps_nothing_and_says_so(open_sqlite: OpenPlace, database: Path) -> None:
    """SQLite itself goes on in a file without a name, and what was acknowledged is gone at the next start."""
    aside, there = database.with_suffix(".aside"), os.path.exists
    async with open_sqlite() as place:
        await place.keep("BEFORE")
        os.rename(database, aside)
        for _ in range(2):  # with the connection that was open, and with another
            with pytest.raises(StoreUnavailable, match="taken away under the gateway: No such file"):
                await place.keep("MEANWHILE")
        assert not there(database), "no empty one in its place"
        os.mknod(database)
        with pytest.raises(StoreUnavailable, match="replaced under the gateway"):
            await place.keep("MEANWHILE")
        os.rename(aside, database)
        await place.keep("AFTER")
    async with open_sqlite() as place:
        assert (await place.store.load("BEFORE")).spool_id == "BEFORE"
        assert (await place.store.load("AFTER")).spool_id == "AFTER"
        with pytest.raises(Gone):
            await place.store.load("MEANWHILE")


def test_a_file_system_where_sqlite_keeps_no_wal_is_refused(tmp_path: Path) -> None:
    """There a power cut may bring back the journal of a commit that was answered 250, and undo it."""
    without = f"file:{tmp_path / 'mssgw.db'}?vfs=unix-dotfile"
    with closing(sqlite3.connect(without, uri=True)) as connection, pytest.raises(StoreUnavailable, match="WAL"):
        sqlite._prepare(connection, None)
