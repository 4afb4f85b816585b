"""Files that the configuration names, as far as they can be looked at without opening anything for good."""

from collections.abc import Iterator
from pathlib import Path

from mssgw.app.config import lines
from mssgw.app.config.problems import Complaint
from mssgw.app.config.values import SecretFile


def readable(at: lines.Path, file: SecretFile | None) -> Iterator[Complaint]:
    """A credential is out of sight outside its service: no error then."""
    if file is not None and file.path is not None:
        yield from path_readable(at, file.path)


def path_readable(at: lines.Path, path: Path) -> Iterator[Complaint]:
    """Why this user cannot read it."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        yield Complaint(at, f"cannot be read: {error.strerror} ({path})")
