"""``mssgw check``: is this configuration one that the daemon would take?"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import of_the_configuration
from mssgw.app.cli.letters import count
from mssgw.app.cli.opening import config_option, json_option
from mssgw.app.telemetry import journald

if TYPE_CHECKING:
    from mssgw.app.config import Problem


@click.command(short_help="Say what is wrong with the configuration.")
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Read the configuration as the daemon would and say everything that is wrong with it.

    Each line names the file, the line, the key and what was expected. Warnings are legal settings that deserve a
    second look. Nothing is opened, bound or changed. Exit code 0: no errors, 78: errors, 77:
    this user may not read a file, and nothing else is wrong.

    \b
    Examples:
      mssgw check
      mssgw check --config /etc/mssgw/mssgw.toml.new --json
    """
    errors, warnings = _read(config_path)
    for severity, problems in (("error", errors), ("warning", warnings)):
        for problem in problems:
            _print(severity, problem, as_json)
    if not as_json:
        found = f"{count(len(errors), 'error', 'errors')}, {count(len(warnings), 'warning', 'warnings')}"
        click.echo(f"{config_path}: {found}", err=True)
    if errors:
        code, lines = of_the_configuration([str(each) for each in errors])
        for advice in lines[len(errors) :]:
            click.echo(advice, err=True)
        raise click.exceptions.Exit(code)


def _read(config_path: Path) -> tuple[Sequence["Problem"], Sequence["Problem"]]:
    """What is wrong in the file, and what is doubtful; the latter only when nothing is wrong."""
    from mssgw.app import config  # pulls in pydantic: not for --help

    try:
        return (), config.warnings(config.load(config_path))
    except config.ConfigErrors as errors:
        return errors.problems, ()


def _print(severity: str, problem: "Problem", as_json: bool) -> None:
    if as_json:
        told = {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}
        paper.json_line({"severity": severity, **told})
    else:
        click.echo(f"{journald.priority(severity, sys.stdout)}{severity}: {paper.printable(str(problem))}")
