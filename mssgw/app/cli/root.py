"""The group that all commands hang from: it owns exit codes and how errors are told."""

import os
import sys
import traceback
from typing import Any

import click

from mssgw.app.cli import exits
from mssgw.app.cli.cda import cda
from mssgw.app.cli.check import check
from mssgw.app.cli.conversation import conversation
from mssgw.app.cli.db import db
from mssgw.app.cli.directory import directory
from mssgw.app.cli.explain import explain
from mssgw.app.cli.ins import ins
from mssgw.app.cli.key import key
from mssgw.app.cli.mailbox import mailbox
from mssgw.app.cli.password import password
from mssgw.app.cli.patient import patient
from mssgw.app.cli.queue import queue
from mssgw.app.cli.report import report
from mssgw.app.cli.serve import serve
from mssgw.app.cli.trace import trace
from mssgw.app.cli.trust import trust


class _ReaderLeftError(Exception):
    """Whoever read our standard output has gone."""


class Gateway(click.Group):
    """A click group whose errors are one line on stderr and a code of exits.Code, never a traceback."""

    def main(self, args: Any = None, prog_name: Any = None, *rest: Any, **extra: Any) -> Any:
        """As click's, but any exception ends in an exit code; see exits."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
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
            code = _tell(error, debug="--debug" in words)
        sys.exit(int(code))

    def invoke(self, ctx: click.Context) -> Any:
        """As click's, which would make a closed pipe exit 1: with us that is an answer."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderLeftError from error


def _tell(error: BaseException, *, debug: bool) -> exits.Code:
    if debug:
        traceback.print_exception(error)
    code, lines = exits.code_and_lines(error)
    for line in lines:
        click.echo(f"mssgw: {line}", err=True)
    return code


def _reader_left() -> exits.Code:
    """`mssgw … | head` closed the pipe: be quiet, also when Python flushes stdout once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.Code.READER_LEFT


@click.group(
    cls=Gateway,
    epilog=exits.HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="mssgw", message="mssgw %(version)s")
@click.option("--debug", is_flag=True, help="Show where an error came from. May print personal data.")
def main(debug: bool) -> None:
    """The MSSanté mail gateway: run it, look into it, and act on what waits in it.

    Commands that read print tables, or JSON lines with --json.
    """


for command in (
    serve,
    check,
    ins,
    cda,
    queue,
    conversation,
    trace,
    report,
    explain,
    directory,
    mailbox,
    trust,
    key,
    db,
    password,
    patient,
):
    main.add_command(command)
