"""``mssgw mailbox list``: what is configured of each mailbox, and what will be deleted when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.retention import LAPSES, Announced, Retained
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.memory.store import MemoryStore
from tests.unit.app.office_double import OfficeDouble

WARD, APP, PHARMACY = (Address.parse(f"{name}@chu-exemple.mssante.fr") for name in ("ward", "labo", "officine"))
DAY = timedelta(days=1)
TERM = Retained(mailbox=APP, folders=("INBOX", "Integres"), after=90 * DAY, notice=14 * DAY)


@pytest.fixture
def office(office: OfficeDouble) -> OfficeDouble:
    office.purges = MemoryStore()
    office.settings = Settings(
        hostname="gw",
        routes=RouteTable({}),
        mailboxes={
            WARD.key: Bal(kind=BalKind.ORG),
            APP.key: Bal(kind=BalKind.APP, closes_on_send=True),
            PHARMACY.key: Bal(kind=BalKind.ORG, pharmacy=True),
        },
        close_after=((PHARMACY, 30 * DAY),),
        retained=(TERM,),
    )
    return office


def announce(office: OfficeDouble, *letters: int, due_at: datetime) -> None:
    found = [
        Announced(
            mailbox=APP,
            folder=folder,
            uid_validity=1,
            uids=frozenset(range(1, count + 1)),
            before=TERM.arrived_before(due_at),
            due_at=due_at,
        )
        for folder, count in zip(TERM.folders, letters, strict=False)
    ]
    asyncio.run(office.purges.announce(found, Entry(at=due_at, event=JournalEvent.ANNOUNCED)))


def test_it_lists_every_mailbox_and_what_leaves_it(office, run):
    announce(office, 12, 3, due_at=datetime(2126, 12, 5, 12, 0, tzinfo=UTC))
    told = run("mailbox", "list").stdout
    rows = {line.split()[0]: line for line in told.splitlines()[1:]}
    assert rows.keys() == {WARD.text, APP.text, PHARMACY.text}
    assert "never" in rows[WARD.text]
    assert "30d" in rows[PHARMACY.text]
    assert "yes" in rows[PHARMACY.text]
    assert "on every letter" in rows[APP.text]
    assert "15 announced, from 2126-12-05" in rows[APP.text]


def test_nothing_goes_that_was_not_announced(office, run):
    assert "90d" in run("mailbox", "list").stdout
    assert "nothing announced" in run("mailbox", "list").stdout


def test_an_announcement_that_holds_no_more_is_not_shown(office, run):
    announce(office, 12, due_at=datetime.now(UTC) - LAPSES)
    assert "nothing announced" in run("mailbox", "list").stdout


def test_in_json_a_line_each(office, run_json):
    announce(office, 12, due_at=datetime(2126, 12, 5, 12, 0, tzinfo=UTC))
    app, *_ = run_json("mailbox", "list")
    assert app == {
        "mailbox": APP.text,
        "kind": "APP",
        "pharmacy": False,
        "closes": "on every letter",
        "purge_after": 90 * 86_400,
        "due": "2126-12-05T12:00:00Z",
        "letters": 12,
    }


def test_without_any_it_says_so(office, run):
    office.settings = Settings(hostname="gw", routes=RouteTable({}))
    assert run("mailbox", "list").stderr == "no [[mailbox]] in the configuration\n"
