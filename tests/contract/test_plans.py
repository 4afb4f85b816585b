"""What is asked of a store again and again is answered by an index, however many letters wait.

Every statement is heard as it goes to the driver, and the database itself is asked how it answers it.
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from mssgw.core.bal import Bal, BalKind
from mssgw.core.closing import Silence
from mssgw.core.conversation import Event, State
from mssgw.core.directory import Edition, Listing
from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import AccountState
from mssgw.core.notifying import Notification
from mssgw.core.patients import PatientState, Wish
from mssgw.edges.clock import FixedClock
from mssgw.edges.codec import micros
from mssgw.edges.sql import Opened, open_store
from mssgw.edges.sql.tables import metadata
from mssgw.ports import NoticeSeen
from tests.contract.conftest import KEY, wipe
from tests.contract.letters import (
    DOCTOR,
    OK,
    OTHER_PATIENT,
    PAIR,
    PATIENT,
    Place,
    deferral,
    letter,
    receipt,
    settlement,
)
from tests.peers.postgresql import PostgresServer

ANNE = Matricule.parse("279035121518989")
Heard = list[tuple[str, Any]]  # statements and their parameters

# What may look at all rows.
PATIENTS = "patient list"  # the latest, by their index, until enough
COUNTING = "census"  # on a thread of its own, for a twentieth of the time at most
FORGETTING = "forget"  # letters have no index by time, for each would pay for it: once a day, by that same thread
OPPOSITIONS = ("conversation list", "conversation list --bal")  # written by people: the latest on, until enough
FIRST = "next_notification"  # from one end of an index on, and only its first row
CROWD = 20_000  # rows of each kind, on PostgreSQL: it reads small tables whole
FEW = 500  # of them at most


def questions(opened: Opened, clock: FixedClock) -> dict[str, Callable[[], Awaitable[Any]]]:
    """All that a gateway asks of its store while it runs, and an operator now and then. In order."""
    place = Place(opened.store, opened.desk, clock)
    store, desk, now = opened.store, opened.desk, clock.now()
    lease = place.lease("node.1")

    async def settle() -> None:
        done, late, *_ = await store.claim(now=now, lease=lease, limit=2)
        told = replace(settlement(done, lease), notify=waits)
        assert all(await store.settle([told, deferral(late, lease, minutes=5)]))

    soon, waits = now + timedelta(seconds=1), Notification(mailbox=DOCTOR, waiting=1, since=now)
    silence = Silence(bal=DOCTOR, before=soon, lasted=timedelta(days=30))
    read = {"thread": ("<1@chu>",), "receipt_for": "<1@chu>"}
    entry = Entry(at=now, event=JournalEvent.HELD, spool_id="E", detail="unreadable")
    notice = NoticeSeen(account=AccountState.CLOSED, patient=PATIENT, subject="Re: x", thread=("<0>",))
    return {
        "know": lambda: place.known(**read),
        "know a mailbox": lambda: place.known(directory=True),
        "accept": lambda: place.keep("N", letters=(letter(closes=True),), moves=(Event.PROFESSIONAL_CLOSED,)),
        "accept a receipt": lambda: place.keep("R", receipt=receipt()),
        "accept a notice": lambda: place.keep("S", notice=notice),
        "note": lambda: store.note([entry]),
        "strike": lambda: store.strike("<1@chu>", now),
        "next_due": store.next_due,
        "claim": lambda: store.claim(now=now, lease=place.lease("node.2"), limit=2),
        "domains_due": lambda: store.domains_due(now=now),
        "load": lambda: store.load("A"),
        "renew": lambda: store.renew(["node.2", "node.3"], lease.until),
        "settle": settle,
        "free_node": lambda: store.free_node("node"),
        "claim_for": lambda: store.claim_for(
            ["patient.mssante.fr", "nobody.example"], now=now, lease=place.lease("node.4"), limit=2
        ),
        "set_aside": lambda: store.set_aside("E", entry),
        "erase_finished": lambda: store.erase_finished(now=now),
        "forget": lambda: store.forget(before=now - timedelta(days=1)),
        "census": lambda: opened.vitals.census(now=now, ages=(1.0, 60.0)),
        "probe": opened.vitals.probe,
        "queue list": lambda: desk.queue(limit=50),
        "queue list --state held": lambda: desk.queue(limit=50, state="held"),
        "queue list --state delivered": lambda: desk.queue(limit=50, state="delivered"),
        "queue list --domain": lambda: desk.queue(limit=50, domain="patient.mssante.fr"),
        "queue show": lambda: desk.queue(limit=50, spool_id="C"),
        "queue retry": lambda: desk.retry(["C"], operator="anne", now=now),
        "queue hold": lambda: desk.hold(["C"], operator="anne", now=now),
        "queue release": lambda: desk.release("C", operator="anne", now=now, moves=()),
        "queue bounce": lambda: desk.bounce("D", operator="anne", now=now, reply=OK),
        "trace by queue id": lambda: desk.trace(spool_id="C", limit=50),
        "trace by Message-ID": lambda: desk.trace(message_id="<1@chu>", limit=50),
        "trace by address": lambda: desk.trace(address=PATIENT, limit=50),
        "close_silent": lambda: store.close_silent([silence], now=now),
        "leads": store.leads,
        "next_notification": opened.store.next_notification,
        "take_notifications": lambda: opened.store.take_notifications(now=now, until=lease.until, limit=10),
        "notified": lambda: opened.store.notified(waits, next_at=now),
        "notify_later": lambda: opened.store.notify_later(waits, due_at=now),
        "count unread letters": lambda: desk.count_unread(before=soon, fresh_since=now),
        "report unread": lambda: desk.unread(before=soon, limit=50),
        "report unread --sender": lambda: desk.unread(before=soon, limit=50, sender=DOCTOR),
        "trust domain": lambda: desk.traffic(since=now - timedelta(hours=1)),
        "directory status": opened.directory.edition,
        "directory set": lambda: opened.directory.put(DOCTOR, Bal(), operator="anne", now=now),
        "directory unset": lambda: opened.directory.withdraw(DOCTOR, operator="anne", now=now),
        "credentials": lambda: opened.patients.credentials(ANNE),
        "patient set": lambda: opened.patients.put([Wish(matricule=ANNE, state=PatientState.ACTIVE)], entry),
        "patient password": lambda: opened.patients.set_password(ANNE, "hash", entry),
        "patient list": lambda: opened.patients.listed(limit=50),
        "patient list --state": lambda: opened.patients.listed(limit=50, state=PatientState.ACTIVE),
        "conversation list": lambda: desk.conversations(limit=50),
        "conversation list --state": lambda: desk.conversations(limit=50, state=State.CLOSED),
        "conversation list --patient": lambda: desk.conversations(limit=50, patient=PATIENT),
        "conversation list --bal": lambda: desk.conversations(limit=50, bal=DOCTOR),
        "conversation close": lambda: desk.set_state([(PAIR, State.CLOSED, now)], operator="anne", only_absent=False),
        "conversation block": lambda: desk.set_block(PATIENT, DOCTOR, blocked=True, operator="anne", now=now),
    }


async def prepare(opened: Opened, clock: FixedClock) -> None:
    """Letters that wait, one that is held; a pair, an opposition, and a directory."""
    place = Place(opened.store, opened.desk, clock)
    for name in "ABCDE":
        await place.keep(name, letters=(letter(receipt_to=(DOCTOR.key,)),), moves=(Event.PROFESSIONAL_WROTE,))
    await place.keep("H", held=True)
    await opened.desk.set_block(OTHER_PATIENT, None, blocked=True, operator="anne", now=clock.now())
    generation = await opened.directory.begin(clock.now())
    await opened.directory.stage(generation, [Listing(mailbox=DOCTOR.key, kind=BalKind.PER)])
    edition = Edition(made_at=clock.now(), imported_at=clock.now())
    await opened.directory.adopt(generation, edition, operator="anne", detail="import")
    registered = Entry(at=clock.now(), event=JournalEvent.PATIENT)
    await opened.patients.put([Wish(matricule=ANNE)], registered)


async def looks_at_all(
    opened: Opened, clock: FixedClock, heard: Heard, too_much: Callable[[str, Any], list[str]]
) -> dict[str, list[str]]:
    """The questions for which one statement or more does ``too_much``."""
    found, count = {}, 0
    for name, ask in questions(opened, clock).items():
        heard.clear()
        await ask()
        asked = [(text, values) for text, values in heard if _is_question(text)]
        count += len(asked)
        if faults := [fault for text, values in asked for fault in too_much(text, values)]:
            found[name] = faults
    assert count > 50, "not all was heard"
    return found


def _is_question(text: str) -> bool:
    begins = text.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE"))
    return begins and "advisory" not in text and "store_secret" not in text  # of one row


# --- SQLite ------------------------------------------------------------------------------------------------------


@contextmanager
def sqlite_heard() -> Iterator[Heard]:
    heard: Heard = []

    class Cursor(sqlite3.Cursor):
        def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
            heard.append((text, values))
            return super().execute(text, values)

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

    def connect(_dialect: object, _record: object, _arguments: object, given: dict[str, Any]) -> None:
        given["factory"] = Connection

    event.listen(Engine, "do_connect", connect)
    try:
        yield heard
    finally:
        event.remove(Engine, "do_connect", connect)


def scans(path: Path, text: str, values: Any) -> list[str]:
    """The lines of SQLite's plan that read a table of ours, or an index, from one end to the other."""
    with closing(sqlite3.connect(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    ours = tuple(f"SCAN {table.name}" for table in metadata.sorted_tables)
    return [line for line in plan if line.startswith(ours)]


async def test_no_regular_question_scans_a_table_of_sqlite(database: Path) -> None:
    clock = FixedClock()
    with sqlite_heard() as heard:
        async with open_store(f"sqlite:///{database}", KEY, clock=clock, upgrade=False) as opened:
            await prepare(opened, clock)
            found = await looks_at_all(opened, clock, heard, lambda text, values: scans(database, text, values))
    assert found == {
        COUNTING: ["SCAN deliveries"],
        **{name: ["SCAN blocks USING INDEX blocks_since"] for name in OPPOSITIONS},
        PATIENTS: ["SCAN patients USING INDEX patients_since"],
        FIRST: ["SCAN notifications USING INDEX notifications_due"],
    }


# --- PostgreSQL --------------------------------------------------------------------------------------------------


@pytest.fixture
def psycopg_heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    heard: Heard = []
    execute = psycopg.Cursor.execute

    def hear(self: Any, query: Any, params: Any = None, **given: Any) -> Any:
        heard.append((str(query), params))
        return execute(self, query, params, **given)

    monkeypatch.setattr(psycopg.Cursor, "execute", hear)
    return heard


def crowd(server: PostgresServer, since: int) -> None:
    """Many rows behind those of a test, a microsecond apart: nobody can read them, and nobody asks for them."""
    numbers = f"FROM generate_series(1, {CROWD}) AS n"
    due = f"{since} + n"
    server.sql(
        f"""INSERT INTO messages SELECT 'Z' || n, {due}, 1, 1, '\\x00', NULL {numbers};
        INSERT INTO data_keys SELECT 'Z' || n, '\\x00' {numbers};
        INSERT INTO deliveries
            SELECT 'Z' || n, 0, 'patient.mssante.fr', 'queued', {due}, {due}, 0, 0, NULL, NULL, NULL, '' {numbers};
        INSERT INTO conversations
            SELECT d, d, d, sealed_patient, sealed_bal, CASE n % 2 WHEN 0 THEN 'open' ELSE 'closed' END, {due}
            FROM (SELECT n, sha256(n::text::bytea) AS d {numbers}) AS each, (SELECT * FROM conversations) AS one;
        INSERT INTO letters (pair, patient, receipt_to, spool_id, seen_at, closed, message_id)
            SELECT d, d, '', 'Z' || n, {due}, 0, d FROM (SELECT n, sha256(n::text::bytea) AS d {numbers}) AS each;
        INSERT INTO journal (at, event, spool_id, client, peer, operator, size, reply_status, next_hop, detail, rules,
                             sender, recipient, message_id)
            SELECT {due}, 'accepted', 'Z' || n, '', '', '', 0, '', '', '', '', d, d, d
            FROM (SELECT n, sha256(n::text::bytea) AS d {numbers}) AS each;
        INSERT INTO notifications SELECT sha256(n::text::bytea), '', 0, {due}, {due}, 0 {numbers};
        INSERT INTO patients
            SELECT sha256(n::text::bytea), sealed_matricule, CASE n % 2 WHEN 0 THEN 'active' ELSE 'closed' END, {due},
                   NULL, NULL
            FROM (SELECT n {numbers}) AS each, (SELECT * FROM patients) AS one;
        INSERT INTO directory_mailboxes SELECT 1, 'z' || n, 'PER', '', 0, '', '' {numbers};
        INSERT INTO directory_overrides SELECT 'z' || n, 'PER', 0 {numbers};
        ANALYZE""",
        "contract",
    )


def rows_read(server: PostgresServer, text: str, values: Any) -> list[str]:
    """The relations of which PostgreSQL read more than a few rows for this statement, which is undone."""
    with psycopg.connect(f"host={server.home} user=mssgw dbname=contract") as connection:
        (plan,) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", values).fetchone() or ([],)
        connection.rollback()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return [f"{each['Node Type']} {each.get('Relation Name')}" for each in _nodes(plan[0]["Plan"]) if _seen(each) > FEW]


def _nodes(plan: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _seen(node: dict[str, Any]) -> float:
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


async def test_no_regular_question_reads_more_than_a_few_rows_of_postgresql(
    server: PostgresServer, psycopg_heard: Heard
) -> None:
    wipe(server)
    clock = FixedClock()
    async with open_store(server.url("contract"), KEY, clock=clock, upgrade=False) as opened:
        await prepare(opened, clock)
        crowd(server, micros(clock.now()))
        clock.pass_(minutes=1)
        found = await looks_at_all(opened, clock, psycopg_heard, lambda text, values: rows_read(server, text, values))
    wipe(server)
    assert set(found) == {COUNTING, FORGETTING}, found
