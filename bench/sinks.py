"""Next hops: Postfix's smtp-sink, which only counts, and one of our own that notes when each letter came."""

import asyncio
import os
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.peers.ports import free_port, wait_until_it_listens

NUMBER = re.compile(rb"^X-Bench-Number: (\d+)\r\n", re.MULTILINE)
_COUNTED = re.compile(rb"mesg=(\d+)")
_REPLIES = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 60000000\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
_END = b"\r\n.\r\n"


class CountingSink:
    """One smtp-sink on ``port``. ``count`` is how many letters it has taken since it started."""

    def __init__(self, port: int, log: Path) -> None:
        self.port, self._log = port, log

    def count(self) -> int:
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - 200))
            found = _COUNTED.findall(file.read())
        return int(found[-1]) if found else 0

    def wait_for(self, count: int, limit: float) -> bool:
        """Until it has taken that many; False when it has not within ``limit`` seconds."""
        end = time.monotonic() + limit
        while self.count() < count:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


@contextmanager
def counting_sink() -> Iterator[CountingSink]:
    as_user = ["-u", "postfix"] if os.geteuid() == 0 else []
    with tempfile.NamedTemporaryFile(prefix="mssgw-bench-sink-") as log:
        port = free_port()
        command = ["smtp-sink", "-c", *as_user, f"127.0.0.1:{port}", "1000"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.DEVNULL)
        try:
            if not wait_until_it_listens(port, limit=10, alive=lambda: process.poll() is None):
                raise RuntimeError("smtp-sink does not start")
            yield CountingSink(port, Path(log.name))
        finally:
            process.terminate()
            process.wait(10)


class Arrivals:
    """When each numbered letter's final dot came, by the monotonic clock, which all processes here share."""

    def __init__(self) -> None:
        self.port = 0
        self.at: dict[int, float] = {}
        self.twice = 0
        self._changed = asyncio.Event()

    def note(self, letter: bytes) -> None:
        if (found := NUMBER.search(letter)) is None:
            return  # warm-up
        number = int(found[1])
        self.twice += number in self.at
        self.at.setdefault(number, time.monotonic())
        self._changed.set()

    async def wait_for(self, count: int, limit: float) -> bool:
        """Until so many different letters came; False when they did not within ``limit`` seconds."""
        try:
            async with asyncio.timeout(limit):
                while len(self.at) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def timing_sink() -> AsyncIterator[Arrivals]:
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(lambda: _Session(arrivals), "127.0.0.1", 0)
    arrivals.port = server.sockets[0].getsockname()[1]
    try:
        yield arrivals
    finally:
        server.close()


class _Session(asyncio.Protocol):
    """Takes everything, pipelined or not."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals, self._seen = arrivals, bytearray()
        self._in_data, self._searched = False, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while self._letter_ends() if self._in_data else self._command():
            pass

    def _command(self) -> bool:
        line, end, _ = self._seen.partition(b"\r\n")
        if not end:
            return False
        del self._seen[: len(line) + 2]
        verb = bytes(line[:4]).upper()
        self._in_data, self._searched = verb == b"DATA", 0
        self._transport.write(b"354 Go on\r\n" if self._in_data else _REPLIES.get(verb, b"250 2.0.0 Ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()
        return verb != b"QUIT"

    def _letter_ends(self) -> bool:
        end = self._seen.find(_END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._seen) - len(_END))
            return False
        self._arrivals.note(bytes(self._seen[: min(end, 8192)]))
        del self._seen[: end + len(_END)]
        self._in_data = False
        self._transport.write(b"250 2.0.0 Ok\r\n")
        return True
