"""An SMTP client that knows exactly what it was told: what got a 250, what did not, and what is in doubt."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.corpus import SENDER
from tests.crash.letters import CrashLetter

_QUEUED_AS = re.compile(r"queued as (\S+)")
PATIENCE = 60.0  # seconds for any one reply


class Refused(Exception):
    """The gateway answered something other than it should, or hung up. ``code`` 0: it is not there."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code, self.line = code, line


@dataclass(slots=True)
class Promises:
    """What the gateway answered. ``accepted``: payload id to queue id."""

    letters: dict[str, CrashLetter] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # payload id to the 4xx or 5xx line
    in_doubt: set[str] = field(default_factory=set)  # no answer after the body began to leave

    @property
    def permanent(self) -> list[str]:
        return [line for line in self.refused.values() if line.startswith("5")]


class Client:
    """One connection. ``async with`` opens and closes it."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> "Client":
        async with asyncio.timeout(PATIENCE):
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                raise Refused(0, str(error)) from None
        try:
            await self.expect(220)
            await self.ask("EHLO dpi.ch-test.invalid", 250)
        except BaseException:
            await shut(self._writer)
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await shut(self._writer)

    async def ask(self, command: str, code: int) -> str:
        self._writer.write(f"{command}\r\n".encode())
        return await self.expect(code)

    async def expect(self, code: int) -> str:
        """The last line of the next reply. Raises Refused when it is another one, or the connection ends."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    line = (await self._reader.readline()).decode()
            except OSError as error:
                raise Refused(0, str(error)) from None
            if not line.endswith("\n"):
                raise Refused(0, "the connection ended")
            if line[3:4] == " ":
                if int(line[:3]) != code:
                    raise Refused(int(line[:3]), line.strip())
                return line.strip()

    async def ended(self) -> bool:
        """Whether the gateway has closed, once it says no more."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read() == b""
            except OSError:
                return True

    async def begin(self, letter: CrashLetter) -> None:
        """Up to the 354."""
        words = [f"MAIL FROM:<{SENDER}> BODY=8BITMIME", f"RCPT TO:<{letter.recipient}>", "DATA"]
        self._writer.write("".join(f"{word}\r\n" for word in words).encode())
        for code in (250, 250, 354):
            await self.expect(code)

    async def write(self, octets: bytes) -> None:
        self._writer.write(octets)
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()

    async def finish(self) -> str:
        """The final dot; returns the queue id."""
        self._writer.write(b".\r\n")
        found = _QUEUED_AS.search(await self.expect(250))
        assert found, "a 250 without queue id"
        return found[1]

    async def send(self, letter: CrashLetter, promises: Promises) -> None:
        """Send one letter and note what was answered. Raises Refused when the connection is of no use any more."""
        promises.letters[letter.payload_id] = letter
        body_begun = False
        try:
            await self.begin(letter)
            body_begun = True
            await self.write(letter.content)
            promises.accepted[letter.payload_id] = await self.finish()
        except (Refused, OSError) as error:
            code = error.code if isinstance(error, Refused) else 0
            if code:
                promises.refused[letter.payload_id] = str(error)
            elif body_begun:
                promises.in_doubt.add(letter.payload_id)
            if code in (0, 421) or not body_begun:
                raise Refused(code, str(error)) from None


async def shut(writer: asyncio.StreamWriter) -> None:
    """Close and wait for it; the other side may be gone already."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def keep_sending(
    port: int, letters: Iterator[CrashLetter], promises: Promises, *, go_on: Callable[[Refused], bool] = lambda _: True
) -> None:
    """Send until there are no more letters, over a new connection whenever one ends.

    ``go_on`` hears what ended a connection and says whether to come back.
    """
    while True:
        try:
            async with Client(port) as client:
                for letter in letters:
                    await client.send(letter, promises)
                return
        except Refused as why:
            if not go_on(why):
                return
            await asyncio.sleep(0.05)
