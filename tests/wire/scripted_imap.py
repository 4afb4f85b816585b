"""An IMAP server that answers what the test tells it to, and remembers every command that it was sent.

A script is looked up by the longest matching beginning: of the command without its tag (``UID FETCH 5``), or of the
moments ``GREETING``, ``LITERAL`` (one was announced) and ``DONE``. Its value is what to write, raw, with TAG where the
tag of the command belongs; or CLOSE, or SILENCE; or DEAF, which asks for a literal and reads no octet of it; or Flood;
or a list of those used one after the other, the last one for ever.
"""

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import Self, cast

from tests.wire.hanging_up import hung_up

TAG = b"%TAG%"
OK = TAG + b" OK done\r\n"


class Act(Enum):
    CLOSE = "close"
    SILENCE = "silence"
    DEAF = "deaf"


@dataclass(frozen=True)
class Flood:
    """These octets, again and again, until the client has had enough."""

    octets: bytes


CLOSE, SILENCE, DEAF = Act.CLOSE, Act.SILENCE, Act.DEAF
Answer = bytes | Act | Flood
Script = dict[str, Answer | list[Answer]]

SELECTED = (
    b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 6] .\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] .\r\n" + OK
)

ORDINARY: Script = {
    "GREETING": b"* OK ready\r\n",
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR IDLE UIDPLUS MOVE\r\n" + OK,
    "": OK,
    "LITERAL": b"+ go on\r\n",
    "SELECT": SELECTED,
    "UID SEARCH": b"* SEARCH 5\r\n" + OK,
    "IDLE": b"+ idling\r\n",
    "DONE": OK,
    "LOGOUT": b"* BYE until next time\r\n" + OK,
}
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class _Over(Exception):
    pass


class ScriptedImap:
    """``async with ScriptedImap(...) as server``: listens on a loopback port of its own."""

    def __init__(self, script: Script | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        """``tls``: for STARTTLS."""
        self.script: Script = ORDINARY | (script or {})
        self.tls = tls
        self.port = 0
        self.commands: list[str] = []
        self.literals: list[bytes] = []
        self.encrypted = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await hung_up(self._server, self._tasks)

    def said(self, verb: str) -> list[str]:
        return [command for command in self.commands if command.startswith(verb)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(reader, writer)
        except (_Over, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("GREETING", b"*", reader, writer)
        tag = b"*"
        while line := await reader.readline():
            if line == b"DONE\r\n":
                self.commands.append("DONE")
                await self._answer("DONE", tag, reader, writer)
                continue
            tag, _, rest = line.removesuffix(b"\r\n").partition(b" ")
            command = rest.decode()
            self.commands.append(command)
            if found := _LITERAL.search(line):
                if await self._answer("LITERAL", tag, reader, writer) != b"+ go on\r\n":
                    continue
                self.literals.append(await reader.readexactly(int(found[1])))
                await reader.readline()
            answer = await self._answer(command, tag, reader, writer)
            if command == "STARTTLS" and b" OK" in answer and self.tls is not None:
                await writer.start_tls(self.tls)
                self.encrypted = True

    async def _answer(
        self, moment: str, tag: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        key = max((key for key in self.script if moment.startswith(key)), key=len)
        scripted = self.script[key]
        answer = (scripted.pop(0) if len(scripted) > 1 else scripted[0]) if isinstance(scripted, list) else scripted
        if answer is CLOSE:
            raise _Over
        if answer is SILENCE:
            await reader.read(-1)  # until the client gives up
            raise _Over
        if answer is DEAF:
            cast(asyncio.ReadTransport, writer.transport).pause_reading()
            writer.write(b"+ go on\r\n")
            await asyncio.Event().wait()
        while isinstance(answer, Flood):
            writer.write(answer.octets)
            await writer.drain()
        assert isinstance(answer, bytes)
        with contextlib.suppress(ConnectionError):
            writer.write(answer.replace(TAG, tag))
            await writer.drain()
        return answer
