"""Reads a letter without keeping the event loop from all others: in pieces while it comes in, long headers in a thread.

Reading is linear and its price is capped (formats.mailboxes.Allowance); still a header of 256 KiB that is made for it
takes a quarter of a second, and an ordinary one some microseconds.
"""

import asyncio

from mssgw.core.errors import GatewayError
from mssgw.core.message import MessageHead
from mssgw.core.replies import Reply
from mssgw.formats.mime import Scanner

PIECE = 32_768  # octets; as many headers of parts as fit in it are read at once: up to 20 ms
LONG = 32_768  # octets of a header; shorter ones are read at once
READING_TOO_LONG = Reply(451, "4.3.0", "Examen du message trop long, reessayez plus tard")


class TooManyLong(GatewayError):
    """Other letters with long headers are being read, and it takes too long."""

    reply = READING_TOO_LONG


class Reading:
    """One letter on its way through a scanner. ``turn``: held while a long header is read, one at a time a process."""

    def __init__(self, scanner: Scanner, turn: asyncio.Lock) -> None:
        self._scanner, self._turn = scanner, turn

    async def take(self, chunk: bytes) -> None:
        """Take more octets in wire form."""
        if len(chunk) <= PIECE:
            self._scanner.feed(chunk)
            return
        octets = memoryview(chunk)
        for begin in range(0, len(octets), PIECE):
            if begin:
                await asyncio.sleep(0)
            self._scanner.feed(octets[begin : begin + PIECE])

    async def head(self, patience: float) -> MessageHead:
        """The letter has ended: what it is. Raises TooManyLong when its turn does not come in so many seconds."""
        if self._scanner.header_length <= LONG:
            return self._scanner.finish()
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError:
            raise TooManyLong from None
        try:
            return await asyncio.to_thread(self._scanner.finish)
        finally:
            self._turn.release()
