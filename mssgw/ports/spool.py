"""Where message bodies rest."""

from collections.abc import AsyncIterator
from typing import Protocol

from mssgw.ports.bodies import Body
from mssgw.ports.store import Store


class BodySink(Protocol):
    """Takes a message body while DATA runs. close() or discard() ends it; discard() after close() does nothing."""

    async def write(self, chunk: bytes) -> None:
        """Take more wire bytes, any length. Raises StoreFull or StoreUnavailable."""

    async def close(self, *, size: int) -> Body:
        """Make the bytes durable and say where they are. ``size``: see Body."""

    async def discard(self) -> None:
        """Forget the bytes. Never raises."""


class Spool(Protocol):
    """Message bodies at rest, each under its own data key."""

    def create(self, spool_id: str) -> BodySink: ...

    def read(self, body: Body) -> AsyncIterator[bytes]:
        """The wire bytes in segments.

        Raises Gone when they are missing, Undecryptable when they were changed; StoreUnavailable when that cannot be
        told, as the whole spool is broken or missing.
        """

    async def remove(self, *spool_ids: str) -> None:
        """Remove what rests under these ids, where there is anything."""

    async def sweep(self, known: Store, *, older_than: float) -> int:
        """Remove bodies without a row that are older than so many seconds: garbage of a crash, never a letter."""
