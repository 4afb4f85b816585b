"""The parts of a message as the scanner meets them, and those who keep some of their content."""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mssgw.formats.file_names import names_of
from mssgw.formats.headers import Header
from mssgw.formats.parameters import Parameters, content_type, disposition
from mssgw.formats.wire import unstuffed
from mssgw.formats.words import text_of

Octets = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A leaf of the MIME tree, known from its header. ``path``: (2, 1) is the first part of the second part; () is
    the body of a message that is no multipart."""

    path: tuple[int, ...]
    kind: Parameters
    header: Header = field(repr=False)

    @property
    def encoding(self) -> str:
        """Content-Transfer-Encoding in lower case, "7bit" when not given."""
        return self.header.first("content-transfer-encoding").lower() or "7bit"

    @property
    def disposition(self) -> Parameters:
        return disposition(self.header.first("content-disposition"))

    @property
    def names_a_boundary(self) -> bool:
        """Whether its type does, though it is no multipart: some programs take apart whatever has one."""
        return "boundary" in self.header.first("content-type").lower()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a program may show it under: see names_of()."""
        return names_of(self.header, self.kind, self.disposition)


class Taker(Protocol):
    """Takes the content of one part while it streams by."""

    def take(self, octets: Octets) -> bool:
        """More octets: wire form (dot-stuffed), transfer encoding not undone, cut anywhere. Must not raise.

        They are the walk's own: what is to outlive the call is copied. False: it needs no more of them.
        """


class Keeper(Protocol):
    """Is offered every leaf part once its header is read. Several keepers may take the same part."""

    def offer(self, part: Part) -> Taker | None:
        """Give a taker for its content, or None to let it pass at full speed. Must not raise."""


class Excerpt:
    """Keeps the beginning of one part's content."""

    def __init__(self, part: Part, limit: int) -> None:
        self.part = part
        self._limit = limit
        self._octets = bytearray()

    def take(self, octets: Octets) -> bool:
        self._octets += octets[: self._limit - len(self._octets)]
        return not self.full

    @property
    def full(self) -> bool:
        """Whether more than this may follow."""
        return len(self._octets) >= self._limit

    @property
    def raw(self) -> bytearray:
        """What was kept, as it came."""
        return self._octets

    @property
    def content(self) -> bytes:
        """What was kept, without stuffed dots and transfer encoding; damaged base64 gives what can be read."""
        plain = unstuffed(bytes(self._octets))
        match self.part.encoding:
            case "base64":
                return _from_base64(plain)
            case "quoted-printable":
                return binascii.a2b_qp(plain)
            case _:
                return plain

    @property
    def text(self) -> str:
        return text_of(self.content, self.part.kind.parameters.get("charset"))


def _from_base64(octets: bytes) -> bytes:
    compact = octets.translate(None, b"\r\n\t ")
    try:
        return binascii.a2b_base64(compact[: len(compact) // 4 * 4])
    except binascii.Error:
        return b""


class FirstParts:
    """A keeper of the first part of each of some media types, attachments left out but for parts of reports."""

    def __init__(self, media_types: Sequence[str], limit: int = 65_536) -> None:
        self._wanted = frozenset(media_types)
        self._limit = limit
        self._kept: dict[str, Excerpt] = {}

    def offer(self, part: Part) -> Taker | None:
        kind = part.kind.value
        if kind not in self._wanted or kind in self._kept:
            return None
        if part.disposition.value == "attachment" and not kind.startswith("message/"):
            return None
        self._kept[kind] = excerpt = Excerpt(part, self._limit)
        return excerpt

    def get(self, media_type: str) -> Excerpt | None:
        """The first part of that type, once its content has streamed by."""
        return self._kept.get(media_type)


def kind_of(header: Header, default: str = "") -> Parameters:
    """What a header says its body is; ``default`` where it says nothing, text where that is "" too."""
    return content_type(header.first("content-type") or default)
