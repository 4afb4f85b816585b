"""Reads a letter without keeping the event loop from all others: in pieces while it comes in, long headers in a thread.

Reading is linear and its price is capped (formats.mailboxes.Allowance); still a header of 256 KiB that is made for it
takes a quarter of a second, a piece some milliseconds, and ordinary ones some microseconds.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TypeVar

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.errors import GatewayError
from mssgw.core.message import MessageHead
from mssgw.core.replies import Reply
from mssgw.formats.mime import Scanner

PIECE = 32_768  # octets; as many headers of parts as fit in it are read at once: up to 20 ms
LONG = 16_384  # octets of a header; shorter ones are read at once: up to 15 ms
BREATH = 0.005  # seconds that all readings together may take before everybody else has a turn
READING_TOO_LONG = Reply(451, "4.3.0", "Examen du message trop long, reessayez plus tard")
Read = TypeVar("Read")


def scanner_for(client: Client, hostname: str) -> Scanner:
    """What a letter of this client is read with, on its way in or when somebody asks what would be decided of it."""
    return Scanner(
        hostname=hostname,
        collected=client.role is Role.COLLECTED,
        person_header=client.person_header,
        person_received=client.person_received,
    )


class TooManyLong(GatewayError):
    """Other letters with long headers are being read, and it takes too long."""

    reply = READING_TOO_LONG


class Turns:
    """What all readings of a process share. ``long``: held while a long header is read, one at a time."""

    def __init__(self) -> None:
        self.long = asyncio.Lock()
        self._piece = asyncio.Lock()
        self._spent = 0.0  # seconds since the loop last turned for us

    async def read(self, work: Callable[[], Read]) -> Read:
        """Do one piece of reading on the event loop, as soon as it has turned for the costly ones before.

        Pieces that many connections bring in the same turn of the loop would else be read in that turn, one after the
        other. Ordinary ones do not wait: nobody holds the lock.
        """
        async with self._piece:
            since = monotonic()
            try:
                return work()
            finally:
                self._spent += monotonic() - since
                if self._spent > BREATH:
                    await asyncio.sleep(0)
                    self._spent = 0.0


class Reading:
    """One letter on its way through a scanner."""

    def __init__(self, scanner: Scanner, turns: Turns) -> None:
        self._scanner, self._turns = scanner, turns

    async def take(self, chunk: bytes) -> None:
        """Take more octets in wire form."""
        octets = memoryview(chunk)
        for begin in range(0, len(octets), PIECE):
            await self._turns.read(partial(self._scanner.feed, octets[begin : begin + PIECE]))

    async def head(self, patience: float) -> MessageHead:
        """The letter has ended: what it is. Raises TooManyLong when its turn does not come in so many seconds."""
        if self._scanner.header_length <= LONG:
            return await self._turns.read(self._scanner.finish)
        try:
            async with asyncio.timeout(patience):
                await self._turns.long.acquire()
        except TimeoutError:
            raise TooManyLong from None
        try:
            return await asyncio.to_thread(self._scanner.finish)
        finally:
            self._turns.long.release()
