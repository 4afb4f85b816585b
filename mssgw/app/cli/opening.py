"""How a command gets at its configuration and at the store, and how its coroutine runs."""

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from mssgw.app.cli.people import operator
from mssgw.app.office import Office, Opener

if TYPE_CHECKING:
    from mssgw.app.config import Config
    from mssgw.app.trust_desk import TrustDesk

DEFAULT_CONFIG = Path("/etc/mssgw/mssgw.toml")
CREDENTIALS = Path("/run/credentials/mssgw.service")
SERVICE_USER = "mssgw"  # systemd/sysusers.conf
LIMIT = 120.0  # seconds: no command of an operator should hang for ever on a store

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


def open_office(
    config_path: Path, alone: bool, *, keyless: bool = False, founds: bool = False
) -> AbstractAsyncContextManager[Office]:
    """The real opener: what the configuration file describes. ``founds``: makes the store where there is none."""
    from mssgw.app import backoffice  # it pulls in the database: not for --help

    return backoffice.office(configured(config_path, keyless=keyless), alone=alone, founds=founds)


def configured(config_path: Path, *, keyless: bool = False) -> "Config":
    """Read the configuration, and go on as the gateway's user. ``keyless``: see config.load. Raises ConfigErrors."""
    read = read_configuration(config_path, keyless=keyless)
    become_owner(read.gateway.state_dir)
    return read


def read_configuration(config_path: Path, *, keyless: bool = False) -> "Config":
    """The configuration alone, for commands that write nothing there: they stay who they are. Raises ConfigErrors."""
    from mssgw.app import config

    if CREDENTIALS.is_dir():
        # Beside the running service, commands find the master key where systemd keeps it for the service.
        os.environ.setdefault("CREDENTIALS_DIRECTORY", str(CREDENTIALS))
    return config.load(config_path, keyless=keyless, by_hand=True)


def become_owner(state_dir: Path) -> None:
    """As root, go on as the user whom the store belongs to: root's files there are closed to the daemon.

    Postfix's and Exim's own commands do the same. The journal still names who typed.
    """
    if os.geteuid() != 0 or not state_dir.exists():
        return
    owner = state_dir.stat().st_uid
    if owner == 0:
        return
    os.environ["SUDO_USER"] = operator()
    account = pwd.getpwuid(owner)
    os.environ["HOME"] = account.pw_dir  # libpq looks for certificates there, and may not even look into root's
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(owner)
    _went_on_as_owner.append(account.pw_name)


_went_on_as_owner: list[str] = []


def is_the_gateways_user() -> bool:
    """Whether the command runs as the user of the service: then being somebody else opens no more files."""
    try:
        return bool(_went_on_as_owner) or pwd.getpwuid(os.geteuid()).pw_name == SERVICE_USER
    except KeyError:
        return False


def config_option(command: F) -> F:
    """``--config FILE``, else $MSSGW_CONFIG, else /etc/mssgw/mssgw.toml."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(dir_okay=False, readable=False, path_type=Path),
        default=DEFAULT_CONFIG,
        envvar="MSSGW_CONFIG",
        show_default=True,
        show_envvar=True,
        help="The configuration file.",
    )(command)


def json_option(command: F) -> F:
    """``--json``: one JSON object a line."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON lines, for machines.")(command)


def addresses_option(command: F) -> F:
    """``--addresses``: listings mask patients unless it is given."""
    return click.option("--addresses", "full", is_flag=True, help="Print addresses of patients in full.")(command)


def at_the_office(
    *, alone: bool = False, limit: float | None = LIMIT, keyless: bool = False, founds: bool = False
) -> Callable[[Callable[Concatenate[Office, P], Awaitable[None]]], Callable[..., None]]:
    """Make a command of a coroutine that takes an open Office first; adds ``--config``.

    ``alone``: nobody else may have the store open. ``limit``: seconds for the whole command, None for a command
    that bounds its own steps. ``keyless``: it only reads, and needs no key of [trust].
    ``founds``: it prepares a first start, and makes the store where there is none.
    """

    def wrap(coroutine: Callable[Concatenate[Office, P], Awaitable[None]]) -> Callable[..., None]:
        @click.pass_context
        def command(context: click.Context, /, config_path: Path, *args: P.args, **kwargs: P.kwargs) -> None:
            opener: Opener = context.obj or partial(open_office, keyless=keyless, founds=founds)

            async def run() -> None:
                async with asyncio.timeout(limit), opener(config_path, alone) as office:
                    await coroutine(office, *args, **kwargs)

            asyncio.run(run())

        return config_option(update_wrapper(command, coroutine))

    return wrap


def at_the_trust(
    *, keyless: bool = False
) -> Callable[[Callable[Concatenate["TrustDesk", P], Awaitable[None]]], Callable[..., None]]:
    """Make a command of a coroutine that takes a TrustDesk first; adds ``--config``. It needs no store.

    ``keyless``: nor the key of [trust].
    """

    def wrap(coroutine: Callable[Concatenate["TrustDesk", P], Awaitable[None]]) -> Callable[..., None]:
        def command(config_path: Path, *args: P.args, **kwargs: P.kwargs) -> None:
            from mssgw.app.trust_desk import trust_desk
            from mssgw.edges.clock import SystemClock

            async def run() -> None:
                async with asyncio.timeout(LIMIT):
                    config = configured(config_path, keyless=keyless)
                    await coroutine(await trust_desk(config, SystemClock()), *args, **kwargs)

            asyncio.run(run())

        return config_option(update_wrapper(command, coroutine))

    return wrap


def owner_only(path: Path, content: bytes) -> None:
    """Create a file that its owner alone can read, durably. Raises FileExistsError: a key is never overwritten."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
