"""What [store] must hold, and where its state lies. Run like the other checks: see checks.py."""

import os
import re
import stat
from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

from mssgw.app.config.files import readable
from mssgw.app.config.model import Gateway, StoreSettings
from mssgw.app.config.problems import Complaint, Found
from mssgw.edges.vault import UnusableKey, read_master_key

# As SQLAlchemy takes a URL to pieces: before the host a password goes on to the @, slashes and all.
_WITH_PASSWORD = re.compile(r"[^:/]+://[^:/]*:[^@]*@|[^?]*\?(?:.*&)?password=")


def the_state_directory_can_be_made(gateway: Gateway) -> Found:
    """A first start makes it, and no folder above it."""
    at, folder = ("gateway", "state_dir"), gateway.state_dir
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            yield Complaint(at, f"is not a folder: {folder}")
    except FileNotFoundError:
        if folder.is_symlink():
            yield Complaint(at, f"cannot be made: a link that leads nowhere is there ({folder})")
        elif not folder.parent.exists():
            yield Complaint(at, f"cannot be made: no such folder: {folder.parent}")
    except PermissionError as error:
        yield Complaint(at, f"cannot be read: {error.strerror} ({folder})")
    except OSError as error:
        yield Complaint(at, f"cannot be made: {error.strerror} ({folder})")


def the_database_is_known(store: StoreSettings) -> Found:
    if store.url.startswith("postgresql"):
        yield from _postgres(store.url)
    elif not store.url.startswith("sqlite:///"):
        message = 'expected "sqlite:///{state_dir}/mssgw.db" or "postgresql+psycopg://user@host/database"'
        yield Complaint(("store", "url"), message)


def holds_password(url: str) -> bool:
    """Whether a URL of PostgreSQL has one, before the host or in the query."""
    return _WITH_PASSWORD.match(url) is not None


def _postgres(url: str) -> Found:
    expected = 'expected "postgresql+psycopg://user@host/database"'
    if holds_password(url):
        message = 'expected no password here: put it in a file, and password_file = "credential:database-password"'
        yield Complaint(("store", "url"), message)
        return
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("postgresql", "postgresql+psycopg") and parts.port != 0
    except ValueError:  # brackets, or a port that is no number: of several hosts each has its own in ?host=
        known = False
    if not known or not parts.path.strip("/"):
        yield Complaint(("store", "url"), expected)
    elif find_spec("psycopg") is None:
        yield Complaint(("store", "url"), "PostgreSQL needs the extra: pip install mssgw[postgres]")


def the_database_password_exists(store: StoreSettings) -> Found:
    yield from readable(("store", "password_file"), store.password_file)


def master_key_exists(store: StoreSettings, gateway: Gateway) -> Found:
    """A key that is missed is no reason to make another: the letters at rest open with the old one only."""
    at, file = ("store", "master_key_file"), store.master_key_file
    if file is None or file.path is None:
        return
    try:
        with file.path.open("rb") as opened:
            open_to_all = bool(os.fstat(opened.fileno()).st_mode & stat.S_IRWXO)
        if not open_to_all:
            read_master_key(file.path)
    except FileNotFoundError:
        database = store.url.removeprefix("sqlite:///").replace("{state_dir}", str(gateway.state_dir))
        new = "" if os.path.exists(database) else f", or for a new store: mssgw key new {file.path}"
        yield Complaint(at, f"No such file: {file.path}; give back the key that this store was made with{new}")
    except OSError as error:
        yield Complaint(at, f"cannot be read: {error.strerror} ({file.path})")
    except UnusableKey as error:
        yield Complaint(at, str(error))
    else:
        if open_to_all:  # as edges/vault.py will say
            yield Complaint(at, f"every user of the machine may use it: chmod 0400 {file.path}")


STORE_CHECKS: tuple[Callable[..., Found], ...] = (
    the_state_directory_can_be_made,
    the_database_is_known,
    the_database_password_exists,
    master_key_exists,
)
