"""A letter as a mailbox gives it: into wire form as SMTP would have brought it, and who had sent it."""

import re
from io import BytesIO

from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedAddress
from mssgw.formats.data_phase import LINE_LIMIT, DataDecoder, Problem
from mssgw.formats.headers import MAX_HEADER, Header, message_id, read_header, without_comments
from mssgw.formats.mailboxes import Allowance, read_addresses

_BLANK = re.compile(rb"(?:\A|\n)\r?\n")
_TAIL = 2  # octets before a piece that decide whether a dot in it begins a line


class WireForm:
    """Content in pieces of any length to wire form, under the rules of DATA: see data_phase.

    IMAP gives lines that end with CRLF. A store whose first line ends with LF alone is taken to end all so, which all
    readers read alike; CR or LF alone besides, and NUL, are a problem: two readers could see two letters.
    """

    def __init__(self, limit: int) -> None:
        """``limit``: octets that pass."""
        self._decoder = DataDecoder(limit)
        self._tail = b"\r\n"  # as if a line came before the first
        self._beginning: BytesIO | None = BytesIO()  # until the first line end has come
        self._line_feeds = False

    @property
    def problem(self) -> Problem | None:
        return self._decoder.problem

    @property
    def size(self) -> int:
        """Octets so far, without stuffed dots."""
        return self._decoder.size

    def feed(self, piece: bytes) -> bytes:
        """Take a piece of content; the wire bytes that it completes, b"" from the first problem on."""
        if self._beginning is not None:
            self._beginning.write(piece)
            if b"\n" not in piece and self._beginning.tell() <= LINE_LIMIT:
                return b""
            piece, self._beginning = self._beginning.getvalue(), None
            end = piece.find(b"\n")
            self._line_feeds = end >= 0 and piece[max(end - 1, 0) : end] != b"\r"
        return self._pass(piece.replace(b"\n", b"\r\n") if self._line_feeds else piece)

    def end(self) -> bytes:
        """The content has ended: the rest, with a line end when it had none."""
        rest = b""
        if self._beginning is not None:  # a single line without its end, or nothing at all
            rest, self._beginning = self._pass(self._beginning.getvalue()), None
        if not self._tail.endswith(b"\r\n"):
            rest += self._pass(b"\r\n")
        return rest + self._decoder.feed(b".\r\n")

    def _pass(self, content: bytes) -> bytes:
        seen = self._tail + content
        wire = seen.replace(b"\r\n.", b"\r\n..")[len(self._tail) :]
        self._tail = seen[-_TAIL:]
        return self._decoder.feed(wire)


def has_header(beginning: bytes | bytearray) -> bool:
    """Whether the header of a letter is in these first octets of it, or will never be, for it is too long."""
    return bool(_BLANK.search(beginning)) or len(beginning) > MAX_HEADER


def header_of(beginning: bytes) -> Header:
    """The header, as far as these first octets hold it, whatever ends its lines. Linear; 100 kB take milliseconds."""
    blank = _BLANK.search(beginning)
    block = beginning[: blank.start()] if blank else beginning[:MAX_HEADER]
    return read_header(block if b"\r" in block else block.replace(b"\n", b"\r\n"))


def reverse_path_of(header: Header) -> Address | None:
    """The Return-Path that the mailbox's operator wrote on top, else the author; None is ``<>``, or nobody."""
    for text in header.texts("return-path")[:1]:
        path = without_comments(text).strip()
        if path.strip("<> \t") == "" and path:
            return None
        try:
            return Address.parse(path.removeprefix("<").removesuffix(">").strip())
        except MalformedAddress:
            break
    allowance = Allowance()
    authors = [each for text in header.texts("from") for each in read_addresses(text, allowance).found]
    return authors[0] if len(set(authors)) == 1 else None


def message_id_of(header: Header) -> str | None:
    return message_id(header.first("message-id"))
