"""Webhooks over real HTTPS on loopback: what is posted, whom it is posted to, and how long that may take."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mssgw.edges.tls import client_context, server_context
from mssgw.edges.webhook import Webhooks
from mssgw.ports import Untold
from tests.pki import Authority

CONTENT = b'{"mailbox": "officine@pharma-exemple.mssante.fr", "waiting": 1}'
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Keeps what it is told."""

    def __init__(self, answer: bytes | Answer) -> None:
        self._answer = answer
        self.heads: list[str] = []
        self.contents: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(": ")[1]) for line in head.split("\r\n") if line.startswith("Content-Length"))
            self.heads.append(head)
            self.contents.append(await reader.readexactly(length))
            if isinstance(self._answer, bytes):
                writer.write(self._answer)
                await writer.drain()
            else:
                await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None, answer: bytes | Answer = NO_CONTENT
) -> AsyncIterator[tuple[str, Server]]:
    server = Server(answer)
    async with await asyncio.start_server(server, "127.0.0.1", 0, ssl=context) as listening:
        yield f"https://localhost:{listening.sockets[0].getsockname()[1]}/mssante?jeton=x", server


@pytest.fixture
def trusting(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    anchors = tmp_path / "anchors.pem"
    anchors.write_text(authority.pem)
    return client_context(ca_file=anchors)


async def post(url: str, tls: ssl.SSLContext, *, total: float = 10.0) -> None:
    async with asyncio.timeout(20):
        await Webhooks(lambda: tls, total=total).post(url, CONTENT)


@pytest.mark.parametrize("line", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
async def test_any_2xx_means_told(ours: ssl.SSLContext, trusting: ssl.SSLContext, line: str) -> None:
    async with serving(ours, f"HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n".encode()) as (url, server):
        await post(url, trusting)
    assert server.contents == [CONTENT]
    assert json.loads(server.contents[0])["waiting"] == 1
    (head,) = server.heads
    assert head.startswith("POST /mssante?jeton=x HTTP/1.1\r\nHost: localhost:")
    assert f"\r\nContent-Type: application/json\r\nUser-Agent: mssgw\r\nContent-Length: {len(CONTENT)}\r\n" in head


@pytest.mark.parametrize(
    "line", ["301 Moved Permanently", "302 Found", "400 Bad Request", "404 Not Found", "500 Oops", "503 Later"]
)
async def test_anything_else_does_not_and_a_redirection_leads_nowhere(
    ours: ssl.SSLContext, trusting: ssl.SSLContext, line: str
) -> None:
    """What is told is told to the server that the configuration names."""
    async with serving(ours) as (elsewhere, other):
        answer = f"HTTP/1.1 {line}\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(ours, answer) as (url, _):
            with pytest.raises(Untold, match=rf"^HTTP status {line[:3]}$"):
                await post(url, trusting)
    assert other.contents == []


async def test_a_server_that_nobody_vouches_for_hears_nothing(ours: ssl.SSLContext) -> None:
    async with serving(ours) as (url, server):
        with pytest.raises(Untold, match=r"^its certificate is not trusted"):
            await post(url, client_context())
    assert server.heads == []


@pytest.mark.parametrize(("names", "days"), [(("serveur.exemple.fr",), 10), (("localhost",), -1)])
async def test_nor_one_with_another_name_or_a_certificate_that_ended(
    authority: Authority, trusting: ssl.SSLContext, tmp_path: Path, names: tuple[str, ...], days: int
) -> None:
    async with serving(server_context(authority.issue(tmp_path, *names, days=days))) as (url, server):
        with pytest.raises(Untold, match=r"^its certificate is not trusted"):
            await post(url, trusting)
    assert server.heads == []


async def test_a_server_without_tls_hears_nothing(trusting: ssl.SSLContext) -> None:
    async with serving(None) as (url, server):
        with pytest.raises(Untold):
            await post(url, trusting, total=0.5)
        with pytest.raises(Untold, match="not https"):
            await post(url.replace("https", "http"), trusting)
    assert server.heads == []


@pytest.mark.parametrize("drips", [b"", b"H"])
async def test_a_server_that_keeps_silent_or_drips_has_its_time_and_no_more(
    ours: ssl.SSLContext, trusting: ssl.SSLContext, drips: bytes
) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            writer.write(drips)
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(ours, slow) as (url, _):
        with pytest.raises(Untold, match=r"no answer within 0\.5 s"):
            await post(url, trusting, total=0.5)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 204", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 2x4 No\r\n\r\n"])
async def test_an_answer_that_is_none_does_not_count(
    ours: ssl.SSLContext, trusting: ssl.SSLContext, answer: bytes
) -> None:
    async with serving(ours, answer) as (url, _):
        with pytest.raises(Untold):
            await post(url, trusting)


async def test_a_server_that_is_down_or_has_no_name_is_no_more_than_a_failure(trusting: ssl.SSLContext) -> None:
    for url in ("https://localhost:1/x", "https://nulle-part.invalid/x"):
        with pytest.raises(Untold, match=r"^cannot be reached"):
            await post(url, trusting)


async def test_several_at_once_to_one_server_all_arrive(ours: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """Pharmacies of one chain name one server."""
    async with serving(ours) as (url, server):
        hooks = Webhooks(lambda: trusting)
        async with asyncio.timeout(20):
            await asyncio.gather(*(hooks.post(url, CONTENT) for _ in range(5)))
    assert len(server.contents) == 5
