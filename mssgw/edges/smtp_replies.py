"""Reading SMTP replies on a connection that aiosmtplib opened: in order, bounded, several a write.

One task at a time uses a Wire. Replies are parsed as bytes arrive; the task is woken once, when all that it waits for
is there. A reply that nobody asked for ends the connection: the next one would be matched to the wrong command.
"""

import asyncio
import re
from collections import deque

from mssgw.core.replies import Reply

MAX_LINE = 4096  # RFC 5321 says 512; some peers quote more
MAX_REPLY = 32_768  # all lines of one reply
MAX_TEXT = 500  # what we keep of it
HIGH_WATER = 262_144

LOST = Reply(451, "4.4.2", "Connexion avec le serveur suivant perdue")
SILENT = Reply(451, "4.4.2", "Le serveur suivant n'a pas repondu a temps")
GARBLED = Reply(451, "4.5.0", "Reponse inattendue du serveur suivant")

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*))?")
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)")


class Lost(Exception):
    """The connection is of no more use. ``reply`` says why: the peer's own words when ``peer_said``."""

    def __init__(self, reply: Reply, *, peer_said: bool = False) -> None:
        super().__init__(reply.code)
        self.reply = reply
        self.peer_said = peer_said


def to_reply(code: int, lines: list[str]) -> Reply:
    """One Reply from the lines of a peer's: the enhanced status taken out of the text (RFC 2034), length bounded."""
    status, texts = "", []
    for line in lines:
        found = _STATUS.match(line)
        if found and found[1][0] == str(code)[0]:  # RFC 2034 section 4: the classes agree
            status = status or found[1]
            line = line[found.end() :]
        texts.append(line.strip())
    return Reply(code, status, " ".join(texts)[:MAX_TEXT])


class Wire(asyncio.Protocol):
    """The reading and writing end of an open SMTP connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take the transport over from the protocol that it has."""
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._rest = b""  # of a line
        self._lines: list[str] = []  # of a reply that is not complete
        self.latest: tuple[str, ...] = ()  # lines of the latest reply, without code
        self._code = 0
        self._size = 0  # of a reply so far, in octets
        self._replies: deque[Reply] = deque()
        self._owed = 0  # replies that the peer still has to give
        self._wanted = 0  # wake the task when so many are there
        self._waiter: asyncio.Future[bool] | None = None
        self._paused = False
        self._quitting = False
        self._lost: Lost | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=HIGH_WATER)

    @property
    def transport(self) -> asyncio.Transport:
        return self._transport

    @property
    def usable(self) -> bool:
        """False once the peer closed, spoke out of turn, or we gave up."""
        return self._lost is None and not self._transport.is_closing()

    def write(self, data: bytes, *, replies: int = 0) -> None:
        """Send bytes to which the peer owes so many replies. Raises Lost."""
        if self._lost is not None:
            raise self._lost
        if self._transport.is_closing():
            raise Lost(LOST)
        self._owed += replies
        self._transport.write(data)

    async def drain(self, limit: float) -> None:
        """Wait until the peer has read most of what was written. Raises Lost after ``limit`` seconds without that."""
        while self._paused and self._lost is None:
            if not await self._woken(limit):
                self.fail(Lost(SILENT))
        if self._lost is not None:
            raise self._lost

    async def gather(self, count: int, limit: float) -> None:
        """Wait until ``count`` replies can be taken, or none will come. ``limit``: seconds for each of them."""
        while len(self._replies) < count and self._lost is None:
            before, self._wanted = len(self._replies), count
            if not await self._woken(limit) and len(self._replies) == before:
                self.fail(Lost(SILENT))

    def take(self) -> Reply:
        """The next reply, in the order of the commands. Raises Lost when there is none to come."""
        if self._replies:
            return self._replies.popleft()
        raise self._lost or Lost(LOST)

    async def reply(self, limit: float) -> Reply:
        """Wait for one reply and take it. Raises Lost."""
        if not self._replies:
            await self.gather(1, limit)
        return self.take()

    def fail(self, why: Lost) -> None:
        """End the connection at once; bytes not yet sent are dropped, and no final dot follows."""
        if self._lost is None:
            self._lost = why
            self._transport.abort()
            self._wake()

    def abort(self) -> None:
        """End the connection at once, without another byte."""
        self.fail(Lost(LOST))

    def quit(self, limit: float) -> None:
        """Say QUIT; the connection closes at the answer, or after ``limit`` seconds. ``closed`` tells when."""
        if not self.usable:
            return
        self._quitting = True
        self.write(b"QUIT\r\n", replies=1)
        self._loop.call_later(limit, self._transport.abort)

    async def _woken(self, limit: float) -> bool:
        """True when something woke us, False after ``limit`` seconds."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_later(limit, _settle, waiter, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None:
            _settle(self._waiter, True)

    # What the transport calls.

    def data_received(self, data: bytes) -> None:
        if self._lost is not None:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                self._take_line(line.removesuffix(b"\r"))
            if len(self._rest) > MAX_LINE:
                raise Lost(GARBLED)
            if self._rest and not self._owed:
                raise Lost(GARBLED)
        except Lost as lost:
            self.fail(lost)
            return
        if self._quitting:
            self._transport.close()
        elif len(self._replies) >= self._wanted:
            self._wake()

    def _take_line(self, line: bytes) -> None:
        found = _LINE.fullmatch(line)
        self._size += len(line)
        if not found or len(line) > MAX_LINE or self._size > MAX_REPLY:
            raise Lost(GARBLED)
        code = int(found[1])
        if self._lines and code != self._code:
            raise Lost(GARBLED)
        self._code = code
        self._lines.append((found[3] or b"").decode("utf-8", "replace"))
        if found[2] == b"-":
            return
        reply = to_reply(code, self._lines)
        self.latest = tuple(self._lines)
        self._lines, self._size = [], 0
        if not self._owed:  # nobody asked: a shutdown, a refusal in the middle of a body, or an injection
            raise Lost(reply, peer_said=True) if reply.code >= 400 else Lost(GARBLED)
        self._owed -= 1
        self._replies.append(reply)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def eof_received(self) -> None:
        return None  # the transport closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost is None:
            self._lost = Lost(LOST)
        self._wake()
        if not self.closed.done():
            self.closed.set_result(None)


def _settle(waiter: "asyncio.Future[bool]", value: bool) -> None:
    if not waiter.done():
        waiter.set_result(value)
