"""An SMTP server that answers what the test tells it to, and remembers every octet that it was sent.

A script is looked up by the longest matching beginning: of the command as it came (``RCPT TO:<b@...``), or of the
moments ``GREETING``, ``BODY`` (after 354, before the first octet) and ``DOT`` (the final dot has come). Its value is
what to write, raw, or CLOSE, or SILENCE, or a list of those used one after the other, the last one for ever.
"""

import asyncio
import errno
import ssl
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from tests.wire.hanging_up import hung_up


class Act(Enum):
    CLOSE = "close"
    SILENCE = "silence"


CLOSE, SILENCE = Act.CLOSE, Act.SILENCE
Answer = bytes | Act
Script = dict[str, Answer | list[Answer]]

ALL = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 50000000", "ENHANCEDSTATUSCODES")

_ORDINARY: Script = {
    "GREETING": b"220 next.example ESMTP\r\n",
    "HELO": b"250 next.example\r\n",
    "STARTTLS": b"220 2.0.0 Ready\r\n",
    "AUTH": b"235 2.7.0 Welcome\r\n",
    "MAIL": b"250 2.1.0 Sender ok\r\n",
    "RCPT": b"250 2.1.5 Recipient ok\r\n",
    "DATA": b"354 Go on\r\n",
    "BODY": b"",
    "DOT": b"250 2.0.0 queued as ABC123\r\n",
    "RSET": b"250 2.0.0 Reset\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


@dataclass
class Session:
    """One connection: the commands as they came, and each body with its dots still stuffed, final dot off.

    ``ahead``: commands that came with others behind them, before they were answered. ``unfinished``: what came of a
    body whose final dot never did.
    """

    commands: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    unfinished: bytes = b""
    tls: bool = False

    def said(self, verb: str) -> list[str]:
        return [command for command in self.commands if command.startswith(verb)]


class _Over(Exception):
    pass


class ScriptedServer:
    """``async with ScriptedServer(...) as server``: listens on a loopback port of its own."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        offers: tuple[str, ...] = ALL,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.script = _ORDINARY | (script or {})
        self.offers, self.tls, self.implicit = offers, tls, implicit
        self.sessions: list[Session] = []
        self.address, self.port = address, port
        self.body_came = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def bodies(self) -> list[bytes]:
        return [body for session in self.sessions for body in session.bodies]

    @property
    def commands(self) -> list[str]:
        return [command for session in self.sessions for command in session.commands]

    async def __aenter__(self) -> Self:
        context = self.tls if self.implicit else None
        for left in reversed(range(40)):
            try:
                self._server = await asyncio.start_server(
                    self._serve, self.address, self.port, ssl=context, limit=1 << 26
                )
                break
            except OSError as error:  # a port of our choice may be some connection's for a moment
                if error.errno != errno.EADDRINUSE or not left:
                    raise
                await asyncio.sleep(0.25)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await hung_up(self._server, self._tasks)

    async def settled(self) -> None:
        """Wait until every connection has ended: what a session remembers is then all that came."""
        async with asyncio.timeout(10):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = Session(tls=self.implicit)
        self.sessions.append(session)
        try:
            await self._converse(session, reader, writer)
        except (_Over, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _converse(self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("GREETING", reader, writer)
        while line := await reader.readline():
            command = line.decode().removesuffix("\r\n")
            session.commands.append(command)
            if reader._buffer:  # type: ignore[attr-defined]
                session.ahead.append(command)
            said = await self._answer(command, reader, writer)
            if command == "STARTTLS" and said.startswith(b"220"):
                assert self.tls is not None
                await writer.start_tls(self.tls)
                session.tls = True
            elif command == "DATA" and said.startswith(b"354"):
                await self._body(session, reader, writer)
            elif command == "QUIT":
                return

    async def _body(self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("BODY", reader, writer)
        lines: list[bytes] = []
        while (line := await reader.readline()) != b".\r\n":
            lines.append(line)
            if not line.endswith(b"\n"):
                session.unfinished = b"".join(lines)
                raise _Over
        session.bodies.append(b"".join(lines))
        self.body_came.set()
        await self._answer("DOT", reader, writer)

    async def _answer(self, moment: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        if moment.startswith("EHLO") and not any(key.startswith("EHLO") for key in self.script):
            answer: Answer = "\r\n".join(f"250-{line}" for line in ("next.example", *self.offers)).encode()
            answer += b"\r\n250 HELP\r\n"
        else:
            key = max((key for key in self.script if moment.startswith(key)), key=len, default="")
            scripted = self.script.get(key, b"502 5.5.1 What?\r\n")
            answer = (scripted.pop(0) if len(scripted) > 1 else scripted[0]) if isinstance(scripted, list) else scripted
        if answer is CLOSE:
            raise _Over
        if answer is SILENCE:
            await reader.read(-1)  # until the client gives up
            raise _Over
        assert isinstance(answer, bytes)
        writer.write(answer)
        await writer.drain()
        return answer
