"""The last good white list on disk: ``state_dir/trust``, shared by the worker processes and commands of a node.

``white-list.json`` says which file is the list and when it was verified; it is renamed into place after that file, so
that a crash leaves the old pair or the new one. Nothing here is believed: the reader verifies the signature again.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.trust_folder import TrustFolder, failures
from mssgw.ports.white_list import Kept

_NOTE, _TURN, _TRIED = "white-list.json", "turn", "tried"
_TRIES = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

T = TypeVar("T")


class TrustFiles:
    """The Shelf port."""

    def __init__(self, directory: Path, *, make: bool = True) -> None:
        """``make`` False: only to read; nothing is there where there is no directory. Raises StoreUnavailable."""
        self._folder, self._directory = TrustFolder(directory), directory
        if make:
            with failures():
                self._folder.make()

    async def version(self) -> str:
        return await self._in_thread(self._version)

    async def read(self) -> Kept | None:
        return await self._in_thread(self._read)

    async def keep(self, kept: Kept) -> None:
        await self._in_thread(self._keep, kept)

    async def tried_at(self) -> datetime | None:
        return await self._in_thread(self._tried_at)

    async def mark_tried(self, at: datetime) -> None:
        await self._in_thread(self._mark_tried, at)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        with failures():
            descriptor = self._folder.lock(_TURN)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        with failures():
            return await asyncio.to_thread(call, *arguments)

    def _version(self) -> str:
        try:
            status = os.stat(self._directory / _NOTE)
        except FileNotFoundError:
            return ""
        return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"

    def _read(self) -> Kept | None:
        """Another process may replace the list between the note and the file: then the note is another one too."""
        for _ in range(_TRIES):
            version, kept = self._version(), self._read_once()
            if kept is None or kept.file or self._version() == version:
                break
        return kept

    def _read_once(self) -> Kept | None:
        try:
            note = json.loads((self._directory / _NOTE).read_bytes())
            fingerprint = str(note["fingerprint"])
            moments = [datetime.fromisoformat(note[key]).astimezone(UTC) for key in ("generated_at", "verified_at")]
            path = self._file(fingerprint)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OverflowError):
            raise StoreUnavailable(f"{self._directory / _NOTE} was changed: remove it") from None
        try:
            file = path.read_bytes()
        except FileNotFoundError:
            file = b""  # no list, but we still know how old the next one may not be
        return Kept(file=file, fingerprint=fingerprint, generated_at=moments[0], verified_at=moments[1])

    def _keep(self, kept: Kept) -> None:
        path = self._file(kept.fingerprint)
        if not path.exists() or path.read_bytes() != kept.file:
            self._folder.put(path.name, kept.file)
        times = {"generated_at": kept.generated_at.isoformat(), "verified_at": kept.verified_at.isoformat()}
        self._folder.put(_NOTE, json.dumps({"fingerprint": kept.fingerprint, **times}).encode())
        for old in self._directory.glob("white-list-*.xml"):
            if old != path:
                with contextlib.suppress(FileNotFoundError):
                    old.unlink()

    def _file(self, fingerprint: str) -> Path:
        if len(fingerprint) != 64 or not set(fingerprint) <= set("0123456789abcdef"):  # it becomes a file name
            raise ValueError("a fingerprint is 64 hexadecimal digits")
        return self._directory / f"white-list-{fingerprint[:32]}.xml"

    def _tried_at(self) -> datetime | None:
        try:
            return _EPOCH + timedelta(microseconds=os.stat(self._directory / _TRIED).st_mtime_ns // 1000)
        except FileNotFoundError:
            return None

    def _mark_tried(self, at: datetime) -> None:
        moment = (at - _EPOCH) // _MICROSECOND * 1000
        descriptor = os.open(self._directory / _TRIED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.utime(descriptor, ns=(moment, moment))
        finally:
            os.close(descriptor)
