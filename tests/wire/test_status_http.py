"""The status endpoint by itself: GET of a few pages, and nothing that could hurt."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from mssgw.edges import status_http
from mssgw.edges.status_http import Page, StatusServer, ask
from tests.wire.running import http


async def _fine() -> Page:
    return Page(content_type="application/json", body=b'{"fine": true}')


async def _sick() -> Page:
    return Page(status=HTTPStatus.SERVICE_UNAVAILABLE, body=b"no")


async def _large() -> Page:
    return Page(body=bytes(32 * 2**20))


async def _broken() -> Page:
    raise RuntimeError("279035121518989")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with StatusServer({"/fine": _fine, "/sick": _sick, "/broken": _broken, "/large": _large}) as server:
        bound = socket.create_server(("127.0.0.1", 0))
        await server.listen_on(bound)
        yield bound.getsockname()[1]


async def test_a_page_comes_with_its_type_and_length(port: int) -> None:
    """And the connection ends; HTTP/1.1 clients understand that, and a query is not looked at."""
    for request in ("GET /fine HTTP/1.0\r\n\r\n", "GET /fine?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        status, fields, body = await http(port, request)
        assert (status, json.loads(body)) == (200, {"fine": True})
        assert fields["content-type"] == "application/json"
        assert int(fields["content-length"]) == len(body)
        assert fields["connection"] == "close"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /sick HTTP/1.0", 503),
        ("GET / HTTP/1.0", 404),
        ("GET /../etc/passwd HTTP/1.0", 404),
        ("POST /fine HTTP/1.0", 405),
        ("HEAD /fine HTTP/1.0", 405),
        ("\0\xff", 405),
        ("GET", 404),
    ],
)
async def test_anything_else_is_refused(port: int, request_line: str, status: int) -> None:
    """With the status that says why."""
    assert (await http(port, request_line.encode("latin-1") + b"\r\n\r\n"))[0] == status


async def test_a_page_that_fails_says_nothing_of_what_failed(port: int) -> None:
    """Its text may hold anything."""
    status, _, body = await http(port, "GET /broken HTTP/1.0\r\n\r\n")
    assert (status, body) == (500, b"")


async def test_a_request_without_end_is_cut_off(port: int) -> None:
    """8 KiB are more than any monitoring sends."""
    status, _, _ = await http(port, b"GET /fine HTTP/1.0\r\nX: " + b"a" * 20_000 + b"\r\n\r\n")
    assert status == 431


async def test_a_silent_client_is_shown_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets nothing."""
    monkeypatch.setattr(status_http, "_REQUEST", 0.02)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /fine")
    assert await _all(reader) == b""
    writer.transport.abort()


async def test_who_asks_nothing_gives_way_to_who_asks(port: int) -> None:
    """The one that has been silent for longest: monitoring is kept out by no number of connections."""
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    for _, writer in silent:
        writer.write(b"GET /fi")
    assert await _quietly(port) == 200
    assert await _all(silent[0][0]) == b""
    late = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    assert await _quietly(port) == 200
    for _, writer in silent + late:
        writer.transport.abort()


async def test_who_does_not_read_gives_way_too(port: int) -> None:
    """A page that the kernel's buffers do not hold would else keep its place until it is given up."""
    deaf = [await asyncio.open_connection("127.0.0.1", port, limit=64) for _ in range(20)]
    for _, writer in deaf:
        writer.write(b"GET /large HTTP/1.0\r\n\r\n")
    await asyncio.gather(*(reader.readuntil(b"\n") for reader, _ in deaf))
    assert await _quietly(port) == 200
    for _, writer in deaf:
        writer.transport.abort()


async def test_who_has_asked_gives_way_to_nobody_and_too_many_of_them_are_turned_away() -> None:
    """Twenty pages are made at a time at most."""
    gate, asked = asyncio.Event(), 0

    async def slow() -> Page:
        nonlocal asked
        asked += 1
        await gate.wait()
        return await _fine()

    async with StatusServer({"/slow": slow}) as server:
        bound = socket.create_server(("127.0.0.1", 0))
        await server.listen_on(bound)
        port = bound.getsockname()[1]
        asking = [asyncio.create_task(http(port, "GET /slow HTTP/1.0\r\n\r\n")) for _ in range(20)]
        async with asyncio.timeout(10):
            while asked < 20:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        reader, late = await asyncio.open_connection("127.0.0.1", port)
        assert await _all(reader) == b""
        late.transport.abort()
        gate.set()
        assert [status for status, *_ in await asyncio.gather(*asking)] == [200] * 20


async def _all(reader: asyncio.StreamReader) -> bytes:
    """What comes before the end; nothing when that is a reset."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_sibling_asks_over_a_unix_socket() -> None:
    """One that the kernel has named; what is wrong there is an error here."""
    bound = socket.socket(socket.AF_UNIX)
    bound.bind("")
    bound.listen()
    address = bound.getsockname()
    async with StatusServer({"/fine": _fine, "/sick": _sick}) as server:
        await server.listen_on(bound)
        assert await ask(address, "/fine") == await _fine()
        assert (await ask(address, "/sick")).status == 503
        assert (await ask(address, "/none")).status == 404
    with pytest.raises(OSError, match="refused"):
        await ask(address, "/fine")


async def test_over_a_unix_socket_only_our_own_user_and_root_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """An abstract name has no permissions: others could take all places, and make the siblings look dead."""
    bound = socket.socket(socket.AF_UNIX)
    bound.bind("")
    bound.listen()
    address = bound.getsockname()
    async with StatusServer({"/fine": _fine}) as server:
        await server.listen_on(bound)
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
        if own == 0:
            assert await ask(address, "/fine") == await _fine()
            monkeypatch.setattr(status_http, "_ROOT", -1)
        with pytest.raises((OSError, EOFError)):
            await ask(address, "/fine")


async def _quietly(port: int) -> int:
    try:
        return (await http(port, "GET /fine HTTP/1.0\r\n\r\n"))[0]
    except (ConnectionError, IndexError):
        return 0
