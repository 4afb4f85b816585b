"""Large message bodies as encrypted files, written while DATA runs.

A file is a row of segments of 256 KiB, each AES-256-GCM under the data key of its message, bound to its index and to
whether it is the last: a segment that was changed, moved or cut off does not decrypt. Encrypting one takes 30 µs and
stays on the loop; opening, writing and syncing is done in threads.
"""

import asyncio
import contextlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.metering import UNMETERED
from mssgw.edges.spool_disk import SEGMENT, SpoolFile, failure, open_whole, read_segments
from mssgw.edges.spool_folders import SpoolFolders
from mssgw.edges.spool_garbage import Stamp, Suspects
from mssgw.edges.spool_memory import Arrivals, HotSegments, MemoryBudget
from mssgw.edges.spool_threads import DiskThreads
from mssgw.edges.vault import KEY_SIZE, MessageCipher
from mssgw.ports import INLINE_LIMIT, Body, Meter, Store

_AT_ONCE = 4  # segments that a thread reads at once
_THREADS = 8  # fsyncs that may wait for the disk together
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

T = TypeVar("T")


class SpoolFiles(Arrivals):
    """The Spool port under ``directory``, which found_spool made: ``xx/ID``, directories 0700, files 0600.

    ``hot_budget``: octets that hot copies of large bodies may take together. ``meter`` hears whether bodies can be kept
    and read. ``clock``: see Suspects.
    """

    def __init__(
        self,
        directory: Path,
        *,
        hot_budget: int | MemoryBudget = 32 * 1024 * 1024,
        meter: Meter = UNMETERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises StoreUnavailable where there is no spool."""
        self._directory, self._meter = directory, meter
        self._folders = SpoolFolders(directory)
        self._budget = MemoryBudget(hot_budget) if isinstance(hot_budget, int) else hot_budget
        self._suspects = Suspects(clock)
        self._threads = DiskThreads(_THREADS, "mssgw-spool")

    def create(self, spool_id: str) -> "FileSink":
        return FileSink(self, _as_name(spool_id), self._budget)

    def segments(self, spool_id: str) -> SpoolFile:
        return SpoolFile(self._path(spool_id), self._folders.restore, self._folders.check, self._meter)

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        if (held := body.at_hand) is not None:
            for segment in held:
                yield segment
        else:
            async for segment in self._read_file(body):
                yield segment

    async def remove(self, *spool_ids: str) -> None:
        await self.in_thread(_unlink, [self._path(spool_id) for spool_id in spool_ids])

    async def sweep(self, known: Store, *, older_than: float) -> int:
        """Nothing goes that a sweep of this process, ``older_than`` seconds ago, did not find just so."""
        old = await self.in_thread(self._old_files, time.time() - older_than)
        return await self._suspects.remove(self, known, old, after=older_than)

    async def probe(self) -> None:
        """Make a file and forget it. Raises StoreFull or StoreUnavailable."""
        await self.in_thread(self._try)
        self._meter.count("body", "kept")

    def _try(self) -> None:
        self._folders.restore()
        tempfile.TemporaryFile(dir=self._path("probe").parent).close()

    async def close(self) -> None:
        """End the threads, after what they are at."""
        await self._threads.close()
        self._folders.close()

    async def in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run a file operation. Raises StoreFull or StoreUnavailable, and GatewayErrors of its own as they are."""
        try:
            return await self._threads.run(call, *arguments)
        except OSError as error:
            raise failure(error, self._directory) from None

    def _path(self, spool_id: str) -> Path:
        return self._folders.path(_as_name(spool_id))

    def _old_files(self, before: float) -> dict[str, Stamp]:
        found = {}
        for directory in os.scandir(self._directory):
            for file in os.scandir(directory) if directory.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    if _ID.fullmatch(file.name) and (status := file.stat()).st_mtime < before:
                        found[file.name] = status.st_mtime_ns, status.st_ino
        return found

    async def _read_file(self, body: Body) -> AsyncIterator[bytes]:
        cipher = MessageCipher(body.key, body.spool_id)
        count = -(-body.wire_size // SEGMENT)
        path = self._path(body.spool_id)
        try:
            file = await self.in_thread(open_whole, path, body.wire_size, count, self._folders.check)
        except StoreUnavailable:
            self._meter.count("body", "failed")
            raise
        with file:
            for start in range(0, count, _AT_ONCE):
                sealed = await self.in_thread(read_segments, file, start, min(_AT_ONCE, count - start))
                for index, segment in enumerate(sealed, start):
                    yield cipher.unseal_segment(index, index == count - 1, segment)


def _as_name(spool_id: str) -> str:
    """It becomes a file name."""
    if not _ID.fullmatch(spool_id):
        raise ValueError("a spool id is made of letters, digits, - and _")
    return spool_id


def _unlink(paths: Sequence[Path]) -> None:
    """All that can be: one that the disk does not let go must not keep the others."""
    failed = None
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed


class SegmentSpool(Protocol):
    """Runs what blocks beside the event loop, and counts what comes in (spool_memory.Arrivals).

    ``segments``: a place for those of one body.
    """

    @property
    def batch(self) -> int: ...

    def arrived(self, change: int) -> None: ...

    async def in_thread(self, call: Callable[..., T], *arguments: Any) -> T: ...

    def segments(self, spool_id: str) -> "Segments": ...


class Segments(Protocol):
    """A place for the segments of one body; its methods block. See SpoolFile."""

    def append(self, sealed: Sequence[bytes]) -> None: ...

    def finish(self, sealed: Sequence[bytes]) -> None: ...

    def undo(self) -> None: ...


class FileSink:
    """One body on its way in. It gathers up to a MiB (less when many come in) before the first write; whether it goes
    into the row is decided at close().

    While one MiB is being written the next one fills; no more than that is in memory, besides the hot copy.
    """

    def __init__(self, spool: SegmentSpool, spool_id: str, budget: MemoryBudget) -> None:
        self._spool = spool
        self._id = spool_id
        self._budget = budget
        self._key = os.urandom(KEY_SIZE)
        self._into: tuple[MessageCipher, Segments] | None = None  # once there is a first segment
        self._buffer = bytearray()
        self._sealed: list[bytes] = []
        self._index = 0
        self._wire_size = 0
        self._writing: asyncio.Task[None] | None = None
        self._hot: list[bytes] | None = []
        self._reserved = 0
        self._closed = self._arriving = False

    async def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        self._wire_size += len(chunk)
        # One octet more than a segment must be there: only close() knows the last one, which is sealed as such.
        while len(self._buffer) > SEGMENT:
            segment = bytes(memoryview(self._buffer)[:SEGMENT])
            del self._buffer[:SEGMENT]
            cipher, place = self._into or self._begin()
            self._seal(cipher, segment, last=False)
            if len(self._sealed) >= self._spool.batch:
                await self._written()
                sealed, self._sealed = self._sealed, []
                self._writing = asyncio.create_task(self._spool.in_thread(place.append, sealed))

    async def close(self, *, size: int) -> Body:
        content, self._buffer = bytes(self._buffer), bytearray()
        hot = inline = None
        if self._wire_size <= INLINE_LIMIT:
            inline = content
        else:
            cipher, place = self._into or self._begin()
            self._seal(cipher, content, last=True)
            await self._written()
            await self._spool.in_thread(place.finish, self._sealed)
            hot = self._take_hot()
        self._ended()
        return Body(spool_id=self._id, key=self._key, size=size, wire_size=self._wire_size, inline=inline, hot=hot)

    async def discard(self) -> None:
        if self._closed:  # the file belongs to a Body now: remove() is for that
            return
        self._buffer.clear()
        self._sealed.clear()
        self._forget_hot()
        self._leave()
        with contextlib.suppress(Exception):
            await self._written()
        if self._into is not None:
            with contextlib.suppress(Exception):
                await self._spool.in_thread(self._into[1].undo)

    def _ended(self) -> None:
        self._closed = True
        self._leave()

    def _leave(self) -> None:
        if self._arriving:
            self._arriving = False
            self._spool.arrived(-1)

    def _begin(self) -> tuple[MessageCipher, Segments]:
        """With the first segment."""
        self._into = MessageCipher(self._key, self._id), self._spool.segments(self._id)
        self._arriving = True
        self._spool.arrived(1)
        return self._into

    def _seal(self, cipher: MessageCipher, segment: bytes, *, last: bool) -> None:
        self._keep_hot(segment)
        self._sealed.append(cipher.seal_segment(self._index, last, segment))
        self._index += 1

    async def _written(self) -> None:
        """Wait for what is being written. Raises what went wrong with it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def _keep_hot(self, segment: bytes) -> None:
        if self._hot is None:
            return
        if self._budget.take(len(segment)):
            self._hot.append(segment)
            self._reserved += len(segment)
        else:
            self._forget_hot()

    def _take_hot(self) -> tuple[bytes, ...] | None:
        """Hand the copy over, and with it the duty to give its octets back."""
        hot, size = self._hot, self._reserved
        self._hot, self._reserved = None, 0
        return None if hot is None else HotSegments.of(hot, self._budget, size)

    def _forget_hot(self) -> None:
        self._hot = None
        self._budget.give_back(self._reserved)
        self._reserved = 0
