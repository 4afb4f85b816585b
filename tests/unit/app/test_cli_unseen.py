"""A patient is named on standard input where "-" stands for him: `ps`, histories and sudo's log show arguments."""

import io
import re
import sys
from collections.abc import Iterator

import click
import pytest
from click.shell_completion import ShellComplete

from mssgw.app.cli import main
from mssgw.app.cli.people import unseen
from mssgw.core.conversation import State
from tests.unit.app.office_double import DOCTOR, EARLIER, PATIENT, a_pair

MATRICULE = PATIENT.partition("@")[0]


@pytest.mark.parametrize(
    "words",
    [
        ("trace", MATRICULE),
        ("trace", PATIENT, "--json"),
        ("conversation", "show", MATRICULE),
        ("conversation", "list", "--patient", PATIENT, "--addresses"),
        ("conversation", "close", MATRICULE, DOCTOR),
        ("conversation", "block", PATIENT),
        ("explain", "{letter}", "--from", MATRICULE + "@patient.mssante.fr", "--to", DOCTOR),
        ("explain", "{letter}", "--from", DOCTOR, "--to", PATIENT, "--to", DOCTOR),
    ],
)
def test_a_dash_stands_for_a_patient_who_is_read_from_standard_input(office, run, tmp_path, words):
    """It says and does what the argument would."""
    (tmp_path / "lettre.eml").write_bytes(b"From: x\r\n\r\n")
    words = [word.format(letter=tmp_path / "lettre.eml") for word in words]
    told = []
    for given, stdin in ((words, ""), (["-" if MATRICULE in word else word for word in words], f" {PATIENT} \n")):
        office.entries.clear()
        office.blocked.clear()
        office.put()
        office.pairs[a_pair()] = State.OPEN, EARLIER
        told.append((run(*given, stdin=stdin), dict(office.pairs), set(office.blocked)))
    (typed, *as_typed), (read, *as_read) = told
    assert (read.exit_code, read.stdout, read.stderr) == (typed.exit_code, typed.stdout, typed.stderr)
    assert typed.exit_code == 0
    assert [{pair: state for pair, (state, _) in as_read[0].items()}, as_read[1]] == [
        {pair: state for pair, (state, _) in as_typed[0].items()},
        as_typed[1],
    ]


def test_several_options_take_a_line_each_in_the_order_in_which_they_were_typed(office, run, tmp_path):
    (tmp_path / "lettre.eml").write_bytes(b"From: x\r\n\r\n")
    words = ("explain", str(tmp_path / "lettre.eml"), "--to", "-", "--from", "-", "--to", "-", "--addresses")
    typed = run(*words[:3], PATIENT, "--from", DOCTOR, "--to", DOCTOR, "--addresses")
    assert run(*words, stdin=f"{PATIENT}\n{DOCTOR}\n{DOCTOR}\n").stdout != ""
    assert run(*words, stdin=f"{PATIENT}\n{DOCTOR}\n{DOCTOR}\n").stdout == typed.stdout


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_where_no_line_comes_the_argument_is_named(office, run, stdin):
    refused = run("conversation", "block", "-", stdin=stdin)
    assert (refused.exit_code, refused.stdout, office.blocked) == (64, "", set())
    assert "conversation block: Invalid value for 'PATIENT': no line on standard input" in refused.stderr


@pytest.mark.parametrize("words", [("conversation", "show", "-", DOCTOR), ("ins", "check", "-")])
def test_a_line_that_windows_wrote_is_read_as_any_other(office, run, words):
    """Its shells put a mark before what they pipe, which nobody sees."""
    office.pairs[a_pair()] = State.OPEN, EARLIER
    assert run(*words, stdin=f"\ufeff{MATRICULE}\r\n").exit_code == 0


@pytest.mark.parametrize("words", [("conversation", "block", "-"), ("ins", "check", "-"), ("password", "hash")])
def test_a_line_that_is_no_text_is_the_argument_that_is_wrong(office, run, words):
    """Not an error of ours: it may come from a file in the character set of Windows, or from no text file at all."""
    refused = run(*words, stdin=b"\xe9ric@fai.example\n")
    assert (refused.exit_code, refused.stdout, office.blocked) == (64, "", set())
    assert "expected text in UTF-8 on standard input" in refused.stderr


def test_a_shell_that_completes_a_line_waits_for_nobody(monkeypatch):
    typed = io.StringIO("what is typed next\n")
    monkeypatch.setattr(sys, "stdin", typed)
    found = ShellComplete(main, {}, "mssgw", "_MSSGW_COMPLETE").get_completions(["trace", "-"], "--js")
    assert ([each.value for each in found], typed.tell()) == (["--json"], 0)


def test_whatever_may_name_a_patient_may_be_a_dash():
    """Patients are meant by these words in the usage of a command. All ask for the line at a terminal."""
    named = [
        f"{path} {parameter.name}"
        for path, command in commands(main, "mssgw")
        for parameter in command.params
        if re.search(r"PATIENT|MATRICULE|MESSAGE-ID", parameter.metavar or "")
        if parameter.callback is not unseen
    ]
    assert named == ["mssgw cda new matricule"]  # of nobody: it makes documents for tests


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command
