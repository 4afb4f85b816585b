import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mssgw.app import config
from mssgw.app.cli import main
from mssgw.app.config import file_advice
from tests.unit.app.configurations import GOOD, write
from tests.unit.app.office_double import OfficeDouble

Run = Callable[..., Result]
Load = Callable[..., config.Config]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the gateway is installed on this machine is not asked, but by tests that say so."""
    monkeypatch.setattr(file_advice, "SERVICE_USER", "no-such-user")


@pytest.fixture
def office() -> OfficeDouble:
    return OfficeDouble()


@pytest.fixture
def run(office: OfficeDouble) -> Run:
    """Run `mssgw` with these words over the double, not at a terminal."""

    def runs(*words: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(main, words, obj=office.open, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return runs


@pytest.fixture
def run_json(run: Run) -> Callable[..., list[dict]]:
    """Run with --json and read standard output line by line."""

    def runs(*words: str) -> list[dict]:
        return [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]

    return runs


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """GOOD with replacements, loaded."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "state").mkdir(mode=0o700)

    def loaded(**replaced: str) -> config.Config:
        text = GOOD
        for old, new in zip(replaced["old"].split("|"), replaced["new"].split("|"), strict=True) if replaced else ():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return config.load(write(tmp_path, text))

    return loaded
