"""The Spool port in a dictionary."""

import os
from collections.abc import AsyncIterator

from mssgw.core.errors import Gone
from mssgw.edges.spool_garbage import remove_garbage
from mssgw.ports import INLINE_LIMIT, Body, Store


class MemorySpool:
    """The Spool port in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def create(self, spool_id: str) -> "MemorySink":
        return MemorySink(self, spool_id)

    async def read(self, body: Body) -> AsyncIterator[bytes]:
        if (held := body.at_hand) is not None:
            for segment in held:
                yield segment
        elif body.spool_id in self.files:
            yield self.files[body.spool_id]
        else:
            raise Gone("the spool file is missing")

    async def remove(self, *spool_ids: str) -> None:
        for spool_id in spool_ids:
            self.files.pop(spool_id, None)

    async def sweep(self, known: Store, *, older_than: float) -> int:
        """Files have no age here: all count as old."""
        return await remove_garbage(self, known, list(self.files))


class MemorySink:
    """One body on its way in."""

    def __init__(self, spool: MemorySpool, spool_id: str) -> None:
        self._spool, self._id, self._content = spool, spool_id, bytearray()

    async def write(self, chunk: bytes) -> None:
        self._content += chunk

    async def close(self, *, size: int) -> Body:
        content = bytes(self._content)
        inline = content if len(content) <= INLINE_LIMIT else None
        if inline is None:
            self._spool.files[self._id] = content
        return Body(spool_id=self._id, key=os.urandom(32), size=size, wire_size=len(content), inline=inline)

    async def discard(self) -> None:
        self._content.clear()
