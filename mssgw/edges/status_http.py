"""A few pages over HTTP/1.0, for monitoring on this machine: GET only, one request a connection, everything bounded."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

_HEAD = 8_192  # octets of request line and fields
_AT_ONCE = 20  # connections; whoever comes on top is turned away
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

    async def listen(self, host: str, port: int) -> int:
        """Listen on host and port, 0 for any; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._met, host, port, limit=_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

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
        if len(self._tasks) >= _AT_ONCE:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                page = await self._answer(reader)
                writer.write(_written(page))
                writer.close()
                async with asyncio.timeout(_REQUEST):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> Page:
        try:
            async with asyncio.timeout(_REQUEST):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return Page(status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
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
