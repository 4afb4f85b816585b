"""The installed pack on disk, ``state_dir/cda``: shared by the validators and commands of a node.

``current.json`` says which pack is in force; it is renamed into place after the pack's own folder, which is called by
its digest, is whole and synced. So a crash leaves the old pack or the new one, and whoever reads sees one of them.
"""

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from mssgw.core.errors import StoreBusy, StoreFull, StoreUnavailable
from mssgw.edges.full_disk import is_full
from mssgw.edges.spool_disk import sync_directory
from mssgw.formats.cda.pack import DamagedPack, Label, Pack

FOLDER = "cda"  # below state_dir

_LABEL, _TURN = "current.json", "turn"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OURS = re.compile(r"[0-9a-f]{64}(?:\.[0-9]+\.new)?")
_TRIES = 5


class PackFiles:
    """Everything here blocks for some milliseconds, ``install`` as long as the disk takes. Folder 0700, files 0600."""

    def __init__(self, state_dir: Path) -> None:
        """Nothing is made before something is installed."""
        self._folder = state_dir / FOLDER
        self._label = os.fspath(self._folder / _LABEL)  # each letter looks at it twice

    def version(self) -> str:
        """Changes whenever another pack is installed or removed; "" without one. Raises StoreUnavailable."""
        try:
            status = os.stat(self._label)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            raise _failure(error) from error
        return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"

    def label(self) -> Label | None:
        """What is in force; None: no pack. Raises StoreUnavailable, DamagedPack."""
        try:
            note = json.loads((self._folder / _LABEL).read_bytes())
            label = Label(
                digest=note["digest"],
                installed_at=datetime.fromisoformat(note["installed_at"]).astimezone(UTC),
                source=str(note["source"]),
                schema=str(note["schema"]),
                missing=tuple(map(str, note["missing"])),
                unreadable=tuple(map(str, note["unreadable"])),
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failure(error) from error
        except (ValueError, KeyError, TypeError, OverflowError):
            raise DamagedPack from None
        if not isinstance(label.digest, str) or not _DIGEST.fullmatch(label.digest):
            raise DamagedPack
        return label

    def read(self) -> Pack | None:
        """The pack in force, as it was when it was installed; None: there is none.

        Raises StoreUnavailable, DamagedPack.

        Another process may replace it between the label and the files: then the label is another one too.
        """
        for _ in range(_TRIES):
            if (label := self.label()) is None:
                return None
            pack = Pack(self._content(label.digest))
            if pack.digest == label.digest:
                return pack
            if self.label() == label:
                raise DamagedPack
        raise StoreUnavailable("packs are replaced faster than they can be read")

    def install(self, pack: Pack, label: Label) -> None:
        """Put it in force, durably; until then, and if anything fails, the one before is. Raises StoreUnavailable."""
        with self._turn():
            self._write_pack(self._folder / label.digest, pack)
            note = {**asdict(label), "installed_at": label.installed_at.isoformat()}
            partial = self._folder / f"{_LABEL}.new"
            _write(partial, json.dumps(note).encode())
            partial.replace(self._folder / _LABEL)
            sync_directory(self._folder)
            self._clear(label.digest)

    def remove(self) -> bool:
        """Leave no pack in force; whether there was one. Raises StoreUnavailable."""
        if not self.version():
            return False
        with self._turn():
            (self._folder / _LABEL).unlink(missing_ok=True)
            sync_directory(self._folder)
            self._clear("")
        return True

    def _content(self, digest: str) -> Mapping[str, bytes]:
        try:
            return {path.name: path.read_bytes() for path in sorted((self._folder / digest).iterdir())}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _failure(error) from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One who writes at a time, and every trouble with the disk by its name."""
        try:
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._folder / _TURN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
            finally:
                os.close(descriptor)
        except BlockingIOError:
            raise StoreBusy("another pack is being installed") from None
        except OSError as error:
            raise _failure(error) from error

    def _write_pack(self, folder: Path, pack: Pack) -> None:
        if self._content(folder.name) == pack.files:
            return
        partial = folder.with_name(f"{folder.name}.{os.getpid()}.new")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        for name, content in pack.files.items():
            _write(partial / name, content)
        sync_directory(partial)
        shutil.rmtree(folder, ignore_errors=True)  # of that name, but not what it was: nobody can read it
        partial.rename(folder)
        sync_directory(self._folder)

    def _clear(self, kept: str) -> None:
        """Other packs, and what a crash left half-written; if that fails, the next installation tries again."""
        for path in self._folder.iterdir():
            if path.name != kept and _OURS.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _failure(error: OSError) -> StoreUnavailable:
    if is_full(error):
        return StoreFull("the disk of the pack folder is full")
    return StoreUnavailable(f"the pack folder failed: {errno.errorcode.get(error.errno or 0, type(error).__name__)}")
