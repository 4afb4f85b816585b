"""The revocation lists on disk: ``state_dir/trust``, one DER file for each issuer, shared by the workers of a node.

Nothing here is believed: whoever reads a file verifies its signature again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.crl_reading import Crl
from mssgw.edges.trust_folder import TrustFolder, failures

_LOCK, _NOTES = "crl.lock", "crl.json"


class CrlFiles:
    """Its methods block: they are for threads, one at a time."""

    def __init__(self, directory: Path) -> None:
        """The directory is made (0700) when it is first needed."""
        self._folder, self._directory = TrustFolder(directory), directory
        self._seen: dict[Path, tuple[int, ...]] = {}
        self._lock: int | None = None

    def changed(self) -> Iterator[tuple[Path, bytes | StoreUnavailable]]:
        """The files that are new, or were replaced since this was last asked; what is wrong with one, each time.

        Raises StoreUnavailable.
        """
        with failures():
            paths = sorted(self._directory.glob("crl-*.der"))
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
        path = self._directory / f"crl-{crl.issuer[:32]}.der"
        if not _holds(path, crl.der):
            self._put(path.name, crl.der, durable=True)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Leave word of how fetching goes, for ``status`` in other processes. Raises StoreUnavailable, StoreFull."""
        self._put(_NOTES, json.dumps(notes).encode(), durable=False)

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
        if self._lock is None:
            with failures():
                self._folder.make()
                self._lock = self._folder.lock(_LOCK)
        return self._lock is not None

    @property
    def is_the_one(self) -> bool:
        """Whether this process fetches now."""
        return self._lock is not None

    def leave(self) -> None:
        """Let another process fetch."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _put(self, name: str, content: bytes, *, durable: bool) -> None:
        with failures():
            self._folder.make()
            self._folder.put(name, content, durable=durable)


def _holds(path: Path, content: bytes) -> bool:
    """False also where somebody else's file stands in its place, that we cannot read but replace."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False
