"""One HTTP/1.1 request over asyncio: enough to fetch a published file from a server that may be hostile, and to tell
a webhook something.

Not http.client in a thread: its waits end one by one, so that a server which drips holds it for hours, and a thread
cannot be cancelled when the daemon stops. Here the caller's time-out ends everything at once, and closes the socket.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from mssgw.edges.lone_thread import LoneThread

_LINE = 16_384  # octets of a header line
_HEADERS = 100
_READ = 65_536
_EACH = 4.0  # seconds for an address, TLS included, while there is another: behind a firewall one is silent


class HttpTrouble(Exception):
    """The answer is not one that can be used. The text says why, without anything that the server said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``headers``: names in lower case; of one that comes several times, the first. ``body`` of a 200, else empty."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


async def get(
    url: SplitResult, headers: Mapping[str, str], *, tls: ssl.SSLContext | None, limit: int, thread: LoneThread
) -> Answer:
    """The answer to that request; a body of more than ``limit`` octets is not read to its end.

    ``thread``: for the look-up of the server's name, which no time-out ends.
    Has no time limit of its own. Raises HttpTrouble, OSError (ssl.SSLError is one), and EOFError for an answer that
    was cut off.
    """
    reader, writer = await _connected(url, tls if url.scheme == "https" else None, thread)
    try:
        writer.write(_request(url, headers))
        await writer.drain()
        status, told = await _head(reader)
        body = await _body(reader, told, limit) if status == 200 else b""
        return Answer(status=status, headers=told, body=body)
    except (asyncio.LimitOverrunError, ValueError):  # a number that is none, a line without end
        raise HttpTrouble("the answer is not HTTP") from None
    finally:
        writer.transport.abort()  # it was told that we close; its farewell is nothing to wait for


async def post(
    url: SplitResult, headers: Mapping[str, str], content: bytes, *, tls: ssl.SSLContext, thread: LoneThread
) -> int:
    """The status of the answer to that content; the rest of the answer is not read. See get()."""
    reader, writer = await _connected(url, tls, thread)
    try:
        length = {"Content-Length": str(len(content))}
        writer.write(_request(url, {**headers, **length}, method="POST") + content)
        await writer.drain()
        status, _ = await _head(reader)
        return status
    except (asyncio.LimitOverrunError, ValueError):
        raise HttpTrouble("the answer is not HTTP") from None
    finally:
        writer.transport.abort()


async def _connected(
    url: SplitResult, tls: ssl.SSLContext | None, thread: LoneThread
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first of its addresses that takes us. The certificate must be for its name."""
    host, port = url.hostname or "", url.port or (443 if tls else 80)
    try:
        addresses = await thread.run(_addresses, host, port)
    except UnicodeError:
        raise HttpTrouble("the URL's host is no name") from None
    trouble: OSError | None = None
    for number, address in enumerate(addresses, 1):
        try:
            async with asyncio.timeout(_EACH if number < len(addresses) else None):
                return await asyncio.open_connection(
                    address, port, ssl=tls, server_hostname=host if tls else None, limit=_LINE
                )
        except ssl.SSLError:
            raise
        except OSError as error:
            trouble = error
    raise trouble or HttpTrouble("its server has no address")


def _addresses(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _request(url: SplitResult, headers: Mapping[str, str], *, method: str = "GET") -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host = url.netloc.rpartition("@")[2]
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if any(not (" " <= each <= "~") for line in lines for each in line):
        raise HttpTrouble("the URL has characters that HTTP forbids")
    return f"{text}\r\n\r\n".encode("ascii")


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\n")).rstrip(b"\r\n").decode("latin-1")


async def _head(reader: asyncio.StreamReader) -> tuple[int, Mapping[str, str]]:
    for _ in range(5):  # interim answers: 100, 103
        version, _, rest = (await _line(reader)).partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit() and len(code) == 3):
            raise HttpTrouble("the answer is not HTTP")
        headers = await _headers(reader)
        if code[0] != "1":
            return int(code), headers
    raise HttpTrouble("the answer does not begin")


async def _headers(reader: asyncio.StreamReader) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_HEADERS):
        if not (line := await _line(reader)):
            return headers
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), value.strip())
    raise HttpTrouble("too many header lines")


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str], limit: int) -> bytes:
    if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise HttpTrouble("compressed, though we asked for it as it is")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise HttpTrouble("a transfer encoding other than chunked")
        return await _chunks(reader, limit)
    if "content-length" not in headers:
        return await _until_end(reader, limit)
    size = _number(headers["content-length"], 10)
    _bounded(size, limit)
    return await reader.readexactly(size)


async def _chunks(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = bytearray()
    while size := _number((await _line(reader)).partition(";")[0].strip(), 16):
        _bounded(len(body) + size, limit)
        body += await reader.readexactly(size)
        if await _line(reader):
            raise HttpTrouble("the answer is not HTTP")
    return bytes(body)


async def _until_end(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = bytearray()
    while piece := await reader.read(_READ):
        _bounded(len(body) + len(piece), limit)
        body += piece
    return bytes(body)


def _number(text: str, base: int) -> int:
    if not text or len(text) > 15 or not (text.isascii() and text.isalnum()):  # int() also takes signs, _ and spaces
        raise ValueError
    return int(text, base)


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise HttpTrouble(f"larger than {limit} octets")


def what_is_wrong(error: Exception) -> str:
    """Why a server could not be asked, in words for a log."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or 'closed'})"
        case HttpTrouble():
            return str(error)
        case EOFError():
            return "the answer was cut off"
        case OSError():
            return f"cannot be reached ({error.strerror or type(error).__name__})"
        case _:
            return type(error).__name__
