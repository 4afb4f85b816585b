"""Takes the bytes of one message from the transport, which feeds it directly while DATA runs."""

import asyncio
from typing import TYPE_CHECKING

from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply

if TYPE_CHECKING:
    from mssgw.edges.smtpd_dialogue import Dialogue

BUFFER = 262_144  # octets: what a TLS transport hands over at once
_SPARE = 16  # buffers kept for the next messages
_spare: list[bytearray] = []


class PeerGone(ConnectionResetError):
    """The peer closed in the middle of DATA."""


class TooSlow(GatewayError):
    """The peer sends nothing, or next to nothing, in the middle of DATA."""

    reply = Reply(421, "4.4.2", "Delai depasse pendant DATA, rien n'a ete conserve")


class DataReceiver(asyncio.BufferedProtocol):
    """Stands in for the dialogue as the protocol of its transport; one buffer, then the peer has to wait.

    The transport is plain or TLS. Close it with ``close()``, which gives the transport back to the dialogue.
    """

    def __init__(self, dialogue: "Dialogue", transport: asyncio.Transport, *, idle: float, rate: int) -> None:
        """``idle``: seconds without which, and ``rate``: octets a second below which, the peer is too slow."""
        self._dialogue, self._transport, self._loop = dialogue, transport, dialogue.loop
        self._buffer = _spare.pop() if _spare else bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._filled = self._since = 0
        self._full = self._excused = self._gone = self._slow = False
        self._waiter: asyncio.Future[None] | None = None
        self._idle, self._enough = idle, max(1, int(rate * idle))
        self._watch = self._loop.call_later(idle, self._look)
        transport.set_protocol(self)

    async def chunk(self) -> bytes:
        """What has come since the last call, one octet at least. Raises PeerGone or TooSlow."""
        while not self._filled:
            if self._gone:
                raise PeerGone
            if self._slow:
                raise TooSlow
            self._waiter = self._loop.create_future()
            await self._waiter
        data = bytes(self._view[: self._filled])
        self._filled = 0
        if self._full:
            self._full = False
            self._transport.resume_reading()
        return data

    def close(self) -> bytes:
        """Give the transport back; returns what has come since the last chunk: it belongs to the dialogue."""
        rest = bytes(self._view[: self._filled])
        self._watch.cancel()
        self._view.release()
        if len(_spare) < _SPARE:
            _spare.append(self._buffer)
        if not self._transport.is_closing():
            self._transport.set_protocol(self._dialogue)
            if self._full:
                self._transport.resume_reading()
        return rest

    # What the transport calls

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        self._since += nbytes
        if self._filled == BUFFER:
            self._full = self._excused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool | None:
        self._gone = True
        self._wake()
        return self._dialogue.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._wake()
        self._dialogue.connection_lost(exc)

    def pause_writing(self) -> None:
        self._dialogue.pause_writing()

    def resume_writing(self) -> None:
        self._dialogue.resume_writing()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """Was the last period too slow? Not when it was us who made the peer wait."""
        if self._since < self._enough and not self._excused:
            self._slow = True
            self._wake()
            return
        self._since, self._excused = 0, self._full
        self._watch = self._loop.call_later(self._idle, self._look)
