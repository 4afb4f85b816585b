"""A next hop in this process that remembers whatever it said 250 to, and says so as long as it is ``open``."""

import asyncio
import contextlib
import hashlib
import re
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.peers.ports import free_port

_END = b"\r\n.\r\n"
_PAYLOAD_ID = re.compile(rb"^X-Payload-Id: (\S+)\r$", re.MULTILINE)
_QUEUE_ID = re.compile(rb"\AReceived: .*?\sid (\S+);", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One letter that was taken. ``digest``: of its content from the X-Payload-Id on."""

    payload_id: str
    queue_id: str
    digest: str
    at: float  # time.monotonic()


def digest(content: bytes) -> str:
    """Of what no server on the way may change."""
    return hashlib.sha256(content[content.index(b"X-Payload-Id:") :]).hexdigest()


class Hop:
    """Runs in a thread of its own while the ``with`` block lasts."""

    def __init__(self) -> None:
        self.port = free_port()
        self.arrivals: list[Arrival] = []
        self.begun = 0  # bodies received, taken or not
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=16 * 2**20, backlog=256)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def shut(self) -> None:
        """Take letters in, but give no answer to their final dot."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def answer(self) -> None:
        """Answer again, also those that wait."""
        self._loop.call_soon_threadsafe(self._open.set)

    def count(self) -> int:
        """Different letters that arrived."""
        return len({arrival.payload_id for arrival in list(self.arrivals)})

    def wait_for(self, payload_ids: set[str], *, limit: float) -> set[str]:
        """Wait until all of these arrived; those that did not within the limit."""
        end = time.monotonic() + limit
        while missing := payload_ids - {arrival.payload_id for arrival in list(self.arrivals)}:
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        return missing

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._dialogue(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the node was killed, or the test is over
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.operator.invalid ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-mx.operator.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = (await reader.readuntil(_END))[:-3]
                self.begun += 1
                await self._open.wait()
                if found := _PAYLOAD_ID.search(content):
                    queued = _QUEUE_ID.match(content)
                    queue_id = queued[1].decode() if queued else ""
                    self.arrivals.append(Arrival(found[1].decode(), queue_id, digest(content), time.monotonic()))
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")
