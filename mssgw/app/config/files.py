"""Files that the configuration names: why they cannot be used, and the passwords in them."""

import errno
from pathlib import Path

from mssgw.app.config import lines
from mssgw.app.config.places import SecretFile
from mssgw.app.config.problems import Complaint, Found
from mssgw.edges.tls import TlsMisconfigured, client_context


def readable(at: lines.Path, file: SecretFile | None) -> Found:
    """A credential is out of sight outside its service: no error then."""
    if file is not None and file.path is not None:
        yield from path_readable(at, file.path)


def authorities(at: lines.Path, file: SecretFile | None) -> Found:
    """Why nobody could be verified by it: it cannot be read, or holds no PEM certificate."""
    unreadable = list(readable(at, file))
    yield from unreadable
    if unreadable or file is None or file.path is None:
        return
    try:
        client_context(ca_file=file.path, public=False)
    except TlsMisconfigured as error:
        yield Complaint(at, str(error))


def path_readable(at: lines.Path, path: Path) -> Found:
    """Why this user cannot read it."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        yield Complaint(at, f"cannot be read: {error.strerror} ({path})")


def password(file: SecretFile | None) -> str | None:
    """The first line of a password file. Raises OSError."""
    if file is None:
        return None
    path = file.require()
    try:
        return path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:  # nor does its text reach a log: it quotes what it could not read
        raise OSError(errno.EINVAL, "not UTF-8 text", str(path)) from None
