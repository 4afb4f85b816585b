"""The group that all commands hang from: it owns exit codes and how errors are told."""

import os
import resource
import sys
import traceback
from collections import UserDict
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from mssgw.app.cli import exits
from mssgw.app.telemetry import journald

# Each is a room beside this one that has a command of the same name.
ROOMS = (
    "cda",
    "check",
    "conversation",
    "db",
    "directory",
    "explain",
    "ins",
    "key",
    "mailbox",
    "password",
    "patient",
    "queue",
    "report",
    "serve",
    "trace",
    "trust",
)


class Commands(UserDict[str, click.Command]):
    """The commands by name, each loaded when it is first asked for: half of a short one's time would go to others."""

    def __contains__(self, name: object) -> bool:
        return name in ROOMS

    def __iter__(self) -> Iterator[str]:
        return iter(ROOMS)

    def __len__(self) -> int:
        return len(ROOMS)

    def __missing__(self, name: str) -> click.Command:
        if name not in ROOMS:
            raise KeyError(name)
        command: click.Command = getattr(import_module(f"mssgw.app.cli.{name}"), name)
        self.data[name] = command
        return command


class _ReaderLeftError(Exception):
    """Whoever read our standard output has gone."""


class Gateway(click.Group):
    """A click group whose errors are one line on stderr and a code of exits.Code, never a traceback."""

    def main(self, args: Any = None, prog_name: Any = None, *rest: Any, **extra: Any) -> Any:
        """As click's, but any exception ends in an exit code; see exits."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        _leave_no_core()
        try:
            outcome = super().main(words, prog_name or "mssgw", *rest, **extra)
            code = outcome if isinstance(outcome, int) else exits.Code.OK
            sys.stdout.flush()  # here, where a reader that left can still be told from trouble of ours
        except (BrokenPipeError, _ReaderLeftError):
            code = _reader_left()
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            code = exits.Code.USAGE
        except (Exception, KeyboardInterrupt) as error:
            code = _tell(_of_our_output(error) or error, debug="--debug" in words)
        sys.exit(int(code))

    def invoke(self, ctx: click.Context) -> Any:
        """As click's, which would make a closed pipe exit 1: with us that is an answer."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderLeftError from error


def _leave_no_core() -> None:
    """A core file, after a crash or a SIGABRT, would hold the master key and letters in clear; `prlimit` allows one."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _tell(error: BaseException, *, debug: bool) -> exits.Code:
    if debug:
        traceback.print_exception(error)
    code, lines = exits.code_and_lines(error)
    urgency = journald.priority("error", sys.stderr)
    for line in lines:
        click.echo(f"{urgency}mssgw: {line}", err=True)
    return code


def _of_our_output(error: BaseException) -> exits.Failure | None:
    """What to say where standard output took no more, a full disk behind `> file`: None for any other trouble.

    The error names no file, as the store's do not: what tells is who wrote, `click.echo` or our own last flush.
    """
    if not isinstance(error, OSError):
        return None
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    if frame.f_code not in (click.echo.__code__, Gateway.main.__code__):
        return None
    _give_up_output()
    why = f"standard output cannot be written: {error.strerror}"
    failure = exits.Failure(exits.Code.OUTPUT, f"{why} (what the command was to change may be changed)")
    failure.__cause__ = error
    return failure


def _reader_left() -> exits.Code:
    """`mssgw … | head` closed the pipe: be quiet."""
    _give_up_output()
    return exits.Code.READER_LEFT


def _give_up_output() -> None:
    """So that Python, which flushes stdout once more at exit, neither complains nor changes the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Gateway,
    commands=Commands(),
    epilog=exits.HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="mssgw", message="mssgw %(version)s")
@click.option("--debug", is_flag=True, help="Show where an error came from. May print personal data.")
def main(debug: bool) -> None:
    """The MSSanté mail gateway: run it, look into it, and act on what waits in it.

    Commands that read print tables, or JSON lines with --json.
    """
