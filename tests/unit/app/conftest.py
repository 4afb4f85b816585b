import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from mssgw.app.cli import main
from tests.unit.app.office_double import OfficeDouble

Run = Callable[..., Result]


@pytest.fixture
def office() -> OfficeDouble:
    return OfficeDouble()


@pytest.fixture
def run(office: OfficeDouble) -> Run:
    """Run `mssgw` with these words over the double, not at a terminal."""

    def runs(*words: str, stdin: str | None = None) -> Result:
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
