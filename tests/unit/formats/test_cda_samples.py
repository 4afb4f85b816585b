"""The samples in cda_samples/ are what they say they are."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cda_samples.__main__ import HERE, files
from mssgw.app.cli.cda_files import JudgedFile, Recipients, judge
from mssgw.core.bal import PatientSpace
from mssgw.core.clinical import Environment, Profile, Severity
from mssgw.core.report import Order
from mssgw.formats.cda.kinds import KINDS

VALID = sorted((HERE / "valid").iterdir())
EXPECTED = sorted((HERE / "invalid").glob("*.expect.json"))


def judged(file: Path, profile: Profile, to: str = "") -> JudgedFile:
    sent_to = Recipients.of([to] if to else [], PatientSpace())
    order = Order(
        profile=profile,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        environment=Environment.TEST,
        patients=sent_to.patients,
        professionals=sent_to.professionals,
    )
    return judge(file, file.read_bytes(), order)


def named(path: Path) -> str:
    return path.name


def test_making_them_again_gives_the_same_octets() -> None:
    """Else ``python -m cda_samples`` was forgotten, or makes something else on another machine."""
    on_disk = {f"{path.parent.name}/{path.name}": path for path in HERE.glob("*valid/*")}
    made = files()
    assert on_disk.keys() == made.keys()
    assert [name for name, content in made.items() if on_disk[name].read_bytes() != content] == []


@pytest.mark.parametrize("file", VALID, ids=named)
def test_a_valid_one_is_accepted_without_a_word(file: Path) -> None:
    """Under the strictest policy."""
    found = judged(file, Profile.STRICT)
    assert found.documents
    assert [finding.rule for each in found.documents for finding in each.findings] == []


def test_every_kind_is_there_as_pdf_and_structured() -> None:
    """Bare, and in an archive."""
    names = {path.name for path in VALID}
    assert {f"{kind}{form}" for kind in KINDS for form in ("-n1.xml", "-structure.xml", "-n1.zip")} <= names


@pytest.mark.parametrize("profile", [Profile.STRICT, Profile.STANDARD])
@pytest.mark.parametrize("expected", EXPECTED, ids=named)
def test_an_invalid_one_is_found_out(expected: Path, profile: Profile) -> None:
    """By exactly the rules beside it, with that verdict."""
    told = json.loads(expected.read_text("utf-8"))
    found = judged(expected.with_name(expected.name.removesuffix(".expect.json")), profile, told.get("to", ""))
    findings = [finding for each in found.documents for finding in each.findings]
    assert sorted({finding.rule for finding in findings if finding.severity > Severity.INFO}) == told["rules"]
    assert found.verdict.value == told["verdicts"][profile.value]
