"""Web servers of the tests: one that answers by script, and one that publishes files and can be away for a while."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request with the next of its answers, the last one for ever; keeps the requests."""

    def __init__(self, *answers: bytes | Answer) -> None:
        self._answers = list(answers)
        self.requests: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(*answers: bytes | Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, Server]]:
    server = Server(*answers)
    async with await asyncio.start_server(server, "127.0.0.1", 0, ssl=tls) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", server


def ok(body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n".encode() + body


def status(line: str, *headers: str) -> bytes:
    return ("\r\n".join([f"HTTP/1.1 {line}", "Content-Length: 0", *headers]) + "\r\n\r\n").encode()


class Site:
    """``pages``: content by path. ``down`` and ``up``: at the same address."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self._port = 0
        self._listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def up(self) -> None:
        self._listening = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._listening is not None:
            self._listening.close()
            await self._listening.wait_closed()
            self._listening = None

    async def __aenter__(self) -> "Site":
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            writer.write(ok(self.pages[path]) if path in self.pages else status("404 Not Found"))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
