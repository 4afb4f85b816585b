"""A letter as it goes into a mailbox: what is put above it, how it is flagged, and its octets as they were sent.

A patient's copy says besides that its letter ends the exchange, in its subject and by a keyword; and that no receipt is
left for his mail client to send, where we send it ourselves when he opens the letter.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from mssgw.core.delivery import Delivery
from mssgw.core.message import Fin
from mssgw.core.moves import ends_exchange
from mssgw.core.receipts import told_of_opening
from mssgw.core.routes import Route
from mssgw.formats.fin_shown import Mark, fin_mark
from mssgw.formats.headers import MAX_HEADER
from mssgw.formats.received import return_path
from mssgw.formats.trace_fields import trace_fields
from mssgw.formats.wire import Unstuffer
from mssgw.ports import Body, Spool, Stored
from mssgw.ports.mailbox import MDN_SENT

ENDS = "$MssFin"  # the keyword of a letter that ends an exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """``above``: what stands on top, below the letter's id. ``mark``: what comes into it."""

    above: bytes = field(repr=False)
    body: Body = field(repr=False)
    flags: frozenset[str] = frozenset()
    mark: Mark | None = None

    @property
    def size(self) -> int:
        """Octets in all."""
        return len(self.above) + self.body.size + (len(self.mark.octets) if self.mark is not None else 0)


class Copies:
    """Makes them from letters in this spool."""

    def __init__(self, spool: Spool, *, hostname: str) -> None:
        self._spool, self._hostname = spool, hostname

    async def of(self, route: Route, stored: Stored, delivery: Delivery) -> Copy:
        """The copy of one recipient. Raises Gone or Undecryptable when the body cannot be read."""
        back = return_path(stored.envelope.reverse_path)
        trace = trace_fields(
            stored.facts, hostname=self._hostname, spool_id=stored.spool_id, accepted_at=stored.accepted_at
        )
        if not route.patients:
            return Copy(above=back + trace, body=stored.body)
        flags, mark = set[str](), None
        if told_of_opening(stored.facts.head, stored.envelope.reverse_path) is not None:
            flags.add(MDN_SENT)  # req: SD-13
        if ends_exchange(stored.facts, delivery.forward_path.address):  # req: FIN-1, FIN-2
            flags.add(ENDS)
            mark = await self._mark(route, stored)
        above = back + (mark.field if mark is not None else b"") + trace
        return Copy(above=above, body=stored.body, flags=frozenset(flags), mark=mark)

    async def octets(self, copy: Copy) -> AsyncGenerator[bytes, None]:
        """All of it, without stuffed dots. Whoever takes it checks the size."""
        yield copy.above
        mark, at = copy.mark, 0
        async with aclosing(self._plain(copy.body)) as pieces:
            async for piece in pieces:
                if mark is not None and at <= mark.at < at + len(piece):
                    cut = mark.at - at
                    yield piece[:cut] + mark.octets + piece[cut:]
                else:
                    yield piece
                at += len(piece)

    async def _mark(self, route: Route, stored: Stored) -> Mark | None:
        head = stored.facts.head
        if not route.marks_subject or head is None or head.subject_fin is Fin.EXACT:  # that subject says it already
            return None
        begins = bytearray()
        async with aclosing(self._plain(stored.body)) as pieces:
            async for piece in pieces:
                begins += piece
                if b"\r\n\r\n" in begins or len(begins) > MAX_HEADER:
                    break
        return fin_mark(bytes(begins))

    async def _plain(self, body: Body) -> AsyncGenerator[bytes, None]:
        unstuffer = Unstuffer()
        if body.at_hand is not None:
            for segment in body.at_hand:
                yield unstuffer.feed(segment)
        else:
            segments = self._spool.read(body)
            try:
                async for segment in segments:
                    yield unstuffer.feed(segment)
            finally:
                if (aclose := getattr(segments, "aclose", None)) is not None:
                    await aclose()
        yield unstuffer.end()
