"""In-memory twins of what the trust space is kept on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from mssgw.core.errors import SourceUnavailable
from mssgw.ports.white_list import Kept


class MemoryShelf:
    """The Shelf port. Several keepers over one shelf are the workers of one node."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.taken = False
        self._version = 0
        self._tried: datetime | None = None

    async def version(self) -> str:
        return str(self._version) if self.kept is not None else ""

    async def read(self) -> Kept | None:
        return self.kept

    async def keep(self, kept: Kept) -> None:
        self.kept = kept
        self._version += 1

    async def tried_at(self) -> datetime | None:
        return self._tried

    async def mark_tried(self, at: datetime) -> None:
        self._tried = at

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        if self.taken:
            yield False
            return
        self.taken = True
        try:
            yield True
        finally:
            self.taken = False


class MemorySource:
    """The Source port: ``publish`` a file, or nothing at all. Tells, as web servers do, that nothing changed."""

    name = "memory"

    def __init__(self, file: bytes | None = None) -> None:
        self.file, self.fetched = file, 0
        self.as_of: datetime | None = None
        self._given: bytes | None = None

    async def fetch(self, *, limit: int) -> bytes | None:
        self.fetched += 1
        if self.file is None or len(self.file) > limit:
            raise SourceUnavailable("memory: nothing there, or too much")
        if self.file is self._given:
            return None
        self._given = self.file
        return self.file

    def forget(self) -> None:
        self._given = None
