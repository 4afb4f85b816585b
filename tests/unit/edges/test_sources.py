"""Published files from paths and servers: bounded in size, time and trust."""

import asyncio
import os
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mssgw.core.errors import SourceUnavailable
from mssgw.edges.sources import PathSource, source
from mssgw.edges.tls import client_context
from tests.pki import Authority, server_context
from tests.web import Server, ok, served, status

LIMIT = 1000


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trusting(authority, tmp_path_factory) -> ssl.SSLContext:
    anchors = tmp_path_factory.mktemp("trust") / "anchors.pem"
    anchors.write_text(authority.pem)
    return client_context(ca_file=anchors)


async def fetched(url: str, trusting: ssl.SSLContext, **more: object) -> bytes | None:
    async with asyncio.timeout(10):
        return await source(url, tls=trusting, clear=True, **more).fetch(limit=LIMIT)


# Paths.


async def test_a_file_is_read_again_only_when_it_changed(tmp_path):
    path = tmp_path / "root.crl"
    path.write_bytes(b"one")
    file = PathSource(path)
    assert await file.fetch(limit=LIMIT) == b"one"
    assert await file.fetch(limit=LIMIT) is None
    replacement = tmp_path / "new"
    replacement.write_bytes(b"two")
    replacement.replace(path)
    assert await file.fetch(limit=LIMIT) == b"two"
    assert await file.fetch(limit=LIMIT) is None


async def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * (LIMIT + 1))
    os.mkfifo(tmp_path / "pipe")
    wrong = {"absent": "No such file", "large": "larger than 1000", "pipe": "is no file", ".": "is no file|directory"}
    for name, why in wrong.items():
        with pytest.raises(SourceUnavailable, match=f"{tmp_path / name}: .*({why})"):
            await PathSource(tmp_path / name).fetch(limit=LIMIT)


async def test_a_file_at_the_limit_passes(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * LIMIT)
    assert await PathSource(tmp_path / "file").fetch(limit=LIMIT) == b"x" * LIMIT


async def test_a_file_is_as_old_as_it_was_written_to_last(tmp_path):
    """Reading it renews nothing; `touch` does, for whoever knows that it is still the published one."""
    path = tmp_path / "list.xml"
    path.write_bytes(b"one")
    file = PathSource(path)
    for content, written in ((b"one", 1_700_000_000), (None, 1_700_000_000), (b"one", 1_700_003_600)):
        os.utime(path, (written, written))
        assert await file.fetch(limit=LIMIT) == content
        assert file.as_of == datetime.fromtimestamp(written, UTC)


async def test_what_was_lost_is_given_once_more(tmp_path):
    path = tmp_path / "list.xml"
    path.write_bytes(b"one")
    file = PathSource(path)
    assert await file.fetch(limit=LIMIT) == b"one"
    file.forget()
    assert await file.fetch(limit=LIMIT) == b"one"


async def test_a_file_that_comes_too_late_is_given_the_next_time(tmp_path, monkeypatch):
    """Nobody has it yet."""
    path = tmp_path / "root.crl"
    path.write_bytes(b"one")
    file, gate, read = PathSource(path, total=0.05), threading.Event(), PathSource._read
    monkeypatch.setattr(PathSource, "_read", lambda *these: (read(*these), gate.wait())[0])
    with pytest.raises(SourceUnavailable, match="cannot be read within"):
        await file.fetch(limit=LIMIT)
    with pytest.raises(SourceUnavailable, match="still hangs"):
        await file.fetch(limit=LIMIT)
    gate.set()
    for each in threading.enumerate():
        if each.name == "source-file":
            each.join(10)
    file._total = 10
    assert await file.fetch(limit=LIMIT) == b"one"
    assert await file.fetch(limit=LIMIT) is None


# Servers.


async def test_look_ups_that_hang_take_no_common_thread(trusting, monkeypatch):
    """All else that waits for a thread goes on: the disk, the store."""
    gate = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: gate.wait() and [])
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    try:
        crl = source("http://crl.example/a", tls=trusting, clear=True, total=0.05)
        for why in ("within 0.05 s", "still hangs"):
            with pytest.raises(SourceUnavailable, match=why):
                await crl.fetch(limit=LIMIT)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(len, "abc") == 3
    finally:
        gate.set()


async def test_a_server_is_tried_at_all_its_addresses(trusting, monkeypatch):
    """Nobody listens at the first."""
    async with served(ok(b"crl")) as (url, _):
        port = int(url.rpartition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert await fetched(f"http://crl.example:{port}/", trusting) == b"crl"


@pytest.mark.parametrize("secured", [False, True])
async def test_an_address_that_swallows_packets_keeps_nobody_from_the_next(
    trusting, authority, tmp_path, monkeypatch, secured
):
    """IPv6 that a firewall drops comes first as a rule: it would take all the time of a fetch, each time (TLS-5)."""
    monkeypatch.setattr("mssgw.edges.http_get._EACH", 0.2)
    tls = server_context(authority.issue(tmp_path, "crl.example")) if secured else None
    with socket.create_server(("127.0.0.3", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        silent = [socket.socket() for _ in range(2 if not secured else 0)]  # who waits to be accepted: no more may
        for each in silent:
            each.setblocking(False)
            each.connect_ex(("127.0.0.3", port))
        async with await asyncio.start_server(Server(ok(b"crl")), "127.0.0.1", port, ssl=tls):
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.3", "127.0.0.1")]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            url = f"{'https' if secured else 'http'}://crl.example:{port}/"
            assert await fetched(url, trusting, total=3) == b"crl"
        for each in silent:
            each.close()


async def test_a_host_that_is_no_name_is_unavailable(trusting):
    with pytest.raises(SourceUnavailable, match="no name"):
        await fetched(f"http://{'é' * 70}.example/", trusting)


async def test_a_list_that_was_lost_is_sent_once_more(trusting):
    """Whatever the server knows of what we have."""
    async with served(ok(b"crl", 'ETag: "v1"')) as (url, server):
        crl = source(url, tls=trusting, clear=True)
        await crl.fetch(limit=LIMIT)
        crl.forget()
        assert (await crl.fetch(limit=LIMIT), crl.as_of) == (b"crl", None)
    assert "If-None-Match" not in server.requests[1]


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"crl"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncr\r\n1;x=y\r\nl\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\ncrl",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"crl"),
    ],
)
async def test_the_forms_of_a_body(trusting, answer):
    async with served(answer) as (url, server):
        assert await fetched(f"{url}/a/b.crl?c=d", trusting) == b"crl"
    assert server.requests[0].startswith("GET /a/b.crl?c=d HTTP/1.1\r\n")


async def test_what_did_not_change_is_not_sent_again(trusting):
    fresh = ok(b"crl", 'ETag: "v1"', "Last-Modified: Mon, 05 Jan 2026 09:00:00 GMT")
    async with served(fresh, status("304 Not Modified"), ok(b"new")) as (url, server):
        crl = source(url, tls=trusting, clear=True)
        assert [await crl.fetch(limit=LIMIT) for _ in range(3)] == [b"crl", None, b"new"]
    assert "If-None" not in server.requests[0]
    assert 'If-None-Match: "v1"\r\n' in server.requests[1]
    assert "If-Modified-Since: Mon, 05 Jan 2026 09:00:00 GMT\r\n" in server.requests[1]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status("500 Oops"), "HTTP status 500"),
        (status("404 Not Found"), "HTTP status 404"),
        (status("304 Not Modified"), "HTTP status 304"),  # we asked for no difference
        (status("204 No Content"), "HTTP status 204"),
        (ok(b"x" * (LIMIT + 1)), "larger than 1000"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1), "larger than 1000"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n", "larger than 1000"),
        (ok(b"crl")[:-1], "cut off"),
        (b"", "cut off"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "too many header lines"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "does not begin"),
        (ok(b"crl", "Content-Encoding: gzip"), "compressed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "transfer encoding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncrlXX0\r\n\r\n", "not HTTP"),
    ],
)
async def test_answers_that_cannot_be_used(trusting, answer, why):
    async with served(answer) as (url, _):
        with pytest.raises(SourceUnavailable, match=f"^{url}/x: .*{why}"):
            await fetched(f"{url}/x", trusting)


async def test_a_server_that_drips_is_left_in_time(trusting):
    """Each octet comes in time; all of them would take for ever."""
    dripped = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            dripped.set()

    async with served(drip) as (url, _):
        with pytest.raises(SourceUnavailable, match=r"not fetched within 0\.2 s"):
            await fetched(url, trusting, total=0.2)
        async with asyncio.timeout(5):
            await dripped.wait()  # the connection is closed, not left behind


async def test_a_server_that_is_not_there(trusting):
    async with served(ok(b"")) as (url, _):
        pass
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        await fetched(url, trusting)


# Redirections.


async def test_a_redirection_is_followed(trusting):
    async with served(status("302 Found", "Location: /there?x"), ok(b"crl")) as (url, server):
        assert await fetched(f"{url}/here", trusting) == b"crl"
    assert server.requests[1].startswith("GET /there?x ")


async def test_redirections_end(trusting):
    async with served(status("301 Moved", "Location: /again")) as (url, server):
        with pytest.raises(SourceUnavailable, match="more than 3 redirections"):
            await fetched(url, trusting)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[", "http://127.0.0.1:port/", "//"]
)
async def test_no_redirection_elsewhere(trusting, place):
    async with served(status("302 Found", f"Location: {place}")) as (url, _):
        with pytest.raises(SourceUnavailable):
            await fetched(url, trusting)


async def test_https_is_never_redirected_into_the_clear(trusting, authority, tmp_path):
    tls = server_context(authority.issue(tmp_path, "127.0.0.1"))
    async with (
        served(ok(b"forged")) as (clear, forger),
        served(status("302 Found", f"Location: {clear}"), tls=tls) as (url, _),
    ):
        with pytest.raises(SourceUnavailable, match="redirected to http://"):
            await fetched(url, trusting)
    assert forger.requests == []


# TLS and names.


async def test_https_verifies_against_the_anchors(trusting, authority, tmp_path):
    async with served(ok(b"list"), tls=server_context(authority.issue(tmp_path, "127.0.0.1"))) as (url, _):
        assert await fetched(url, trusting) == b"list"


@pytest.mark.parametrize("wrong", ["authority", "name", "expired"])
async def test_https_refuses_servers_that_it_cannot_verify(trusting, authority, tmp_path, wrong):
    signer = Authority() if wrong == "authority" else authority
    name = "127.0.0.9" if wrong == "name" else "127.0.0.1"
    tls = server_context(signer.issue(tmp_path, name, days=-1 if wrong == "expired" else 10))
    async with served(ok(b"forged"), tls=tls) as (url, server):
        with pytest.raises(SourceUnavailable, match="certificate is not trusted"):
            await fetched(url, trusting)
    assert server.requests == []


@pytest.mark.parametrize("place", ["http://example.fr/list.xml", "ftp://example.fr/", "https://", "https://a:b:c/"])
def test_urls_that_are_never_fetched(trusting, place):
    """A white list comes by https only; a CRL is signed, and its http will do."""
    with pytest.raises(SourceUnavailable):
        source(place, tls=trusting)


async def test_secrets_of_a_url_are_sent_and_not_shown(trusting):
    other = served(ok(b"crl"))
    async with other as (elsewhere, second), served(status("302 Found", f"Location: {elsewhere}")) as (url, first):
        secret = source(url.replace("//", "//user:s3cret@") + "/x?token=s3cret", tls=trusting, clear=True)
        assert await secret.fetch(limit=LIMIT) == b"crl"
    assert secret.name == f"{url}/x"
    assert "Authorization: Basic dXNlcjpzM2NyZXQ=\r\n" in first.requests[0]
    assert "Authorization" not in second.requests[0]  # another server


async def test_a_url_that_would_split_the_request_is_not_sent(trusting):
    async with served(ok(b"crl")) as (url, server):
        with pytest.raises(SourceUnavailable, match="characters that HTTP forbids"):
            await fetched(f"{url}/a b\u00e9", trusting)
    assert server.requests == []


def test_a_path_is_a_path(trusting, tmp_path):
    assert source(str(tmp_path / "x"), tls=trusting).name == str(Path(tmp_path / "x"))
