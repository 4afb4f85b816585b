"""``mssgw check``: is this configuration one that the daemon would take?"""

from pathlib import Path
from typing import Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code
from mssgw.app.cli.opening import config_option, json_option


@click.command()
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Read the configuration as the daemon would and say everything that is wrong with it.

    Each line names the file, the line, the key and what was expected. Warnings are legal settings that deserve a
    second look. Nothing is opened, bound or changed. Exit code 0: no errors, 78: errors.

    \b
    Examples:
      mssgw check
      mssgw check --config /etc/mssgw/mssgw.toml.new --json
    """
    from mssgw.app import config

    problems: list[tuple[str, Any]] = []
    try:
        loaded = config.load(config_path)
        problems += [("warning", warning) for warning in config.warnings(loaded)]
    except config.ConfigErrors as errors:
        problems += [("error", error) for error in errors.errors]
    for severity, problem in problems:
        _print(severity, problem, as_json)
    wrong = sum(severity == "error" for severity, _ in problems)
    if not as_json:
        click.echo(f"{config_path}: {_count(wrong, 'error')}, {_count(len(problems) - wrong, 'warning')}", err=True)
    if wrong:
        raise click.exceptions.Exit(Code.CONFIG)


def _print(severity: str, problem: Any, as_json: bool) -> None:
    if as_json:
        told = {"file": str(problem.file), "line": problem.line, "key": problem.key, "message": problem.message}
        paper.json_line({"severity": severity, **told})
    else:
        click.echo(f"{severity}: {problem}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
