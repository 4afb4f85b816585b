"""`mssgw conversation`: who may answer whom, and the import of earlier pairs (SD-9, SD-12)."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mssgw.app.cli import imports
from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.errors import StoreUnavailable
from mssgw.core.journal import JournalEvent
from tests.unit.app.office_double import DOCTOR, EARLIER, PATIENT, a_pair, an_entry

MATRICULE = PATIENT.partition("@")[0]
CORSICAN = "177012a12345670"
HEADER = "patient,bal,state,date\n"


@pytest.fixture
def csv_file(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "paires.csv"
        path.write_bytes(text.encode(encoding))
        return str(path)

    return write


def test_list_masks_patients_and_names_mailboxes(office, run, run_json):
    office.pairs[a_pair()] = State.OPEN, EARLIER
    listed = run("conversation", "list")
    assert DOCTOR in listed.stdout
    assert MATRICULE not in listed.output
    assert run_json("conversation", "list", "--addresses") == [
        {"patient": PATIENT, "bal": DOCTOR, "state": "open", "since": "2026-03-01T08:30:00Z", "blocked": False}
    ]
    assert run_json("conversation", "list", "--state", "closed") == []


def test_show_tells_state_opposition_and_journal_of_the_pair(office, run, run_json):
    """An opposition to all mailboxes bears on every one of them, so it shows beside the pair."""
    office.pairs[a_pair()] = State.CLOSED, EARLIER
    office.pairs[Pair(a_pair().patient, Address.parse("autre@cabinet.mssante.fr"))] = State.OPEN, EARLIER
    office.blocked.add((a_pair().patient, None))
    office.entries.append(an_entry(JournalEvent.CONVERSATION, "", operator="anne", detail="closed"))
    shown = run("conversation", "show", MATRICULE, DOCTOR).stdout
    for told in (PATIENT, "closed", "(all)", "blocked", "operator anne"):
        assert told in shown
    assert "autre@" not in shown
    assert len(run_json("conversation", "show", MATRICULE)[0]["conversations"]) == 3


def test_show_stops_at_a_limit_and_says_so(office, run, run_json):
    """After a burst the journal of one patient has thousands of lines; what happened last is what is asked for."""
    office.entries += [an_entry(JournalEvent.CONVERSATION, "", operator=f"op{n}") for n in range(3)]
    shown = run("conversation", "show", MATRICULE, "--limit", "2")
    assert "op2" in shown.stdout
    assert "op0" not in shown.stdout
    assert "stopped at 2 lines; see --limit" in shown.stderr
    assert "stopped" not in run("conversation", "show", MATRICULE, "--limit", "3").stderr
    told = run_json("conversation", "show", MATRICULE, DOCTOR, "--limit", "2")[0]["journal"]
    assert [line["operator"] for line in told] == ["op1", "op2"]
    office.entries *= 400
    assert run("conversation", "show", MATRICULE).stdout.count("operator op") == 1000


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_list_that_stopped_says_so(office, run, as_json):
    """Whoever compares oppositions with his register would think that the others are lost."""
    for number in range(2):
        office.pairs[Pair(a_pair().patient, Address.parse(f"n{number}@cabinet.mssante.fr"))] = State.OPEN, EARLIER
    listed = len(run("conversation", "list").stdout.splitlines()) - 1
    stopped = run("conversation", "list", "--limit", str(listed), *as_json)
    assert "there may be more, see --limit" in stopped.stderr
    assert "more" not in run("conversation", "list", "--limit", str(listed + 1), *as_json).stderr


def test_show_of_the_unknown_says_no(run):
    assert run("conversation", "show", MATRICULE).exit_code == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("show", DOCTOR), "PATIENT"),
        (("show", DOCTOR, DOCTOR, "--json"), "PATIENT"),
        (("list", "--patient", DOCTOR), "--patient"),
        (("close", DOCTOR, DOCTOR, "--create"), "PATIENT"),
        (("block", DOCTOR), "PATIENT"),
    ],
)
def test_a_mailbox_in_the_place_of_a_patient_is_refused_with_the_command_that_is_meant(office, run, words, named):
    """Its journal holds the addresses of all its patients, and `show` prints them in full."""
    office.pairs[a_pair()] = State.OPEN, EARLIER
    office.entries.append(an_entry(JournalEvent.CONVERSATION, ""))
    refused = run("conversation", *words)
    assert (refused.exit_code, refused.stdout) == (64, "")
    assert f"conversation {words[0]}: Invalid value for '{named}': expected a patient" in refused.stderr
    assert "`mssgw conversation list --bal ADDRESS`" in refused.stderr
    assert (set(office.pairs), office.blocked) == ({a_pair()}, set())


def test_close_and_reopen_put_the_pair_in_a_state(office, run):
    office.pairs[a_pair()] = State.OPEN, EARLIER
    assert run("conversation", "close", MATRICULE, DOCTOR).exit_code == 0
    assert office.pairs[a_pair()][0] is State.CLOSED
    assert run("conversation", "reopen", PATIENT, DOCTOR).exit_code == 0
    assert office.pairs[a_pair()][0] is State.OPEN
    again = run("conversation", "reopen", PATIENT, DOCTOR)
    assert (again.exit_code, again.stdout) == (0, "conversation was open already\n")


@pytest.mark.parametrize(
    ("what", "was", "becomes"), [("reopen", State.CLOSED, State.OPEN), ("close", State.OPEN, State.CLOSED)]
)
def test_an_exchange_that_nobody_knows_is_changed_only_for_who_means_it(office, run, what, was, becomes):
    """A slip in the mailbox would make another one, and tell the operator that all is well; the one meant stays so.

    An opposition to that mailbox is no exchange with it.
    """
    office.pairs[a_pair()] = was, EARLIER
    office.blocked.add((a_pair().patient, Address.parse("dr.martn@cabinet.mssante.fr")))
    mistyped = run("conversation", what, MATRICULE, "dr.martn@cabinet.mssante.fr")
    assert mistyped.exit_code == 1
    assert mistyped.stdout == ""
    assert f"conversation {what}: no exchange of these two is known" in mistyped.stderr
    assert "--create" in mistyped.stderr
    assert office.pairs == {a_pair(): (was, EARLIER)}
    meant = run("conversation", what, MATRICULE, "accueil@cabinet.mssante.fr", "--create")
    assert (meant.exit_code, meant.stdout) == (0, f"conversation {becomes}\n")
    assert run("conversation", what, MATRICULE, DOCTOR).exit_code == 0
    assert office.pairs[a_pair()][0] is becomes


def test_block_and_unblock_one_mailbox_or_all(office, run):
    """`block PATIENT` opposes all mailboxes, `block PATIENT BAL` one (SD-12)."""
    patient = Address.parse(PATIENT)
    run("conversation", "block", MATRICULE)
    run("conversation", "block", MATRICULE, DOCTOR)
    assert office.blocked == {(patient, None), (patient, Address.parse(DOCTOR))}
    run("conversation", "unblock", MATRICULE)
    assert office.blocked == {(patient, Address.parse(DOCTOR))}
    assert run("conversation", "unblock", MATRICULE).stdout == "there was no opposition to all mailboxes\n"


def test_unblock_says_which_opposition_still_stands(run):
    """Lifting one leaves the other in force (SD-12): the operator must not believe that mail passes now."""
    run("conversation", "block", MATRICULE)
    told = run("conversation", "unblock", MATRICULE, DOCTOR)
    assert told.stdout == "there was no opposition to this mailbox\n"
    assert "the opposition to all mailboxes stands" in told.stderr
    run("conversation", "block", MATRICULE, DOCTOR)
    told = run("conversation", "unblock", MATRICULE)
    assert told.stdout == "opposition to all mailboxes lifted\n"
    assert "1 opposition to single mailboxes left" in told.stderr
    assert run("conversation", "unblock", MATRICULE, DOCTOR).stderr == ""


@pytest.mark.parametrize("what", ["close", "reopen", "block", "unblock"])
def test_a_mailbox_of_no_establishment_is_warned_of(run, what):
    """A slip in the domain would make an opposition or a conversation that is never looked up."""
    assert "of no [[establishment]]" in run("conversation", what, MATRICULE, "dr.martin@cabinet.example").stderr
    assert "of no [[establishment]]" not in run("conversation", what, MATRICULE, DOCTOR).stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("289456789012345", DOCTOR), "la cle du matricule INS est fausse"),
        (("289456789012345@patient.mssante.fr", DOCTOR), "la cle du matricule INS est fausse"),
        ((MATRICULE, PATIENT), "expected the mailbox of a professional"),
        ((MATRICULE, "dr martin"), "an address has"),
    ],
)
def test_a_wrong_patient_or_mailbox_changes_nothing(office, run, words, why):
    """Exit 65, what is wrong, never the value."""
    refused = run("conversation", "close", *words)
    assert refused.exit_code == 65
    assert why in refused.stderr
    assert "289456789012345" not in refused.output
    assert office.pairs == {}


def test_import_writes_the_pairs_of_earlier_mail(office, run_json, csv_file):
    """Bare matricules and addresses, either case of Corsica, dates with and without time, a byte order mark."""
    text = (
        HEADER + f"{MATRICULE},{DOCTOR},open,2026-02-01\n{CORSICAN},{DOCTOR.upper()},CLOSED,2026-02-01T09:00:00+01:00\n"
    )
    (told,) = run_json("conversation", "import", csv_file(text, "utf-8-sig"))
    assert told == {
        "lines": 2,
        "imported": 2,
        "known_already": 0,
        "superseded": 0,
        "wrong": 0,
        "of_no_establishment": 0,
    }
    assert office.pairs[a_pair()] == (State.OPEN, datetime(2026, 2, 1, tzinfo=UTC))
    corsican = Pair(Address.parse(f"{CORSICAN}@patient.mssante.fr"), Address.parse(DOCTOR))
    assert office.pairs[corsican] == (State.CLOSED, datetime(2026, 2, 1, 8, tzinfo=UTC))


def test_a_file_is_opened_before_the_command_goes_on_as_the_gateways_user(office, run, csv_file, monkeypatch):
    """Root's own folders are closed to that user."""
    path = csv_file(HEADER + f"{MATRICULE},{DOCTOR},open,2026-02-01\n")
    real = office.open

    def closed_meanwhile(config, alone):
        Path(path).unlink()
        return real(config, alone)

    monkeypatch.setattr(office, "open", closed_meanwhile)
    assert run("conversation", "import", path).exit_code == 0
    assert office.pairs[a_pair()][0] is State.OPEN


def test_a_pipe_which_cannot_be_read_twice_is_refused(office, run):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write((HEADER + f"{MATRICULE},{DOCTOR},open,2026-02-01\n").encode())
    refused = run("conversation", "import", f"/dev/fd/{reading}")
    os.close(reading)
    assert refused.exit_code == 65
    assert "not a pipe" in refused.stderr
    assert office.pairs == {}


def test_import_leaves_known_conversations_alone(office, run_json, csv_file):
    """What the gateway saw itself counts more than a log; so a second run is harmless."""
    office.pairs[a_pair()] = State.CLOSED, EARLIER
    (told,) = run_json("conversation", "import", csv_file(HEADER + f"{MATRICULE},{DOCTOR},open,2026-02-01\n"))
    assert (told["imported"], told["known_already"]) == (0, 1)
    assert office.pairs[a_pair()] == (State.CLOSED, EARLIER)


def test_the_latest_line_about_a_pair_counts(office, run_json, csv_file):
    lines = [
        f"{MATRICULE},{DOCTOR},{state},2026-02-0{day}\n" for state, day in (("open", 1), ("closed", 3), ("open", 2))
    ]
    (told,) = run_json("conversation", "import", csv_file(HEADER + "".join(lines)))
    assert (told["imported"], told["superseded"]) == (1, 2)
    assert office.pairs[a_pair()][0] is State.CLOSED


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"289456789012345,{DOCTOR},open,2026-02-01", "patient: la cle du matricule INS est fausse"),
        (f"{MATRICULE},{PATIENT},open,2026-02-01", "bal: expected the mailbox of a professional"),
        (f"{MATRICULE},dr martin,open,2026-02-01", "bal: an address has"),
        (f"{MATRICULE},{DOCTOR},absent,2026-02-01", "state: expected open or closed"),
        (f"{MATRICULE},{DOCTOR},open,01/02/2026", "date: expected ISO 8601"),
        (f"{MATRICULE},{DOCTOR},open,0001-01-01T00:00:00+23:00", "date: expected ISO 8601"),
        (f"{MATRICULE},{DOCTOR},open,2999-01-01", "date: expected a moment that has passed"),
        (f"{MATRICULE},{DOCTOR},open", "expected 4 columns, found 3"),
        (f"{CORSICAN},{DOCTOR},closed,2026-02-01", "state: line 2 says otherwise"),
    ],
)
def test_one_wrong_line_and_nothing_is_imported(office, run, csv_file, line, why):
    """Exit 65, the line number and the column, never a value; with --skip-errors the good lines go in."""
    path = csv_file(HEADER + f"{CORSICAN},{DOCTOR},open,2026-02-01\n{line}\n")
    refused = run("conversation", "import", path)
    assert refused.exit_code == 65
    assert f"paires.csv:3: {why}" in refused.stderr
    assert office.pairs == {}
    for value in ("289456789012345", MATRICULE, CORSICAN, DOCTOR, "dr martin"):
        assert value not in refused.output
    skipped = run("conversation", "import", path, "--skip-errors")
    assert skipped.exit_code == 65
    assert "1 of 2 lines are wrong; the others are imported" in skipped.stderr
    assert len(office.pairs) == 1


def test_a_line_tells_all_its_faults(run, csv_file):
    """One run gives the whole list of what to mend."""
    told = run("conversation", "import", csv_file(HEADER + f"289456789012345,{PATIENT},maybe,gestern\n")).stderr
    assert all(each in told for each in ("patient: ", "; bal: ", "; state: ", "; date: "))


def test_import_warns_of_mailboxes_of_nobody(office, run, csv_file):
    """A mistyped domain makes conversations that are never looked up: lines are named, and counted."""
    text = HEADER + f"{MATRICULE},{DOCTOR},open,2026-02-01\n{MATRICULE},dr@chu-exmple.fr,open,2026-02-01\n"
    told = run("conversation", "import", csv_file(text))
    assert told.exit_code == 0
    assert "paires.csv:3: bal: of no [[establishment]]" in told.stderr
    assert "paires.csv:2" not in told.stderr
    assert "chu-exmple" not in told.output
    assert "of no establishment: 1" in told.stdout


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", "paires.csv:1: expected the header"),
        (b"patient;bal;state;date\n", "paires.csv:1: expected the header"),
        (HEADER.encode() + b"\xe9,b,open,2026-02-01\n", "paires.csv:2: expected UTF-8"),
        (HEADER.encode() + b'"x,b,open,2026-02-01\n', "expected CSV"),
        (HEADER.encode() + b"a\0b,c,open,2026-02-01\n", "paires.csv:2:"),
    ],
)
def test_what_is_no_such_csv_file_is_refused_whole(office, run, tmp_path, content, where):
    path = tmp_path / "paires.csv"
    path.write_bytes(content)
    refused = run("conversation", "import", str(path))
    assert refused.exit_code == 65
    assert where in refused.stderr
    assert office.pairs == {}


def test_a_long_list_of_wrong_lines_is_cut_and_counted(run, csv_file):
    refused = run("conversation", "import", csv_file(HEADER + "x,y,open,2026-02-01\n" * 50))
    assert refused.exit_code == 65
    assert len(refused.stderr.splitlines()) == imports.SHOWN + 1
    assert "50 of 50 lines are wrong (30 more not shown); nothing imported" in refused.stderr


def test_large_files_go_in_batch_by_batch(office, run_json, csv_file):
    """Short transactions, so that the daemon's own commits go between."""
    lines = (f"{MATRICULE},bal{number}@cabinet.mssante.fr,open,2026-02-01\n" for number in range(imports.BATCH + 1))
    (told,) = run_json("conversation", "import", csv_file(HEADER + "".join(lines)))
    assert told["imported"] == imports.BATCH + 1
    assert office.writes == [imports.BATCH, 1]


def test_a_store_that_fails_half_way_says_how_far_it_came(office, run, csv_file, monkeypatch):
    set_state = office.set_state

    async def fails_later(pairs, **how):
        if office.writes:
            raise StoreUnavailable("database is locked")
        return await set_state(pairs, **how)

    monkeypatch.setattr(office, "set_state", fails_later)
    lines = (f"{MATRICULE},bal{number}@cabinet.mssante.fr,open,2026-02-01\n" for number in range(imports.BATCH + 1))
    refused = run("conversation", "import", csv_file(HEADER + "".join(lines)))
    assert refused.exit_code == 69
    assert f"{imports.BATCH} pairs were imported; running it again is harmless" in refused.stderr


def test_show_of_a_mailbox_tells_of_the_opposition_to_all(office, run):
    """It bears on this mailbox too, in the list and in the journal (SD-12)."""
    blocked = an_entry(JournalEvent.CONVERSATION, "", sender=None, detail="blocked", operator="anne", message_id=None)
    office.entries.append(blocked)
    told = run("conversation", "show", PATIENT, DOCTOR)
    assert told.exit_code == 0
    assert "blocked" in told.stdout
    assert "operator anne" in told.stdout
