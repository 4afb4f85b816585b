"""A wire between a client and a server, which can be cut without a word: as a router does that forgets a connection."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Wire:
    """``port`` leads to the server on loopback while the ``async with`` block lasts."""

    def __init__(self, server: int) -> None:
        self.port, self._server_port = 0, server
        self._open = asyncio.Event()  # of the connections that there are now
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._open.set()
        self._listener = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._listener.close()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Nothing passes any more, and neither end is told; who connects anew gets through."""
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self._server_port)
        for source, target in ((reader, away), (there, writer)):
            task = asyncio.create_task(self._carry(source, target, self._open))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, whole: asyncio.Event) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while octets := await source.read(65_536):
                await whole.wait()
                target.write(octets)
                await target.drain()
        target.transport.abort()
