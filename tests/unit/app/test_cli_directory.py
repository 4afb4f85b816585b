"""`mssgw directory`: the import and what is set by hand, over a real store; nothing is half taken."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mssgw.app.cli import main
from mssgw.formats import extraction
from tests.extractions import establishment, finess, row, table, zipped
from tests.installation import begun, configuration, install

OFFICINE, PERSON, NEW = "officine@chu.mssante.fr", "anne.canari@chu.mssante.fr", "neuve@chu.mssante.fr"
ROWS = [
    row("ORG", OFFICINE, "750000001", name="PHARMACIE DU PORT", place="29200 BREST"),
    row("PER", PERSON, "750000001"),
    *(row("PER", f"dr{number}@chu.mssante.fr") for number in range(20)),
]
FINESS = finess(establishment("750000001", "620"), establishment("750000003", "620"))


class Place:
    """An installation whose configuration has [directory]. ``run``: `mssgw directory` with these words."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        install(folder, "[directory]", hop=25, role="trust-space")
        begun(folder / "state")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("MSSGW_CONFIG", str(folder / "mssgw.toml"))
        monkeypatch.setenv("SUDO_USER", "anne")

    def configure(self, *sections: str) -> None:
        text = configuration(*sections, hop=25, role="trust-space")
        (self.folder / "mssgw.toml").write_text(text)

    def file(self, content: bytes, name: str = "extraction.txt", *, days: float = 0) -> str:
        path = self.folder / name
        path.write_bytes(content)
        written = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(path, (written, written))
        return name

    def run(self, *words: str, code: int = 0, stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(main, ["directory", *words], input=stdin)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.stderr
        return result

    def json(self, *words: str, code: int = 0, stdin: bytes | None = None) -> list[Any]:
        return [json.loads(line) for line in self.run(*words, "--json", code=code, stdin=stdin).stdout.splitlines()]

    def take(self, *rows: str, **given: Any) -> Any:
        (told,) = self.json(
            "import", self.file(table(*(rows or ROWS))), "--finess", self.file(FINESS, "f.csv"), **given
        )
        return told

    def trace(self) -> list[tuple[str, str]]:
        lines = CliRunner().invoke(main, ["trace", "directory", "--json"]).stdout.splitlines()
        return [(each["operator"], each["detail"]) for each in map(json.loads, lines)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_an_import_says_what_it_took_and_status_how_old_it_is(place):
    told = place.take()
    assert (told["mailboxes"], told["pharmacies"], told["added"], told["unreadable"]) == (22, 1, 22, 0)
    (status,) = place.json("status")
    assert status["state"] == "in force"
    assert status["kinds"] == {"ORG": 1, "PER": 21}
    assert status["age"] < 600
    assert status["edition"]["source"] == "extraction.txt"
    assert place.trace() == [("anne", "import 22 mailboxes, 1 of pharmacies")]


def test_before_the_first_import_status_says_no(place):
    assert "missing" in place.run("status", code=1).stdout
    place.configure("")
    assert "no [directory]" in place.run("status").stdout


def test_an_import_that_grew_old_is_told_by_status(place):
    place.run("import", place.file(table(*ROWS), days=8), "--finess", place.file(FINESS, "f.csv"))
    assert "too old" in place.run("status", code=1).stdout


def test_what_changes_is_told_and_pharmacies_by_name(place):
    place.take()
    result = place.run(
        "import",
        place.file(table(*ROWS[1:], row("ORG", NEW, "750000003"), row("ORG", PERSON))),
        "--yes",
    )
    assert "removed:           1" in result.stdout
    assert f"Patients may write first to\n  {NEW}" in result.stdout
    assert f"Patients may no longer write first to\n  {OFFICINE}" in result.stdout


def test_pharmacies_stay_known_when_a_later_import_does_not_bring_them(place):
    """The extraction comes every day, FINESS now and then."""
    place.take()
    (told,) = place.json("import", place.file(table(*ROWS)))
    assert (told["pharmacies"], told["pharmacies_lost"]) == (1, 0)


def test_both_lists_of_pharmacies_add_up_and_replace_those_before(place):
    place.take()
    ours = place.file(b"identification;code\n750000009;SA33\n", "s.csv")
    other = row("ORG", NEW, "750000009")
    words = ["import", place.file(table(*ROWS, other)), "--structures", ours]
    (both,) = place.json(*words, "--finess", "f.csv")
    assert both["pharmacies"] == 2
    (only,) = place.json(*words, "--yes")
    assert only["pharmacies"] == 1


def test_an_import_without_any_pharmacy_warns(place):
    assert "--structures or --finess" in place.run("import", place.file(table(*ROWS))).stderr
    place.configure("")
    assert "no [directory]" in place.run("import", "extraction.txt").stderr


@pytest.mark.parametrize(
    "content",
    [
        table(*ROWS, header="Type de BAL|Adresse BAL"),
        table(),
        zipped(table(*ROWS))[:-30],
        zipped(table(*ROWS))[:200],
        b"",
        table(*["PER|damaged"] * 50, *ROWS),
        table(*ROWS)[:-20],
    ],
    ids=["columns missing", "no row", "zip cut", "zip cut short", "empty", "damaged", "text cut"],
)
def test_a_file_that_is_not_whole_changes_nothing(place, content):
    place.take()
    before = place.json("status")[0]["edition"]
    told = place.run("import", place.file(content, "broken"), code=65)
    assert told.stderr.startswith("mssgw: broken: ")
    assert "nothing imported" in told.stderr
    assert place.json("status")[0]["edition"] == before
    assert len(place.trace()) == 1


def test_ten_million_rows_change_nothing(place, monkeypatch):
    """Tried with ten million once: refused after 2,000,000, in 20 s and 330 MB."""
    place.take()
    before = place.json("status")[0]["edition"]
    monkeypatch.setattr(extraction, "MOST_ROWS", 2)
    told = place.run("import", place.file(table(*ROWS), "huge"), code=65)
    assert "huge: more than 2 rows" in told.stderr
    assert place.json("status")[0]["edition"] == before


def test_a_wrong_list_of_pharmacies_changes_nothing(place):
    """Its line is named; the extraction is not even read."""
    ours = place.file(b"identification;code\n750000009\n", "s.csv")
    told = place.run("import", place.file(table(*ROWS)), "--structures", ours, code=65)
    assert "s.csv: line 2: expected" in told.stderr
    assert "missing" in place.run("status", code=1).stdout


def test_where_much_is_gone_it_is_refused_unless_somebody_insists(place):
    """More than a fifth of the mailboxes; or the pharmacies; or an older file."""
    place.take()
    half = place.file(table(*ROWS[:12]), "half.txt")
    told = place.run("import", half, code=1)
    assert "shrunk: 10 of 22 mailboxes are gone" in told.stderr
    assert place.json("status")[0]["edition"]["mailboxes"] == 22
    assert place.json("status")[0]["leftover"] == 0
    assert "fewer-pharmacies" in place.run("import", place.file(table(*ROWS[1:]), "none.txt"), code=1).stderr
    assert "older" in place.run("import", place.file(table(*ROWS), days=2), code=1).stderr
    assert place.json("import", half, "--yes")[0]["removed"] == 10
    assert place.json("status")[0]["edition"]["mailboxes"] == 12


def test_an_extraction_comes_from_standard_input_too(place):
    (told,) = place.json("import", "-", stdin=zipped(table(*ROWS)))
    assert told["mailboxes"] == 22
    assert told["made_at"] <= "2026-11-20T08:13:00Z"  # what the file in it says, unless that lies ahead of us


def test_find_says_what_is_known_and_whether_patients_may_write(place):
    place.take()
    found = place.run("find", OFFICINE.upper()).stdout
    assert "750000001  PHARMACIE DU PORT" in found
    assert "patients may write first: yes (the imported directory)" in found
    assert "patients may write first: no" in place.run("find", PERSON).stdout
    assert [each["mailbox"] for each in place.json("find", "du port")] == [OFFICINE]
    assert place.run("find", "personne@ailleurs.mssante.fr", code=1).stdout == (
        "patients may write first: no (the imported directory)\n"
    )
    place.run("find", "nulle part", code=1)


def test_what_is_set_decides_until_it_is_unset(place):
    place.run("set", PERSON, "--kind", "ORG", "--pharmacy")
    assert "yes (set by hand)" in place.run("find", PERSON).stdout
    assert "already" in place.run("set", PERSON, "--kind", "ORG", "--pharmacy").stdout
    place.take()
    assert "yes (set by hand)" in place.run("find", PERSON).stdout
    place.run("unset", PERSON)
    place.run("unset", PERSON, code=1)
    assert "no (the imported directory)" in place.run("find", PERSON).stdout
    assert [detail for _, detail in place.trace()][::2] == ["set ORG pharmacy", "unset"]


def test_nobody_but_an_org_mailbox_is_a_pharmacys(place):
    place.run("set", PERSON, "--kind", "PER", "--pharmacy", code=64)
    place.run("set", "279035121518989@patient.mssante.fr", "--kind", "ORG", code=65)


def test_a_mailbox_of_the_configuration_is_told_to_decide(place):
    place.configure(f'[[mailbox]]\naddress = "{OFFICINE}"\nkind = "ORG"\npharmacy = true')
    assert "decides first" in place.run("set", OFFICINE, "--kind", "PER").stderr
    assert "yes ([[mailbox]] in the configuration)" in place.run("find", OFFICINE).stdout


def test_a_mailbox_that_only_the_configuration_names_is_known(place):
    """It decides first, so that is an answer: not `yes`, then `nothing is known`."""
    place.configure(
        f'[[mailbox]]\naddress = "{OFFICINE}"\nkind = "ORG"\npharmacy = true\n'
        f'[[mailbox]]\naddress = "{PERSON}"\nkind = "PER"'
    )
    told = place.run("find", OFFICINE)
    assert (told.stdout, told.stderr) == (
        "patients may write first: yes ([[mailbox]] in the configuration)\n",
        "",
    )
    assert place.run("find", PERSON).stdout == "patients may write first: no ([[mailbox]] in the configuration)\n"
    (listed,) = place.json("find", OFFICINE)
    assert listed | {"mailbox": OFFICINE, "kind": "ORG", "pharmacy": True, "said_by": "configuration"} == listed
    assert "nothing is known of this mailbox" in place.run("find", NEW, code=1).stderr
