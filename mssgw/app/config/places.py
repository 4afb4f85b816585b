"""Where something is, as a setting names it: files, folders, credentials and URLs. See values.py for all others.

What a name means depends on the context that the loader gives: ``base``, the folder of the configuration file, and
``by_hand``, whether a command reads it outside the service.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file named in the configuration, or a systemd credential as ``credential:NAME``.

    ``path`` is None for a credential while systemd gives none: ``mssgw check`` run by hand.
    """

    named: str
    path: Path | None

    @property
    def credential(self) -> bool:
        return self.named.startswith("credential:")

    def require(self) -> Path:
        """The path. Raises FileNotFoundError for a credential outside the service."""
        if self.path is None:
            raise FileNotFoundError(f"{self.named} exists only inside the systemd service, from its next start on")
        return self.path


def directory(value: object, info: ValidationInfo) -> Path:
    """A folder; a relative one lies beside the configuration file."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError('expected a folder such as "/var/lib/mssgw"')
    return _base(info) / value


def secret_file(value: object, info: ValidationInfo) -> SecretFile:
    """A file, or ``credential:NAME`` for a file in $CREDENTIALS_DIRECTORY; a relative one lies beside the
    configuration file."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError('expected a file, or a systemd credential such as "credential:tls-key"')
    scheme, colon, credential = value.partition(":")
    if scheme != "credential" or not colon:
        return SecretFile(value, _base(info) / value)
    if not _CREDENTIAL.fullmatch(credential):
        raise ValueError('expected the name of a systemd credential, such as "credential:tls-key"')
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(given) / credential if given else None
    by_hand = info.context is not None and info.context.get("by_hand")
    return SecretFile(value, None if path is not None and by_hand and _is_absent(path) else path)


def source(value: object, info: ValidationInfo) -> str:
    """A URL as it stands, or the path of a file; a relative one lies beside the configuration file."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError('expected a file, or a URL such as "https://espacedeconfiance.mssante.fr/liste.xml"')
    scheme, colon, _ = value.partition("://")
    return value if colon and scheme.isalpha() else str(_base(info) / value)


def _is_absent(path: Path) -> bool:
    """Not there; one that may not be looked at is not absent."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _base(info: ValidationInfo) -> Path:
    context: Any = info.context or {}
    base = context.get("base", Path())
    return base if isinstance(base, Path) else Path()


Directory = Annotated[Path, PlainValidator(directory)]
File = Annotated[SecretFile, PlainValidator(secret_file)]
Source = Annotated[str, PlainValidator(source)]
