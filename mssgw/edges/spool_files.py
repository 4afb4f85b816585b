"""Large message bodies as encrypted files, written while DATA runs.

A file is a row of segments of 256 KiB, each AES-256-GCM under the data key of its message, bound to its index and to
whether it is the last: a segment that was changed, moved or cut off does not decrypt. Encrypting one takes 30 µs and
stays on the loop; opening, writing and syncing is done in threads.
"""

import asyncio
import contextlib
import errno
import os
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from mssgw.core.errors import Gone, StoreFull, StoreUnavailable, Undecryptable
from mssgw.edges.vault import KEY_SIZE, SEGMENT_OVERHEAD, MessageCipher
from mssgw.ports import INLINE_LIMIT, Body, Store

SEGMENT = 262_144
_AT_ONCE = 4  # segments that a thread writes or reads at once
_THREADS = 8  # fsyncs that may wait for the disk together
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

T = TypeVar("T")


class MemoryBudget:
    """Octets of large bodies that may be in memory besides the file, for all messages together."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def take(self, size: int) -> bool:
        """Reserve; False when it would be too much."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def give_back(self, size: int) -> None:
        self.left += size


class HotSegments(tuple[bytes, ...]):
    """The hot copy of a body. It gives its octets back to the budget when the last reference to it goes.

    So nobody has to remember: whoever drops the Body, or replaces it with ``hot=None``, frees the memory, and the
    accounting follows the memory itself.
    """

    budget: MemoryBudget | None = None
    size: int = 0

    @classmethod
    def of(cls, segments: Iterable[bytes], budget: MemoryBudget, size: int) -> "HotSegments":
        """``size`` was taken from the budget before."""
        hot = cls(segments)
        hot.budget, hot.size = budget, size
        return hot

    def __del__(self) -> None:
        if self.budget is not None:
            self.budget.give_back(self.size)


class SpoolFiles:
    """The Spool port under ``directory``: ``xx/ID``, directories 0700, files 0600.

    ``hot_budget``: octets that hot copies of large bodies may take together.
    """

    def __init__(self, directory: Path, *, hot_budget: int = 32 * 1024 * 1024) -> None:
        self._directory = directory
        self._budget = MemoryBudget(hot_budget)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mssgw-spool")
        try:
            for place in (directory, *(directory / f"{number:02x}" for number in range(256))):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(directory)
        except OSError as error:
            raise _failure(error) from None

    @property
    def hot_left(self) -> int:
        """Octets that hot copies may still take."""
        return self._budget.left

    def create(self, spool_id: str) -> "FileSink":
        return FileSink(self, spool_id, SpoolFile(self._path(spool_id)), self._budget)

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        if body.inline is not None:
            yield body.inline
        elif body.hot is not None:
            for segment in body.hot:
                yield segment
        else:
            async for segment in self._read_file(body):
                yield segment

    async def remove(self, spool_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            await self.in_thread(os.unlink, self._path(spool_id))

    async def sweep(self, known: Store, *, older_than: float) -> int:
        removed = 0
        for spool_id in await self.in_thread(self._old_files, time.time() - older_than):
            try:
                await known.load(spool_id)
            except Gone:
                await self.remove(spool_id)
                removed += 1
            except Undecryptable:
                pass  # it has a row: damaged, but for a person to judge
        return removed

    async def close(self) -> None:
        """End the threads, after what they are at."""
        await asyncio.to_thread(self._threads.shutdown)

    async def in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run a file operation. Raises StoreFull, StoreUnavailable, or FileNotFoundError as it is."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _failure(error) from None

    def _path(self, spool_id: str) -> Path:
        if not _ID.fullmatch(spool_id):  # it becomes a file name
            raise ValueError("a spool id is made of letters, digits, - and _")
        return self._directory / f"{zlib.crc32(spool_id.encode()) & 0xFF:02x}" / spool_id

    def _old_files(self, before: float) -> list[str]:
        found = []
        for directory in os.scandir(self._directory):
            for file in os.scandir(directory) if directory.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    if _ID.fullmatch(file.name) and file.stat().st_mtime < before:
                        found.append(file.name)
        return found

    async def _read_file(self, body: Body) -> AsyncIterator[bytes]:
        cipher = MessageCipher(body.key, body.spool_id)
        count = -(-body.wire_size // SEGMENT)
        try:
            file = await self.in_thread(_open_whole, self._path(body.spool_id), body.wire_size, count)
        except FileNotFoundError:
            raise Gone("the spool file is missing") from None
        with file:
            for start in range(0, count, _AT_ONCE):
                sealed = await self.in_thread(_read_segments, file, start, min(_AT_ONCE, count - start))
                for index, segment in enumerate(sealed, start):
                    yield cipher.unseal_segment(index, index == count - 1, segment)


class FileSink:
    """One body on its way in: in memory until it is too large for the row, then into a file, a MiB at a time.

    While one MiB is being written the next one fills; no more than that is in memory, besides the hot copy.
    """

    def __init__(self, spool: SpoolFiles, spool_id: str, file: "SpoolFile", budget: MemoryBudget) -> None:
        self._spool = spool
        self._id = spool_id
        self._file = file
        self._budget = budget
        self._key = os.urandom(KEY_SIZE)
        self._cipher = MessageCipher(self._key, spool_id)
        self._buffer = bytearray()
        self._sealed: list[bytes] = []
        self._index = 0
        self._wire_size = 0
        self._writing: asyncio.Task[None] | None = None
        self._hot: list[bytes] | None = []
        self._reserved = 0
        self._closed = False

    async def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        self._wire_size += len(chunk)
        # One octet more than a segment must be there: only close() knows the last one, which is sealed as such.
        while len(self._buffer) > SEGMENT:
            segment = bytes(memoryview(self._buffer)[:SEGMENT])
            del self._buffer[:SEGMENT]
            self._seal(segment, last=False)
            if len(self._sealed) == _AT_ONCE:
                await self._written()
                sealed, self._sealed = self._sealed, []
                self._writing = asyncio.create_task(self._spool.in_thread(self._file.append, sealed))

    async def close(self, *, size: int) -> Body:
        content, self._buffer = bytes(self._buffer), bytearray()
        hot = inline = None
        if self._wire_size <= INLINE_LIMIT:
            inline = content
        else:
            self._seal(content, last=True)
            await self._written()
            await self._spool.in_thread(self._file.finish, self._sealed)
            hot = self._take_hot()
        self._closed = True
        return Body(spool_id=self._id, key=self._key, size=size, wire_size=self._wire_size, inline=inline, hot=hot)

    async def discard(self) -> None:
        if self._closed:  # the file belongs to a Body now: remove() is for that
            return
        self._buffer.clear()
        self._sealed.clear()
        self._forget_hot()
        with contextlib.suppress(Exception):
            await self._written()
        with contextlib.suppress(Exception):
            await self._spool.in_thread(self._file.undo)

    def _seal(self, segment: bytes, *, last: bool) -> None:
        self._keep_hot(segment)
        self._sealed.append(self._cipher.seal_segment(self._index, last, segment))
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


class SpoolFile:
    """A file that is being made. Its methods run in threads, one at a time.

    The lock is for a sink that was cancelled: the thread it no longer waits for must have ended before the descriptor
    is closed, or it would write into whichever file gets that descriptor next.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._descriptor: int | None = None
        self._made = self._over = False

    def append(self, sealed: Sequence[bytes]) -> None:
        with self._lock:
            self._write(sealed)

    def finish(self, sealed: Sequence[bytes]) -> None:
        """Write the rest and make file and name durable: the name is so only when its directory is."""
        with self._lock:
            self._write(sealed)
            if self._descriptor is not None:
                os.fsync(self._descriptor)
                self._close()
                _sync_directory(self._path.parent)

    def undo(self) -> None:
        """Remove what was made; nothing more will be."""
        with self._lock:
            self._over = True
            self._close()
            if self._made:
                os.unlink(self._path)

    def _write(self, sealed: Sequence[bytes]) -> None:
        if self._over:
            return
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            self._made = True
        for segment in sealed:
            rest = memoryview(segment)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _open_whole(path: Path, wire_size: int, count: int) -> FileIO:
    """Open a file that has the length it must have: a cut is seen before the first octet goes out."""
    file = FileIO(path)
    if os.fstat(file.fileno()).st_size != wire_size + count * SEGMENT_OVERHEAD:
        file.close()
        raise Undecryptable("a spool file has the wrong length: it was changed")
    return file


def _read_segments(file: FileIO, start: int, count: int) -> Sequence[bytes]:
    length = SEGMENT + SEGMENT_OVERHEAD
    data = os.pread(file.fileno(), count * length, start * length)
    return [data[at : at + length] for at in range(0, len(data), length)]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failure(error: OSError) -> StoreUnavailable:
    """Without the path: a file name is an id, but errors end in logs and the errno says enough."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull("the disk of the spool is full")
    return StoreUnavailable(f"the spool failed: {errno.errorcode.get(error.errno or 0, type(error).__name__)}")
