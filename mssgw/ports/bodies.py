"""The bytes of a message, and how large they may be in the row."""

from dataclasses import dataclass, field

INLINE_LIMIT = 65_536  # octets of wire form that stay in the row; more goes to the spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The bytes of a message in wire form: CRLF and dot-stuffed as received, without the final ``.CRLF``.

    ``size`` counts octets without stuffed dots (SD-1); ``wire_size`` counts them all. ``key`` is the 32-byte data key
    under which they rest. Up to INLINE_LIMIT the bytes are ``inline`` and the store keeps them encrypted in the row;
    beyond, they rest in the spool under that id, already durable: a file, or rows of the database that several nodes
    share. ``hot`` is a copy of a large body's segments while memory allows, so that a healthy letter is never read
    back.
    """

    spool_id: str
    key: bytes = field(repr=False)
    size: int
    wire_size: int
    inline: bytes | None = field(default=None, repr=False)
    hot: tuple[bytes, ...] | None = field(default=None, repr=False)

    @property
    def at_hand(self) -> tuple[bytes, ...] | None:
        """The bytes when memory holds them; else None, and a spool reads them."""
        return self.hot if self.inline is None else (self.inline,)
