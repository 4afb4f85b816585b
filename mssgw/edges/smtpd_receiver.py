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


class GaveWay(TooSlow):
    """Others wait for their turn, and this peer has more than its share or is very slow."""

    reply = Reply(421, "4.3.2", "Passerelle tres chargee et transfert trop lent, rien n'a ete conserve")


class DataReceiver(asyncio.BufferedProtocol):
    """Stands in for the dialogue as the protocol of its transport; one buffer, then the peer has to wait.

    The transport is plain or TLS. Close it with ``close()``, which gives the transport back to the dialogue.
    """

    def __init__(
        self, dialogue: "Dialogue", transport: asyncio.Transport, *, idle: float, rate: int, total: float
    ) -> None:
        """``idle``: seconds over which, and ``rate``: octets a second below which, the peer is too slow.

        ``total``: seconds that all of the letter may take, looked at once in a period.
        """
        self._dialogue, self._transport, self._loop = dialogue, transport, dialogue.loop
        self._buffer = _spare.pop() if _spare else bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._filled = self._since = self._before = 0
        self._full = self._excused = self._gone = False
        self._why: TooSlow | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._began, self._total, self._period = self._loop.time(), total, min(idle, total)
        self._enough = max(1, int(rate * self._period))
        self._watch = self._loop.call_later(self._period, self._look)
        transport.set_protocol(self)

    async def chunk(self) -> bytes:
        """What has come since the last call, one octet at least. Raises PeerGone or TooSlow."""
        while not self._filled:
            if self._gone:
                raise PeerGone
            if self._why is not None:
                raise self._why
            self._waiter = self._loop.create_future()
            await self._waiter
        data = bytes(self._view[: self._filled])
        self._filled = 0
        if self._full:
            self._full = False
            self._transport.resume_reading()
        return data

    @property
    def rate(self) -> float:
        """Octets a second since the letter began (smtpd_intake.Transfer)."""
        return (self._before + self._since) / max(self._loop.time() - self._began, 0.001)

    def cut(self) -> None:
        """End it, unless the rest has come already: somebody else waits."""
        self._end(GaveWay())

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

    def _end(self, why: TooSlow) -> None:
        self._why = self._why or why
        self._wake()

    def _look(self) -> None:
        """Was the last period too slow, or are all too many? Not slow when it was us who made the peer wait."""
        slow = self._since < self._enough and not self._excused
        if slow or self._loop.time() - self._began >= self._total:
            self._end(TooSlow())
            return
        self._before, self._since = self._before + self._since, 0
        self._excused = self._full
        self._watch = self._loop.call_later(self._period, self._look)
