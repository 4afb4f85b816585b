"""``mssgw report unread``: what nobody has read, for people and for scripts."""

from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.ports import UnreadRow
from tests.unit.app.office_double import ALIAS, DOCTOR, EARLIER, ID, OTHER_ID, PATIENT, OfficeDouble

ROW = UnreadRow(
    spool_id=ID,
    sent_at=EARLIER,
    sender=Address.parse(DOCTOR),
    patient=Address.parse(PATIENT),
    receipt_to=(Address.parse(DOCTOR), ALIAS),
    delivered_at=EARLIER + timedelta(seconds=2),
    account="account-closed",
)
MASKED = "*************89@patient.mssante.fr"


@pytest.fixture
def office(office: OfficeDouble) -> OfficeDouble:
    office.settings = Settings(hostname="gw", routes=RouteTable({}), unread_after=timedelta(days=3))
    return office


def age_asked(office: OfficeDouble) -> timedelta:
    before = office.asked["before"]
    assert isinstance(before, datetime)
    return datetime.now(UTC) - before


def test_it_lists_them_masked_and_exits_with_1(office, run):
    office.unread_rows = [ROW]
    told = run("report", "unread")
    assert told.exit_code == 1
    assert told.stdout.split("\n")[0].split() == (
        ["id", "sent", "sender", "patient", "delivered", "account", "receipt", "to"]
    )
    assert MASKED in told.stdout
    assert PATIENT not in told.stdout
    for shown in (ID, DOCTOR, "account-closed", ALIAS):
        assert shown in told.stdout
    assert PATIENT in run("report", "unread", "--addresses").stdout


def test_none_is_said_so_and_exits_with_0(run):
    told = run("report", "unread")
    assert (told.exit_code, told.stdout.startswith("none: ")) == (0, True)
    assert "all" not in told.stdout, "who mistyped a sender is not told that everything is read"


def test_in_json_one_line_a_letter_and_nothing_when_there_is_none(office, run, run_json):
    office.unread_rows = [ROW, UnreadRow(spool_id=OTHER_ID, sent_at=EARLIER, sender=None, patient=None, receipt_to=())]
    first, second = run_json("report", "unread")
    assert first == {
        "id": ID,
        "sent_at": "2026-03-01T08:30:00Z",
        "sender": DOCTOR,
        "patient": MASKED,
        "delivered_at": "2026-03-01T08:30:02Z",
        "account": "account-closed",
        "receipt_to": [DOCTOR, ALIAS],
    }
    assert (second["sender"], second["patient"], second["delivered_at"]) == (None, None, None)
    office.unread_rows = []
    assert run("report", "unread", "--json").stdout == ""


def test_a_damaged_journal_line_and_a_letter_on_its_way_are_shown_too(office, run):
    office.unread_rows = [UnreadRow(spool_id=ID, sent_at=EARLIER, sender=None, patient=None, receipt_to=(ALIAS,))]
    line = run("report", "unread").stdout.split("\n")[1]
    assert line.split()[-6:] == ["-", "-", "not", "yet", "-", ALIAS]


def test_how_old_is_as_configured_unless_told(office, run):
    run("report", "unread")
    assert timedelta(days=3) <= age_asked(office) < timedelta(days=3, minutes=5)
    run("report", "unread", "--older", "12h")
    assert timedelta(hours=12) <= age_asked(office) < timedelta(hours=12, minutes=5)


def test_by_sender_domain_and_number(office, run):
    run("report", "unread", "--sender", DOCTOR, "--domain", "CABINET.mssante.fr", "--limit", "5")
    assert office.asked["sender"] == Address.parse(DOCTOR)
    assert (office.asked["domain"], office.asked["limit"]) == ("cabinet.mssante.fr", 5)


def test_it_says_when_there_may_be_more(office, run):
    office.unread_rows = [ROW]
    assert "stopped at 1 letters" in run("report", "unread", "--limit", "1").stderr
    assert run("report", "unread").stderr == ""


@pytest.mark.parametrize(
    "words", [("--older", "7 days"), ("--older", "0d"), ("--sender", "nobody"), ("--domain", "a..b"), ("--limit", "0")]
)
def test_what_cannot_be_meant_is_a_line_on_stderr(run, words):
    told = run("report", "unread", *words)
    assert told.exit_code in (64, 65)
    assert len(told.stderr.strip().splitlines()) == 1


def test_a_patient_sends_no_letters_that_ask_for_receipts_here(run):
    told = run("report", "unread", "--sender", PATIENT)
    assert told.exit_code == 65
    assert "279035" not in told.output
