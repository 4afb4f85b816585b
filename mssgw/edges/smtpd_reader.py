"""Reads command lines as strictly as DATA is read: CRLF ends a line, nothing else does."""

import asyncio
from typing import TYPE_CHECKING

from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply

_FAIR = 50  # pipelined commands of one connection before the others have a turn,
_TURN = 0.002  # or seconds spent on them: some commands cost as much as a thousand others
_MOST_MALFORMED = 10  # malformed lines before the connection is closed
_GREETINGS = (b"EHLO ", b"HELO ")  # with the name of a computer in its own character set (JavaMail, Outlook)


class MalformedCommand(GatewayError):
    """A command line with a bare LF, CR or NUL in it, or that is neither UTF-8 nor a greeting."""

    reply = Reply(500, "5.5.2", "Ligne de commande mal formee")


class CommandReader(asyncio.StreamReader):
    """The StreamReader that aiosmtpd reads from. The end of the stream is a ConnectionError, as a reset is."""

    if TYPE_CHECKING:  # private to asyncio, and read by aiosmtpd too
        _loop: asyncio.AbstractEventLoop
        _buffer: bytearray
        _transport: asyncio.Transport

        def _maybe_resume_transport(self) -> None: ...

    _in_a_row = 0
    _since = 0.0  # on the loop's clock: when the others last had a turn
    _malformed = 0

    def has_line(self) -> bool:
        """Whether another command is here already."""
        return b"\n" in self._buffer

    def pending(self) -> bool:
        """Whether the peer has sent anything that was not read."""
        return bool(self._buffer)

    def take_all(self) -> bytes:
        """Everything that was not read, taken out; the transport reads on."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        self._maybe_resume_transport()
        return taken

    def give_back(self, data: bytes) -> None:
        """Put data in front of what comes next."""
        self._buffer[:0] = data

    def move_to(self, transport: asyncio.Transport) -> None:
        """Go on reading what comes through another transport: TLS."""
        self._transport = transport

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        """The next line, with its CRLF. Raises MalformedCommand, and reads on next time."""
        at_once = self.has_line()
        if at_once:
            await self._let_others()
        if self._transport.is_closing():
            raise ConnectionResetError  # what was pipelined behind our last word is not answered
        try:
            line = await super().readuntil(separator)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError from None
        if not at_once:
            self._in_a_row, self._since = 0, self._loop.time()
        if _well_formed(line):
            return line
        self._malformed += 1
        if self._malformed > _MOST_MALFORMED:
            raise ConnectionResetError
        raise MalformedCommand

    async def skip_line(self) -> None:
        """Pass over a line that is too long, up to its end."""
        while True:
            try:
                await super().readuntil()
                return
            except asyncio.LimitOverrunError as error:
                await self.read(error.consumed)
            except asyncio.IncompleteReadError:
                raise ConnectionResetError from None

    async def _let_others(self) -> None:
        """Let the other connections have their turn when this one has had enough of it."""
        self._in_a_row += 1
        if self._in_a_row >= _FAIR or self._loop.time() - self._since >= _TURN:
            await asyncio.sleep(0)
            self._in_a_row, self._since = 0, self._loop.time()


def _well_formed(line: bytes) -> bool:
    if not line.endswith(b"\r\n") or line.count(b"\r") != 1 or b"\0" in line:
        return False
    if line.isascii() or line[:5].upper() in _GREETINGS:
        return True
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
