"""The revocation lists on disk: ``state_dir/trust``, one DER file for each issuer, shared by the workers of a node.

Nothing here is believed: whoever reads a file verifies its signature again.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mssgw.core.errors import StoreFull, StoreUnavailable
from mssgw.edges.crl_reading import Crl, Issuer
from mssgw.edges.full_disk import is_full
from mssgw.edges.spool_disk import sync_directory

_LOCK, _NOTES = "crl.lock", "crl.json"


class CrlFiles:
    """Its methods block: they are for threads, one at a time."""

    def __init__(self, directory: Path) -> None:
        """The directory is made (0700) when it is first needed."""
        self._directory = directory
        self._seen: dict[Path, tuple[int, ...]] = {}
        self._lock: int | None = None

    def changed(self) -> Iterator[tuple[Path, bytes | StoreUnavailable]]:
        """The files that are new, or were replaced since this was last asked; what is wrong with one, each time.

        Raises StoreUnavailable.
        """
        try:
            paths = sorted(self._directory.glob("crl-*.der"))
        except OSError as error:
            raise _failure(error) from None
        for path in paths:
            try:
                if (content := self._read_if_changed(path)) is not None:
                    yield path, content
            except FileNotFoundError:
                pass  # removed meanwhile
            except OSError as error:  # the others are none the worse for it
                yield path, StoreUnavailable(f"{path}: {error.strerror or type(error).__name__}")

    def _read_if_changed(self, path: Path) -> bytes | None:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            identity = status.st_ino, status.st_size, status.st_mtime_ns
            if self._seen.get(path) == identity:
                return None
            content = file.read()
        self._seen[path] = identity
        return content

    def keep(self, crl: Crl) -> None:
        """Have it on disk, durably, in the place of the issuer's earlier one. Raises StoreUnavailable, StoreFull."""
        path = self._path(crl.issuer)
        try:
            if not _holds(path, crl.der):
                self._write(path, crl.der, durable=True)
        except OSError as error:
            raise _failure(error) from None

    def note(self, notes: Mapping[str, Any]) -> None:
        """Leave word of how fetching goes, for ``status`` in other processes. Raises StoreUnavailable, StoreFull."""
        try:
            self._write(self._directory / _NOTES, json.dumps(notes).encode(), durable=False)
        except OSError as error:
            raise _failure(error) from None

    def notes(self) -> Mapping[str, Any]:
        """What was noted last; empty when nothing was, or when it cannot be read."""
        try:
            found = json.loads((self._directory / _NOTES).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def be_the_one(self) -> bool:
        """Whether this process fetches for all of the node; once it does it stays so, until leave() or its end.

        Raises StoreUnavailable, StoreFull.
        """
        if self._lock is not None:
            return True
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _failure(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    @property
    def is_the_one(self) -> bool:
        """Whether this process fetches now."""
        return self._lock is not None

    def leave(self) -> None:
        """Let another process fetch."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _path(self, issuer: Issuer) -> Path:
        return self._directory / f"crl-{issuer[:32]}.der"

    def _write(self, path: Path, content: bytes, *, durable: bool) -> None:
        """Never half there under its name."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        if durable:
            sync_directory(self._directory)


def _holds(path: Path, content: bytes) -> bool:
    """False also where somebody else's file stands in its place, that we cannot read but replace."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _failure(error: OSError) -> StoreUnavailable:
    if is_full(error):
        return StoreFull("the disk of the trust folder is full")
    return StoreUnavailable(f"the trust folder failed: {error.strerror or type(error).__name__}")
