"""The bytes of a message on their way out: what we prepend, and the body exactly as it rests."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from mssgw.core.errors import Undecryptable
from mssgw.ports import Body, Spool

JOINED = 524_288  # up to here one write is cheaper than several


class Outgoing:
    """One message as DATA carries it: trace header, wire-form body.

    ``size`` is that of RFC 1870: both together, without the dots that stuffing added.
    """

    def __init__(self, trace: bytes, body: Body, spool: Spool) -> None:
        """Raises Undecryptable when the bytes at hand are not those of the body."""
        self.trace = trace
        self._body = body
        self._spool = spool
        self._at_hand = body.at_hand
        if self._at_hand is not None:
            tail = b"".join(segment[-2:] for segment in self._at_hand[-2:])[-2:]
            _check(sum(map(len, self._at_hand)), tail, body)

    @property
    def size(self) -> int:
        return len(self.trace) + self._body.size

    def whole(self) -> bytes | None:
        """All of it, the final dot included, when it is small and at hand."""
        if self._at_hand is None or self._body.wire_size > JOINED:
            return None
        return b"".join((self.trace, *self._at_hand, b".\r\n"))

    def seen_eight_bit(self) -> bool | None:
        """Whether the body holds an octet above 127; None when it lies in the spool."""
        return None if self._at_hand is None else not all(map(bytes.isascii, self._at_hand))

    async def holds_eight_bit(self) -> bool:
        """The same, read from the spool if need be. Raises Gone or Undecryptable."""
        async with aclosing(self.segments()) as segments:
            async for segment in segments:
                if not segment.isascii():
                    return True
        return False

    async def header_holds_eight_bit(self) -> bool:
        """The same of what stands before the first empty line. Raises Gone or Undecryptable."""
        head = b""
        async with aclosing(self.segments()) as segments:
            async for segment in segments:
                head += segment
                if b"\r\n\r\n" in head:
                    break
        return not head.partition(b"\r\n\r\n")[0].isascii()

    async def segments(self) -> AsyncGenerator[bytes, None]:
        """The body in segments, without trace header and final dot.

        Raises Gone or Undecryptable, also at the end when the length is not that of the body: whoever sends must
        then not send the dot.
        """
        if self._at_hand is not None:
            for segment in self._at_hand:
                yield segment
            return
        sent, tail = 0, b""
        async with AsyncExitStack() as stack:
            segments = self._spool.read(self._body)
            if (aclose := getattr(segments, "aclose", None)) is not None:
                stack.push_async_callback(aclose)
            async for segment in segments:
                sent, tail = sent + len(segment), (tail + segment[-2:])[-2:]
                yield segment
        _check(sent, tail, self._body)


def _check(length: int, tail: bytes, body: Body) -> None:
    # A body cut short, or one whose last line would swallow the final dot, must never look complete to the peer.
    if length != body.wire_size or (length and tail != b"\r\n"):
        raise Undecryptable("the stored body does not have the length or the end that it was stored with")
