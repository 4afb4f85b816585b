"""Bad input is refused with its reason, and nothing is opened or called for it: seen by the kernel, not believed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mssgw.core.clinical import Severity, Verdict
from mssgw.formats.judging import judge_file
from tests import attacks
from tests.attacks import Attack, letter_of
from tests.watchdog import watchdog

ROOT = Path(__file__).parents[3]
BEGIN, END = "/mssgw-judging-begins", "/mssgw-judging-ends"
ALL = list(attacks.attacks())
_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(\w+)\(")


@pytest.mark.parametrize("attack", [each for each in ALL if each.named], ids=lambda each: each.name)
def test_bad_input_is_refused_with_its_reason(attack: Attack) -> None:
    """As a finding of the whole judging, under the standard profile."""
    report = attacks.judged(attack, attack.make())
    assert report.verdict is Verdict.REJECT
    assert attack.rule in {finding.rule for finding in report.findings if finding.severity is Severity.REJECT}


def test_a_program_that_hides_nothing_is_no_matter_of_documents() -> None:
    """Whether programs may be sent is for those to say who filter mail."""
    content = letter_of(("application/octet-stream; name=SETUP.EXE", b"MZ\x90\0" + bytes(60)))
    assert judge_file(content, attacks.ORDER, name="A.EML").verdict is Verdict.ACCEPT


@pytest.mark.parametrize("attack", [each for each in ALL if each.name.startswith("flood")], ids=lambda each: each.name)
def test_a_flood_is_judged_in_time(attack: Attack) -> None:
    """As much of something as the caps let through: below the deadline of a validator (2 s) many times over."""
    content = attack.make()
    with watchdog(attack.name):
        assert attacks.judged(attack, content).verdict is Verdict.REJECT


def test_names_of_attacks_are_distinct() -> None:
    """And all that are promised are there."""
    names = [each.name.removeprefix("XML: ").removeprefix("zip: ") for each in ALL if each.named]
    assert len({each.name for each in ALL}) == len(ALL)
    assert set(names) >= attacks._NAMED


@pytest.mark.skipif(shutil.which("strace") is None and os.environ.get("CI") != "true", reason="needs strace")
def test_judging_touches_nothing(tmp_path: Path) -> None:
    """One process judges every attack and every file of the samples: no file, no network, no other process."""
    assert list(_touched("judge", tmp_path / "trace")) == []
    assert "openat" in list(_touched("open", tmp_path / "control"))  # the trace does show


def _touched(what: str, trace: Path) -> Iterator[str]:
    """System calls between the two marks, by name."""
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=%file,%network,%process,%desc"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, sys.executable, __file__, what], check=True, timeout=120, env=environment)
    inside = False
    for line in trace.read_text(errors="replace").splitlines():
        if BEGIN in line or END in line:
            inside = BEGIN in line
        elif inside and (found := _CALL.match(line)) and found[1] not in _HARMLESS:
            yield found[1]
    assert not inside


_HARMLESS = {"mmap", "munmap", "mremap"}  # memory, that strace counts among descriptors


def _judge(what: str) -> None:
    """In a process of its own. Files are read, and modules imported, before the marks."""
    samples = ROOT / "cda_samples"
    files = [path for folder in ("valid", "invalid") for path in (samples / folder).iterdir() if path.suffix != ".json"]
    files.sort(key=lambda path: path.suffix != ".eml")  # a right letter first
    inputs = [Attack(name="", file=path.name, make=path.read_bytes, rule="") for path in files] + ALL
    contents = [each.make() for each in inputs]
    attacks.judged(inputs[0], contents[0])  # what is imported late is imported now
    _mark(BEGIN)
    if what == "open":
        Path(__file__).read_bytes()
    else:
        for each, content in zip(inputs, contents, strict=True):
            attacks.judged(each, content)
    _mark(END)


def _mark(path: str) -> None:
    assert not os.path.exists(path)


if __name__ == "__main__":
    _judge(sys.argv[1])
