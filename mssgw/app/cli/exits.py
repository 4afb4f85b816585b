"""Exit codes, and the one place that turns what went wrong into a line on stderr and a code."""

import asyncio
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import click

from mssgw.app.cli.opening import SERVICE_USER, is_the_gateways_user
from mssgw.app.office import NoSuchClient, NoTrustSpace
from mssgw.app.telemetry.redact import scrub
from mssgw.core.directory import Overtaken, UnusableDirectory
from mssgw.core.errors import (
    GatewayError,
    Gone,
    IllegalMove,
    MalformedAddress,
    MalformedMatricule,
    SourceUnavailable,
    StoreUnavailable,
    Undecryptable,
)
from mssgw.edges.tls import TlsMisconfigured


class Code(IntEnum):
    """What our exit codes mean; 64 and above are those of sysexits.h, as Postfix and Exim use them."""

    OK = 0
    NO = 1  # the answer is no: invalid, not found, refused
    WARNED = 1  # cda check only: delivered, with a report
    HELD = 2  # explain only: accepted, but kept for a person
    REJECTED = 2  # cda check only
    USAGE = 64
    DATA = 65
    UNAVAILABLE = 69
    INTERNAL = 70
    OUTPUT = 74
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130  # 128 + SIGINT
    READER_LEFT = 141  # 128 + SIGPIPE: `mssgw queue list | head`


HELP = """\b
Exit codes:
  0    done, or the answer is yes
  1    the answer is no: invalid, not found, refused; cda check: a warning; report unread: there are some
  2    explain: the letter is held for a person; cda check: a document is refused
  64   usage error
  65   bad input data: a file or a value that cannot be read; cda check: no clinical document in it
  69   the store is unavailable, or somebody else has it open; or a published file is; serve: a port is taken
  70   internal error (run again with `mssgw --debug`)
  74   standard output cannot be written, as on a full disk
  77   no permission
  78   configuration error (see `mssgw check`)
  130  interrupted (Ctrl-C)
  141  whoever read our output has gone
"""


class Failure(click.ClickException):
    """A command ends here: one line on stderr, without personal data, and a code."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def no(message: str) -> Failure:
    """The answer is no."""
    return Failure(Code.NO, message)


@contextmanager
def given_as(named: str) -> Iterator[None]:
    """What is wrong in here with an address or a matricule is said of the argument or option ``named``.

    Raises Failure for it, with the command's name and 65: of two addresses that were typed, which one is meant.
    """
    try:
        yield
    except (MalformedAddress, MalformedMatricule) as error:
        command = click.get_current_context().command_path.partition(" ")[2]
        raise Failure(Code.DATA, f"{command}: {named}: {error}") from None


_BY_KIND: tuple[tuple[type[Exception], Code], ...] = (
    (MalformedMatricule, Code.DATA),
    (MalformedAddress, Code.DATA),
    (NoSuchClient, Code.USAGE),
    (NoTrustSpace, Code.CONFIG),
    (Gone, Code.NO),
    (IllegalMove, Code.NO),
    (UnusableDirectory, Code.DATA),
    (Overtaken, Code.UNAVAILABLE),
    (StoreUnavailable, Code.UNAVAILABLE),
    (SourceUnavailable, Code.UNAVAILABLE),
    (Undecryptable, Code.UNAVAILABLE),
    (TlsMisconfigured, Code.CONFIG),  # a file that changed since the configuration was read, or a credential
    (GatewayError, Code.INTERNAL),
    (asyncio.TimeoutError, Code.UNAVAILABLE),
    (PermissionError, Code.NO_PERMISSION),
    (FileNotFoundError, Code.CONFIG),  # files that the command line names are looked for earlier
    (OSError, Code.UNAVAILABLE),  # a port in use, a disk in trouble
)


_OF_COMMANDS = ("--config", "--json", "--addresses", "--limit")  # what most commands take, and no group
_WHO_MAY = "run it as root, or as the gateway's user: sudo -u mssgw mssgw ..."
_WHAT_LETS_IT = (
    "the gateway's user may not read it, and the service could not either: give it to the service with LoadCredential= "
    'in its unit and name it "credential:NAME" in the configuration (commands find it while the service runs), or let '
    "that user read it: chgrp mssgw FILE, chmod 0440 FILE"
)


def code_and_lines(error: BaseException) -> tuple[Code, list[str]]:
    """The exit code of an error and the lines that say it; never a value that may be personal."""
    match error:
        case Failure():
            return error.code, [scrub(error.message)]
        case click.UsageError():
            return Code.USAGE, [_usage(error)]
        case click.ClickException():
            return Code.DATA, [scrub(error.format_message())]
        case click.Abort() | KeyboardInterrupt():
            return Code.INTERRUPTED, ["interrupted"]
    if type(error).__name__ == "UnusableKey":  # edges/vault.py, without importing cryptography
        if isinstance(error.__cause__, PermissionError):
            return Code.NO_PERMISSION, [scrub(str(error)), _advice()]
        return Code.CONFIG, [scrub(str(error))]
    if isinstance(problems := getattr(error, "problems", None), tuple):  # ConfigErrors, without importing pydantic
        return of_the_configuration([str(problem) for problem in problems])
    if isinstance(error.__cause__, PermissionError) and isinstance(error, StoreUnavailable):
        return Code.NO_PERMISSION, [_line(error), _ours(error.__cause__.filename) or _WHO_MAY]
    if isinstance(error, PermissionError) and error.filename and is_the_gateways_user():
        return Code.NO_PERMISSION, [_line(error), _ours(error.filename) or _WHAT_LETS_IT]
    code = next((code for kind, code in _BY_KIND if isinstance(error, kind)), Code.INTERNAL)
    return code, [_line(error)]


def of_the_configuration(lines: list[str]) -> tuple[Code, list[str]]:
    """What is wrong with the file; or it is only that another user types than the one who may read it."""
    if all("cannot be read: Permission denied" in line for line in lines):
        name, _, rest = lines[0].partition(": cannot be read: Permission denied")
        if not rest and is_the_gateways_user():  # the file itself, none that it names
            let = f"chgrp {SERVICE_USER} {name}, chmod 0640 {name}"
            return Code.NO_PERMISSION, [*lines, f"the gateway's user must be able to read its configuration: {let}"]
        return Code.NO_PERMISSION, [*lines, _advice()]
    return Code.CONFIG, lines


def _advice() -> str:
    """What to do about a file that may not be read; who is the gateway's user already need not become it."""
    return _WHAT_LETS_IT if is_the_gateways_user() else _WHO_MAY


def _ours(path: str | None) -> str:
    """What to do about a file that somebody, root as a rule, left in a folder of the gateway's; "" for others."""
    if path is None or not is_the_gateways_user():
        return ""
    folder = next((each for each in Path(path).parents if _is_mine(each)), None)
    return f"somebody else left it there, root perhaps: chown -R {SERVICE_USER}: {folder}" if folder else ""


def _is_mine(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _usage(error: click.UsageError) -> str:
    """What was wrong with the words of the command line, and where its help is. click repeats what was typed.

    With an example where a word is missing, but none with an INS.
    """
    message = scrub(error.format_message().replace("\n", " "))
    if error.ctx is None:
        return message
    path = error.ctx.command_path
    if isinstance(error, click.MissingParameter) and (example := _example(error.ctx)):
        message = f"{message.rstrip('.')}, as in `{example}`"
    in_group = isinstance(error.ctx.command, click.Group)
    if in_group and isinstance(error, click.NoSuchOption) and error.option_name in _OF_COMMANDS:
        message = f"{message.rstrip('.')} here: it goes after the command, `{path} COMMAND ... {error.option_name}`"
    return f"{path.removeprefix('mssgw').lstrip() or 'command line'}: {message} (see `{path} --help`)"


def _example(context: click.Context) -> str:
    """The first one of the command's help that may be shown."""
    command = f"mssgw {context.command_path.partition(' ')[2]} "
    lines = map(str.strip, (context.command.help or "").splitlines())
    return next((line for line in lines if line.startswith(command) and scrub(line) == line), "")


def _line(error: BaseException) -> str:
    match error:
        case GatewayError():
            return scrub(str(error))
        case TimeoutError():
            return "the store did not answer in time"
        case OSError(errno=None):  # of our own making: a credential that only the service has
            return scrub(str(error))
        case OSError(errno=errno.EADDRINUSE):
            return f"{scrub(str(error.strerror))}: `ss -ltnp` tells who listens there"
        case OSError(errno=errno.EADDRNOTAVAIL):
            return f"{scrub(str(error.strerror))}: no address of this machine: `ip addr` lists them"
        case OSError(errno=errno.EACCES, filename=None) if "to bind" in str(error.strerror):
            return f"{scrub(str(error.strerror))}: ports below 1024 are opened by mssgw.socket, or by root"
        case OSError():
            return scrub(": ".join(str(part) for part in (error.filename, error.strerror) if part))
        case _:  # the text of an unforeseen exception may hold anything
            return f"internal error ({type(error).__name__}); run again with `mssgw --debug` to see where"
