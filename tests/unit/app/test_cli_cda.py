"""`mssgw cda`: what integrators type to learn what is wrong with their documents."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mssgw.formats.cda.kinds import KINDS
from tests.canaries import MATRICULES

SAMPLES = Path(__file__).parents[3] / "cda_samples"
VALID = str(SAMPLES / "valid" / "crh-n1.xml")
LETTER = str(SAMPLES / "valid" / "lettre-de-liaison.eml")
WARNED = str(SAMPLES / "invalid" / "ins-cle-fausse.xml")
REFUSED = str(SAMPLES / "invalid" / "sans-auteur.xml")
STRICT = ("--policy", "strict", "--environment", "test")
JEANNE, LUCIE = "279035121518989@patient.mssante.fr", "288112B98765431@patient.mssante.fr"


@pytest.mark.parametrize(("paths", "code"), [((VALID,), 0), ((VALID, WARNED), 1), ((WARNED, REFUSED, VALID), 2)])
def test_the_exit_code_is_that_of_the_worst(run, paths, code):
    told = run("cda", "check", "--environment", "test", *paths)
    assert told.exit_code == code
    assert told.stderr.startswith(f"{len(paths)} file")


def test_the_policy_decides(run):
    """A matter of form is refused by strict only."""
    sample = str(SAMPLES / "invalid" / "titre-vide.xml")
    assert run("cda", "check", *STRICT, sample).exit_code == 2
    assert run("cda", "check", "--environment", "test", sample).exit_code == 1


def test_a_finding_tells_line_rule_what_was_found_and_what_was_expected(run):
    sample = SAMPLES / "invalid" / "realmcode-us.xml"
    told = run("cda", "check", *STRICT, str(sample)).stdout
    line = sample.read_text("utf-8").split("realmCode")[0].count("\n") + 1
    assert f"line {line} " in told
    for words in ("CDA-HDR-002", "realmCode est présent", "/ClinicalDocument/realmCode/@code", "US", "FR"):
        assert words in told


def test_what_a_rule_asks_is_not_taken_for_what_was_found(run):
    """Its sentence says how things should be: "La clé du matricule INS est juste" stood alone beside a wrong key."""
    told = run("cda", "check", "--environment", "test", str(SAMPLES / "invalid" / "ins-cle-fausse.xml")).stdout
    assert "CDA-INS-003 non respectée : La clé du matricule INS est juste" in " ".join(told.split())


def test_json_has_one_object_a_file(run_json):
    told = run_json("cda", "check", *STRICT, VALID, REFUSED)
    assert [each["verdict"] for each in told] == ["accept", "reject"]
    (finding,) = told[1]["documents"][0]["findings"]
    assert (finding["rule"], finding["severity"]) == ("CDA-PER-001", "reject")
    assert finding["line"] >= 1


def test_a_folder_is_searched_and_quiet_tells_only_what_is_wrong(run, tmp_path):
    """Whatever the case of the endings; other files are left alone."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "A.XML").write_bytes(Path(VALID).read_bytes())
    (tmp_path / "b.zip").write_bytes((SAMPLES / "invalid" / "xdm-empreinte.zip").read_bytes())
    (tmp_path / "notes.txt").write_text("rien")
    told = run("cda", "check", *STRICT, "--quiet", str(tmp_path))
    assert told.exit_code == 2
    assert "A.XML" not in told.stdout
    assert "XDM-DOC-003" in told.stdout
    assert "2 files: 1 accept, 1 reject" in told.stderr


def test_files_in_which_nothing_clinical_was_found_are_counted(run, tmp_path):
    """In a folder they may be anything; that there are such files is not passed over in silence."""
    (tmp_path / "vide.xml").write_bytes(b"")
    (tmp_path / "page.xml").write_text("<html>erreur 500</html>")
    told = run("cda", "check", "--environment", "test", "--quiet", str(tmp_path), VALID)
    assert told.exit_code == 0
    assert told.stderr.startswith("3 files: 1 accept, 2 without a clinical document\n")
    alone = run("cda", "check", "--quiet", str(tmp_path))
    assert alone.exit_code == 65, "nothing was judged: that is no yes"


def test_a_letter_without_documents_is_accepted_as_it_would_be_on_its_way(run, run_json, tmp_path):
    (letter := tmp_path / "a.eml").write_bytes(b"Subject: Rendez-vous\r\n\r\nBonjour\r\n")
    told = run("cda", "check", "--environment", "test", str(letter), VALID)
    assert told.exit_code == 0
    assert "no clinical document" in told.stdout
    (each,) = run_json("cda", "check", str(letter))
    assert each["verdict"] == "accept"


def test_a_file_without_end_is_not_read(run, tmp_path):
    """A device, a pipe that nobody writes to, or what is merely much larger than any letter."""
    os.mkfifo(fifo := tmp_path / "fifo.xml")
    with (large := tmp_path / "large.xml").open("wb") as made:
        made.truncate(64 * 1024 * 1024 + 1)
    for path, why in (("/dev/zero", "not a regular"), (fifo, "not a regular"), (large, "more than 64 MiB")):
        told = run("cda", "check", str(path))
        assert told.exit_code == 65
        assert told.stderr.startswith(f"mssgw: cda check: {path}: {why}")


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_judged(run, run_json, tmp_path):
    """It is told, and the exit code says that not all were judged, unless one was refused."""
    absent = str(tmp_path / "absent.xml")
    told = run("cda", "check", "--environment", "test", absent, WARNED, VALID)
    assert told.exit_code == 65
    assert f"mssgw: cda check: {absent}: no such file or folder\n" in told.stderr
    assert "3 files: 1 accept, 1 warn, 1 not read" in told.stderr
    assert run("cda", "check", absent, REFUSED).exit_code == 2
    assert [each.get("error", each.get("verdict")) for each in run_json("cda", "check", absent, REFUSED)] == [
        "no such file or folder",
        "reject",
    ]


def test_what_this_user_may_not_read_keeps_no_other_from_being_judged(tmp_path):
    """A file, a folder, a file in a closed folder, and one in a folder that can be listed only: each is told."""
    for name in ("closed.xml", "closed/below.xml", "listed/below.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"<a/>")
    for name, mode in (("closed.xml", 0), ("closed", 0), ("listed", 0o400)):
        (tmp_path / name).chmod(mode)
    named = [str(tmp_path / name) for name in ("closed.xml", "closed", "closed/below.xml", "listed")]
    command = [sys.executable, "-c", "from mssgw.app.cli import main; main()"]
    words = [*command, "cda", "check", "--json", "--environment", "test", *named, VALID]
    if os.geteuid() == 0:  # root without its privileges is stopped like anybody
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *words]
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    finally:
        for name in ("closed", "listed"):
            (tmp_path / name).chmod(0o700)
    *unread, judged = map(json.loads, told.stdout.splitlines())
    assert [(each["file"], each["error"]) for each in unread] == [
        (str(tmp_path / name), "cannot be read: Permission denied")
        for name in ("closed.xml", "closed", "closed/below.xml", "listed/below.xml")
    ]
    assert (judged["file"], judged["verdict"]) == (VALID, "accept")
    assert told.returncode == 65


def test_findings_come_in_the_order_of_the_document_on_lines_that_fit(run, run_json, monkeypatch):
    """What is said of all of it first; at 80 columns where there is no terminal, else at its width."""
    monkeypatch.delenv("COLUMNS", raising=False)
    sample = str(SAMPLES / "invalid" / "civilite-madame.xml")
    (told,) = run_json("cda", "check", sample)
    lines = [each["line"] or 0 for each in told["documents"][0]["findings"]]
    assert lines == sorted(lines)
    assert len(set(lines)) > 2
    for width in (None, 60):
        if width is not None:
            monkeypatch.setenv("COLUMNS", str(width))
        shown = run("cda", "check", sample).stdout.splitlines()[1:]
        assert max(map(len, shown)) <= (width or 80)
        assert not any(line.lstrip().startswith((":", ";")) for line in shown)


@pytest.mark.parametrize("address", ["nobody", "289456789012345@patient.mssante.fr"])
def test_a_recipient_that_is_none_is_refused_by_the_name_of_its_option(run, address):
    told = run("cda", "check", "--to", address, VALID)
    assert told.exit_code == 65
    assert told.stderr.startswith("mssgw: cda check: --to: ")
    assert address not in told.stderr


def test_a_letter_is_judged_as_sent_to_somebody(run_json):
    """The wrong patient is refused under any policy; the right one is not."""
    for policy in ("strict", "standard", "observe"):
        words = ("cda", "check", "--environment", "test", "--policy", policy, LETTER, "--to")
        (right,), (wrong,) = run_json(*words, JEANNE), run_json(*words, LUCIE)
        assert right["verdict"] == "accept"
        assert wrong["verdict"] == "reject"
        assert "CDA-COH-001" in [finding["rule"] for each in wrong["documents"] for finding in each["findings"]]


def test_to_whom_it_is_sent_need_not_be_typed(run):
    """`ps` and sudo's log show arguments."""
    words = ("cda", "check", "--environment", "test", LETTER, "--to")
    assert run(*words, "-", stdin=f"{LUCIE}\n").stdout == run(*words, LUCIE).stdout
    assert run(*words, "-", stdin=f"{LUCIE}\n").exit_code == 2


def test_an_archive_without_any_cda_still_has_a_patient(run_json, tmp_path):
    """A PDF alone cannot be asked whose it is; METADATA.XML can."""
    from cda_samples.edits import METADATA, entries
    from cda_samples.wrong_documents import LETTER as order
    from mssgw.formats.xdm_making import zipped

    made = entries(order)
    path = tmp_path / "IHE_XDM.zip"
    path.write_bytes(zipped({METADATA: made[METADATA], METADATA.replace("METADATA.XML", "DOC00001.XML"): b"%PDF-1.4"}))
    rules = {}
    for to in (JEANNE, LUCIE):
        (told,) = run_json("cda", "check", str(path), "--to", to)
        rules[to] = {finding["rule"] for each in told["documents"] for finding in each["findings"]}
    assert rules[LUCIE] - rules[JEANNE] == {"CDA-COH-001"}


def test_no_report_repeats_who_the_patient_is(run):
    """Neither name, birth date nor matricule, whatever is wrong (SD-10)."""
    told = run("cda", "check", *STRICT, "--json", str(SAMPLES / "invalid"), "--to", LUCIE)
    assert told.exit_code == 2
    for value in ("279035121518989", "288112B98765431", "EXEMPLE", "JEANNE", "19790328", "29790328"):
        assert value not in told.stdout + told.stderr


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"<html/>", b"<a", b"%PDF-1.4", b"PK"])
def test_what_is_not_clinical_is_said_to_be_so(run, tmp_path, content):
    path = tmp_path / "x.xml"
    path.write_bytes(content)
    for quiet in ((), ("--quiet",)):
        told = run("cda", "check", *quiet, str(path))
        assert told.exit_code == 65
        assert told.stdout == f"{path}: no clinical document in it\n"


def test_what_is_no_archive_is_refused_as_one(run, tmp_path):
    """Who calls it .zip means it to be one."""
    path = tmp_path / "IHE_XDM.zip"
    path.write_bytes(b"rien")
    assert run("cda", "check", str(path)).exit_code == 2


def test_a_letter_that_programs_would_take_apart_in_two_ways_is_refused(run, tmp_path):
    """As the gateway would."""
    letter = tmp_path / "a.eml"
    letter.write_bytes(b"Content-Type: multipart/mixed\r\n\r\nx\r\n")
    told = run("cda", "check", str(letter))
    assert told.exit_code == 2
    assert "GRD-LET-002" in told.stdout


def test_bad_words_are_told_on_one_line(run, tmp_path):
    """Nothing there, nothing in it, an address with a wrong key."""
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = ("--to", "289456789012345@patient.mssante.fr")
    for words in ((str(tmp_path / "absent.xml"),), (str(empty),), (VALID, *wrong)):
        told = run("cda", "check", *words)
        assert told.exit_code == 65
        (line,) = told.stderr.splitlines()
        assert line.startswith("mssgw: ")
        assert "289456789012345" not in line


def test_every_rule_is_listed_once_with_its_severities(run, run_json):
    rules = run_json("cda", "rules")
    ids = [each["rule"] for each in rules]
    assert len(ids) == len(set(ids))
    assert {each.split("-")[0] for each in ids} == {"CDA", "GRD", "XDM"}
    (other,) = [each for each in rules if each["rule"] == "CDA-COH-001"]
    assert [other[policy] for policy in ("strict", "standard", "observe")] == ["reject"] * 3
    assert all(each["sentence"] and each["source"] for each in rules)
    assert all(each["why"] and each["mending"] for each in rules)
    assert run("cda", "rules").stdout.count("\n") == len(ids) + 1


def test_a_rule_is_explained(run, run_json):
    """What it asks, why, what to do, and how grave it is; in any case of letters."""
    told = run("cda", "rules", "--explain", "cda-ins-003", "--explain", "GRD-XML-003").stdout
    (key, _) = run_json("cda", "rules", "--explain", "CDA-INS-003", "--explain", "GRD-XML-003")
    for words in (
        "CDA-INS-003",
        key["sentence"],
        f"Pourquoi : {key['why']}",
        f"Corriger : {key['mending']}",
        "GRD-XML-003",
    ):
        assert words in told
    assert "strict: warn, standard: warn, observe: warn" in told
    unknown = run("cda", "rules", "--explain", "CDA-XXX-001")
    assert unknown.exit_code == 65
    assert "CDA-XXX-001: no such rule" in unknown.stderr


@pytest.mark.parametrize("words", [(), ("--structured",), ("--date", "2025-11-03T14:30:00+01:00", "--title", "<&>")])
@pytest.mark.parametrize("kind", KINDS)
def test_new_writes_what_check_accepts(run, tmp_path, kind, words):
    folder = tmp_path / "essai"
    told = run("cda", "new", str(folder), "--kind", kind, *words)
    assert told.exit_code == 0
    assert len(told.stdout.splitlines()) == 3
    assert run("cda", "check", *STRICT, str(folder)).exit_code == 0
    assert sorted(each.suffix for each in folder.iterdir()) == [".pdf", ".xml", ".zip"]


@pytest.mark.parametrize("ins", MATRICULES)
def test_new_takes_a_birth_date_that_the_matricule_allows(run, tmp_path, ins):
    """Whose INS it is can be said alone: the document is as valid as the others."""
    assert run("cda", "new", str(tmp_path), "--ins", ins).exit_code == 0
    assert run("cda", "check", *STRICT, str(tmp_path)).exit_code == 0


def test_new_says_which_folder_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    told = run("cda", "new", str(tmp_path / "file" / "essai"))
    assert told.exit_code == 65
    assert f"mssgw: cda new: {tmp_path}/file/essai: cannot be written: Not a directory" in told.stderr


def test_new_overwrites_nothing(run, tmp_path):
    (tmp_path / "IHE_XDM.zip").write_text("mine")
    told = run("cda", "new", str(tmp_path))
    assert told.exit_code == 1
    assert [each.name for each in tmp_path.iterdir()] == ["IHE_XDM.zip"]
    assert (tmp_path / "IHE_XDM.zip").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--ins", "279035121518988"),
        ("--birth", "28/03/1979"),
        ("--date", "hier"),
        ("--rpps", "12"),
        ("--finess", "999-0000-1"),
        ("--family", " "),
        ("--given", "a\nb"),
        ("--author", "Seul"),
    ],
)
def test_new_says_which_option_is_wrong_and_writes_nothing(run, tmp_path, option, value):
    told = run("cda", "new", str(tmp_path / "essai"), option, value)
    assert told.exit_code == 65
    assert option in told.stderr
    assert value.strip() == "" or value not in told.stderr
    assert not (tmp_path / "essai").exists()


def test_new_carries_a_given_pdf_and_nothing_that_is_none(run, tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"MZ")
    assert run("cda", "new", str(tmp_path / "essai"), "--pdf", str(tmp_path / "a.pdf")).exit_code == 65
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    assert run("cda", "new", str(tmp_path / "essai"), "--pdf", str(tmp_path / "a.pdf")).exit_code == 0
    (pdf,) = (tmp_path / "essai").glob("*.pdf")
    assert pdf.read_bytes() == b"%PDF-1.4\n%%EOF\n"


def test_the_samples_and_their_expectations_are_json(run_json):
    """Beside each invalid file."""
    for path in (SAMPLES / "invalid").glob("*.expect.json"):
        assert json.loads(path.read_text("utf-8")).keys() >= {"why", "verdicts", "rules"}
        assert path.with_name(path.name.removesuffix(".expect.json")).exists()


def test_the_bar_is_on_the_terminal_and_never_in_the_report():
    """Standard error a terminal, standard output a pipe: a script reads clean JSON while somebody looks on."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", "from mssgw.app.cli import main; main()", "cda", "check", "--json"]
    environment = {**os.environ, "TERM": "xterm"}  # on a "dumb" one, as many a CI names it, there is no bar
    with subprocess.Popen(
        [*command, str(SAMPLES / "valid")], stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        told = [json.loads(line) for line in process.stdout.read().splitlines()]
        process.wait(30)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert len(told) == len(list((SAMPLES / "valid").iterdir()))
    assert "checking" in shown
    assert "verdict" not in shown


def test_nothing_heavy_is_loaded_for_the_help():
    """lxml and the rules are for those who check."""
    script = "import sys; from mssgw.app.cli import main; sys.exit('lxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 0
