"""A few pages over HTTP/1.0, for monitoring on this machine: GET only, one request a connection, everything bounded."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

_HEAD = 8_192  # octets of request line and fields
_LONGEST = 4_194_304  # octets of a page that we ask for ourselves
_AT_ONCE = 20  # connections; whoever comes on top takes the place of the one that has kept us waiting longest
_ROOT = 0
_CREDENTIALS = struct.Struct("3i")  # process, user and group of a peer (SO_PEERCRED, unix(7))
_REQUEST = 5.0  # seconds for the request to arrive, and again for the reply to be taken
_PAGE = 20.0  # seconds for a page to be made


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is answered."""

    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""


Pages = Mapping[str, Callable[[], Awaitable[Page]]]


class StatusServer:
    """Serves ``pages`` by path. ``async with`` stops it."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: dict[asyncio.Task[None], None] = {}  # of these, who keeps us waiting; longest first

    async def listen_on(self, bound: socket.socket) -> None:
        """Listen on a socket, TCP or Unix, that is bound already."""
        bound.setblocking(False)
        serve = asyncio.start_unix_server if bound.family == socket.AF_UNIX else asyncio.start_server
        self._server = await serve(self._met, sock=bound, limit=_HEAD)

    async def stop(self) -> None:
        """Close at once: whoever scrapes us will come again."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> "StatusServer":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not _is_ours(writer.get_extra_info("socket")) or not self._has_room():
            writer.transport.abort()
            return
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        self._idle[task] = None
        task.add_done_callback(lambda _: self._left(task, writer))

    def _has_room(self) -> bool:
        """Whoever asks nothing, or reads nothing, would else keep monitoring out, which does both at once."""
        if len(self._tasks) < _AT_ONCE:
            return True
        slowest = next(iter(self._idle), None)
        if slowest is None:
            return False
        del self._idle[slowest]
        slowest.cancel()
        return True

    def _left(self, task: "asyncio.Task[None]", writer: asyncio.StreamWriter) -> None:
        """Here and not in the task, which may be cancelled before its first step."""
        self._tasks.discard(task)
        self._idle.pop(task, None)
        writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            page = await self._answer(reader)
            writer.write(_written(page))
            writer.close()
            self._idle[_this_task()] = None  # again: it may not read, either
            async with asyncio.timeout(_REQUEST):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> Page:
        try:
            async with asyncio.timeout(_REQUEST):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return Page(status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._idle.pop(_this_task(), None)
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method != "GET":
            return Page(status=HTTPStatus.METHOD_NOT_ALLOWED)
        make = self._pages.get(path)
        if make is None:
            return Page(status=HTTPStatus.NOT_FOUND)
        try:
            async with asyncio.timeout(_PAGE):
                return await make()
        except Exception:  # what went wrong is not for whoever asks
            return Page(status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _this_task() -> "asyncio.Task[None]":
    task = asyncio.current_task()
    assert task is not None
    return task


def _is_ours(met: socket.socket) -> bool:
    """Whether it came over TCP, or from a process of our user or of root: an abstract name has no permissions."""
    if met.family != socket.AF_UNIX:
        return True
    _, user, _ = _CREDENTIALS.unpack(met.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in (os.geteuid(), _ROOT)


async def ask(address: bytes, path: str) -> Page:
    """GET a page of another StatusServer over its Unix socket. Raises OSError, EOFError or ValueError.

    Has no time limit of its own.
    """
    reader, writer = await asyncio.open_unix_connection(os.fsdecode(address), limit=_HEAD)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode("ascii"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(min(int(fields["Content-Length"]), _LONGEST))
        return Page(status=HTTPStatus(int(head[0].split()[1])), content_type=fields["Content-Type"], body=body)
    finally:
        writer.transport.abort()


def _written(page: Page) -> bytes:
    head = [
        f"HTTP/1.0 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
        head.append("Allow: GET")
    return "\r\n".join([*head, "", ""]).encode("ascii") + page.body
