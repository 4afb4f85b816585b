"""`mssgw explain`: what is, or was, decided of a letter. Changes nothing; the exit code is the verdict."""

from dataclasses import replace
from pathlib import Path

import pytest

from mssgw.core.addresses import Address
from mssgw.core.conversation import Event, Move
from mssgw.core.journal import JournalEvent
from mssgw.core.replies import Reply
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity
from tests.unit.app.office_double import DOCTOR, ID, PATIENT, a_fact, a_pair, an_entry

CLOSED = Reply(550, "5.7.1", "Echange clos par le professionnel")
FINDING = Finding(
    rule="patient-may-write", requirement="WHO-2 FIN-7", severity=Severity.REFUSE, reply=CLOSED, recipient=0
)
MOVE = Move(a_pair(), Event.PROFESSIONAL_WROTE)


@pytest.fixture
def letter(tmp_path):
    path = tmp_path / "lettre.eml"
    path.write_bytes(b"From: x\r\n\r\n")
    return str(path)


@pytest.mark.parametrize(
    ("verdict", "code", "word"),
    [
        (Admit(moves=(MOVE,)), 0, "admit"),
        (Refuse(findings=(FINDING,), reply=CLOSED), 1, "refuse"),
        (Hold(findings=(FINDING,), withheld=(MOVE,)), 2, "hold"),
    ],
)
def test_the_exit_code_is_the_verdict(office, run, run_json, letter, verdict, code, word):
    """0 admit, 1 refuse, 2 hold, for a file and for a letter in the queue."""
    office.verdict = verdict
    words = ("explain", letter, "--from", DOCTOR, "--to", PATIENT)
    told = run(*words)
    assert told.exit_code == code
    assert told.stdout.splitlines()[-1].startswith(f"Verdict: {word}")
    assert run_json(*words)[0]["verdict"] == word
    office.put(verdict=verdict)
    assert run("explain", ID).exit_code == code


def test_every_finding_names_its_rule_and_requirements(office, run, letter):
    office.verdict = Refuse(findings=(FINDING,), reply=CLOSED)
    told = run("explain", letter, "--from", DOCTOR, "--to", PATIENT).stdout
    for word in ("patient-may-write", "WHO-2 FIN-7", "refuse", "550 5.7.1 Echange clos"):
        assert word in told


def test_moves_are_told_and_patients_masked(office, run, letter):
    office.verdict = Admit(moves=(MOVE,))
    words = ("explain", letter, "--from", DOCTOR, "--to", PATIENT)
    told = run(*words).stdout
    assert "professional-wrote" in told
    assert PATIENT not in told
    assert PATIENT in run(*words, "--addresses").stdout


def test_the_original_recipient_of_an_envelope_shows_no_patient_either(office, run, run_json):
    """Postfix says ORCPT for each recipient: the address once more, as text."""
    office.put()
    stored = office.stored[ID]
    path = replace(stored.envelope.forward_paths[0], orcpt=f"rfc822;{PATIENT}")
    envelope = replace(stored.envelope, forward_paths=(path,))
    exchanges = tuple(replace(each, forward_path=path) for each in stored.facts.exchanges)
    office.stored[ID] = replace(
        stored, envelope=envelope, facts=replace(stored.facts, envelope=envelope, exchanges=exchanges)
    )
    assert PATIENT.partition("@")[0] not in repr(path)
    assert PATIENT.partition("@")[0] not in str(run_json("explain", ID))
    assert PATIENT in str(run_json("explain", ID, "--addresses"))


def test_the_subject_is_not_told(office, run, run_json, letter):
    """Facts hold the decoded subject, to link notices; explain has no use for it."""
    words = ("explain", letter, "--from", DOCTOR, "--to", PATIENT)
    assert "Canari" not in run(*words).output
    assert "Canari" not in str(run_json(*words))


def test_an_erased_letter_is_explained_from_the_journal(office, run):
    office.put()
    office.stored.clear()
    told = run("explain", ID)
    assert told.exit_code == 0
    assert "erased" in told.stdout
    assert "accepted" in told.stdout


def test_an_unknown_letter_says_no(run):
    assert run("explain", ID).exit_code == 1


def test_a_file_needs_its_envelope(run, letter):
    assert run("explain", letter).exit_code == 64
    assert run("explain", letter, "--to", PATIENT).exit_code == 64
    assert run("explain", letter, "--from", "<>", "--to", PATIENT).exit_code == 0


def test_a_file_is_read_before_the_command_goes_on_as_the_gateways_user(office, run, letter, monkeypatch):
    """Root's own folders are closed to that user. A file that root himself may not read is told by its name."""
    opened = []

    async def explained(content, **_):
        opened.append(content)
        return a_fact(), office.verdict

    monkeypatch.setattr(office, "explain_file", explained)
    original = Path(letter).read_bytes()
    real = office.open

    def closed_meanwhile(path, alone):
        Path(letter).unlink()
        return real(path, alone)

    monkeypatch.setattr(office, "open", closed_meanwhile)
    assert run("explain", letter, "--from", DOCTOR, "--to", PATIENT).exit_code == 0
    assert opened == [original]
    monkeypatch.setattr(office, "open", real)

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    told = run("explain", letter, "--from", DOCTOR, "--to", PATIENT)
    assert (told.exit_code, told.stderr) == (77, f"mssgw: explain: {letter}: Permission denied\n")


def test_a_missing_file_or_a_malformed_address_is_bad_data(run, letter):
    assert run("explain", "absent.eml", "--from", DOCTOR, "--to", PATIENT).exit_code == 65
    for named, envelope in (("--from", ("dr martin", PATIENT)), ("--to", (DOCTOR, "anne"))):
        refused = run("explain", letter, "--from", envelope[0], "--to", envelope[1])
        assert refused.exit_code == 65
        assert refused.stderr.startswith(f"mssgw: explain: {named}: an address has")


@pytest.mark.parametrize(
    ("sender", "recipient", "reply"),
    [
        (DOCTOR, "289456789012345@patient.mssante.fr", "553 5.1.3 Adresse patient invalide : la cle"),
        ("289456789012345@patient.mssante.fr", DOCTOR, "553 5.1.7 Adresse patient invalide : la cle"),
    ],
)
def test_a_wrong_matricule_is_explained_in_the_words_of_the_smtp_reply(
    office, run, letter, monkeypatch, sender, recipient, reply
):
    """It was refused before any rule was asked (INS-3): the answer is no, with the reply, not an error."""

    async def wrong(path, *, recipients, **_):
        office.space.sender(Address.parse(sender))
        office.space.recipient(recipients[0])
        raise AssertionError("one of them is wrong")

    monkeypatch.setattr(office, "explain_file", wrong)
    told = run("explain", letter, "--from", sender, "--to", recipient)
    assert told.exit_code == 1
    assert f"Verdict: refuse: {reply}" in told.stdout
    assert "289456789012345" not in told.output


def test_a_refused_letter_is_explained_from_the_journal_with_exit_code_1(office, run, run_json):
    """Nothing of it was kept but what the rules said: rule, requirement, detail and reply."""
    reply = Reply(554, "5.6.0", "Structure du message illisible ou excessive")
    finding = Finding(
        rule="structure-is-readable",
        requirement="GW-2",
        severity=Severity.REFUSE,
        detail="malformed-header two-message-id-fields",
        reply=reply,
    )
    office.entries.append(an_entry(JournalEvent.REFUSED, findings=(finding,), reply=reply, detail=finding.rule))
    told = run("explain", ID)
    assert told.exit_code == 1
    for each in ("structure-is-readable", "GW-2", "two-message-id-fields", "Verdict: refuse: 554 5.6.0"):
        assert each in told.stdout
    assert "erased" not in told.stdout
    (said,) = run_json("explain", ID)
    assert (said["verdict"], said["findings"][0]["detail"]) == ("refuse", finding.detail)


WRONG_PATIENT = Finding(
    rule="CDA-COH-001",
    requirement="INS-1 SD-7",
    severity=Severity.REFUSE,
    reply=Reply(554, "5.6.0", "Document refuse"),
    detail="document 3/1",
)
ASKED = "L'INS du document est celui du patient à qui la lettre est adressée"


def test_a_finding_about_a_document_says_what_its_rule_asks(office, run, run_json, letter):
    """A number alone sends an administrator to the manual; of other rules the reply says it."""
    office.verdict = Refuse(findings=(WRONG_PATIENT, FINDING), reply=WRONG_PATIENT.reply)
    words = ("explain", letter, "--from", DOCTOR, "--to", PATIENT)
    assert ASKED in run(*words).stdout
    assert [each.get("sentence") for each in run_json(*words)[0]["findings"]] == [ASKED, None]


def test_the_trace_of_a_refused_document_says_it_too(office, run, run_json):
    refused = an_entry(JournalEvent.REFUSED, findings=(WRONG_PATIENT,), reply=WRONG_PATIENT.reply)
    office.entries.append(refused)
    for command in ("trace", "explain"):
        assert f"CDA-COH-001[INS-1 SD-7] « {ASKED} » document 3/1" in run(command, ID).stdout
        told = run_json(command, ID)[0]
        assert (told["findings"] or told["journal"][0]["findings"])[0]["sentence"] == ASKED
