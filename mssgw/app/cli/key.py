"""``mssgw key``: the master key that wraps the data key of every letter."""

import os
import secrets
from pathlib import Path

import click

from mssgw.app.cli.exits import Code, Failure, no
from mssgw.app.cli.opening import at_the_office, owner_only
from mssgw.app.office import Office

KEY_LENGTH = 32  # octets, as they are: AES-256


@click.group()
def key() -> None:
    """The master key under which letters rest."""


@key.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> None:
    """Make a new master key: 32 random octets in a file that only its owner can read.

    An existing file is never overwritten: without its key the store cannot be read any more. Give the file to the
    user of the daemon, or to systemd as the credential `master-key`.

    \b
    Example:
      install -d -m 0700 /etc/mssgw/secrets
      mssgw key new /etc/mssgw/secrets/master.key
    """
    try:
        owner_only(file, secrets.token_bytes(KEY_LENGTH))
    except FileExistsError:
        raise no(f"key new: {file} exists; a key is never overwritten") from None
    except FileNotFoundError:
        raise Failure(
            Code.DATA, f"key new: no such folder: {file.parent}; make it first: install -d -m 0700 {file.parent}"
        ) from None
    click.echo(f"{file}: new master key, mode 0600")


@key.command()
@click.option(
    "--new",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    help="The file made by `key new`, or credential:NAME.",
)
@at_the_office(alone=True, limit=None)
async def rotate(office: Office, file: Path) -> None:
    """Wrap every data key anew under another master key, in one transaction. Letters are not touched.

    The daemon keeps its master key in memory, and would go on wrapping under the old one: stop it first. While it
    runs, or another command has the store open, this one does nothing and exits with 69; its sockets must be stopped
    too, or the next connection starts it again. It needs both keys: the old
    one where the configuration says, the new one from --new. Where keys are systemd credentials, let systemd-run pass
    both, as in the second example.

    \b
    Examples:
      mssgw key rotate --new master.key.new
    \b
      systemctl stop 'mssgw*.socket' mssgw.service
      systemd-run --wait --pipe -p User=mssgw \\
        -p LoadCredential=master-key:/etc/mssgw/secrets/master.key \\
        -p LoadCredential=new-key:/etc/mssgw/secrets/master.key.new \\
        mssgw key rotate --new credential:new-key &&
      mv /etc/mssgw/secrets/master.key "/etc/mssgw/secrets/master.key.$(date +%Y%m%d-%H%M%S)" &&
      mv /etc/mssgw/secrets/master.key.new /etc/mssgw/secrets/master.key
      systemctl is-enabled -q mssgw-patients.socket && systemctl start mssgw-patients.socket
      systemctl start mssgw.socket mssgw-establishment.socket mssgw.service
    """
    rewrapped = await office.desk.rotate(read_key(file))
    click.echo(f"{rewrapped} data key{'s' if rewrapped != 1 else ''} wrapped under {file}")
    click.echo("From now on the store opens with that key only: put it where the configuration expects the master key,")
    click.echo("then start the daemon. Keep the old key as long as you keep backups that were made under it.")


def read_key(file: Path) -> bytes:
    """The key in a file, or in a systemd credential. Raises Failure when it is no key, or one that all may read."""
    from mssgw.edges.vault import UnusableKey, read_master_key  # cryptography is not for --help

    scheme, _, credential = str(file).partition(":")
    if scheme == "credential":
        file = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / credential
    try:
        return read_master_key(file)
    except UnusableKey as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise Failure(Code.DATA, str(error)) from None
        if scheme == "credential":
            unseen = f"credential:{credential} is not seen here: systemd-run has to pass it, as in `key rotate --help`"
            raise Failure(Code.DATA, unseen) from None
        raise Failure(Code.DATA, f"{error}; `mssgw key new {file}` makes one") from None
