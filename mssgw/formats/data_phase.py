"""The DATA phase on the wire: any cut of the byte stream in, message content in wire form out, no I/O.

Only CRLF.CRLF ends a message (or .CRLF at once). Bare CR, bare LF and NUL are problems, whatever follows: passing them
on is how messages are smuggled past the next server (RFC 5321 section 4.1.1.4; threats finding 3). So is a dot at the
beginning of a line that nobody doubled: servers take it away, so that it could hide a boundary from whoever looks at
the octets, and turn ".5 mg" into "5 mg" (section 4.5.2).
"""

import re
from enum import Enum
from io import IncrementalNewlineDecoder

from mssgw.core.replies import Reply

LINE_LIMIT = 1_048_576  # octets before CRLF; RFC 5321 says 998, institutions send far longer lines
_PIECE = 524_288  # octets looked at in one go
_FEW_DOTS = 64  # that are looked at one by one
_NAKED = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_LONE_DOT = re.compile(rb"(?:\A|(?<=\r\n))\.(?![.\r\n\0])")  # before those, they are what is wrong


class Problem(Enum):
    """What is wrong with a message body; the first in the stream counts. ``value`` is the reply to the final dot."""

    BARE_CR = Reply(554, "5.6.0", "Message refuse : retour chariot (CR) isole")
    BARE_LF = Reply(554, "5.6.0", "Message refuse : saut de ligne (LF) isole")
    NUL = Reply(554, "5.6.0", "Message refuse : octet nul")
    LONE_DOT = Reply(554, "5.6.0", "Message refuse : point en debut de ligne non double")
    LONG_LINE = Reply(554, "5.6.0", "Message refuse : ligne de plus de 1 Mio")
    TOO_BIG = Reply(552, "5.3.4", "Message trop volumineux")  # req: SD-1, SIZ-3


_NAKED_KIND = {b"\r": Problem.BARE_CR, b"\n": Problem.BARE_LF, b"\0": Problem.NUL}


class DataDecoder:
    """One message. Feed it what the socket gives until ``done``; ``leftover`` is then what follows the message.

    ``size`` counts the octets of the content without the dots that stuffing added (SD-1). From the first ``problem`` on
    nothing is given and nothing counted but ``discarded``; the end is still looked for, so that the reply comes where
    the peer expects it.
    """

    def __init__(self, limit: int, *, line_limit: int = LINE_LIMIT) -> None:
        """``limit``: octets of ``size`` that pass. ``line_limit``: octets of one line, CRLF not counted (8 or more)."""
        self._limit = limit
        self._line_limit = line_limit
        self._held = b""  # what cannot be judged before its next octet comes: CR, "." or ".CR" at a line start
        self._in_line = 0  # octets of the line in progress that were given; 0: at a line start
        self.size = 0
        self.discarded = 0
        self.problem: Problem | None = None
        self.done = False
        self.leftover = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next octets, any number; give the content they complete, b"" when none. Not after ``done``."""
        piece = min(_PIECE, self._line_limit - 4)  # no line can begin and grow too long within one piece
        if len(chunk) <= piece:
            return self._feed(chunk)
        given = []
        for start in range(0, len(chunk), piece):
            given.append(self._feed(chunk[start : start + piece]))
            if self.done:
                self.leftover += chunk[start + piece :]
                break
        return b"".join(given)

    def _feed(self, chunk: bytes) -> bytes:
        data = self._held + chunk if self._held else chunk
        dotted = _dotted_line(data)
        content = self._until_end(data, dotted)
        if self.problem is None and content:
            self.problem = self._judge(content, dotted=dotted >= 0)
        if self.problem is None:
            return content
        self.discarded += len(content)
        if content:
            self._in_line = 0 if content.endswith(b"\r\n") else 1
        return b""

    def _until_end(self, data: bytes, dotted: int) -> bytes:
        """Cut the content off at the end mark, or before what must wait for its next octet; see _dotted_line()."""
        if self._in_line == 0 and data.startswith(b".\r\n"):
            return self._end(b"", data[3:])
        if dotted >= 0:
            end = data.find(b"\r\n.\r\n", dotted)
            if end >= 0:
                return self._end(data[: end + 2], data[end + 5 :])
        held = self._undecided(data)
        self._held = data[len(data) - held :]
        return data[: len(data) - held] if held else data

    def _undecided(self, data: bytes) -> int:
        """How many octets at the end of ``data`` may yet turn out to be part of the end mark or of a CRLF."""
        for tail in (b".\r", b"."):
            before = len(data) - len(tail)
            at_line_start = self._in_line == 0 if before == 0 else data.endswith(b"\r\n", 0, before)
            if at_line_start and data.endswith(tail):
                return len(tail)
        return 1 if data.endswith(b"\r") else 0

    def _end(self, content: bytes, leftover: bytes) -> bytes:
        self.done = True
        self._held = b""
        self.leftover = leftover
        return content

    def _judge(self, content: bytes, *, dotted: bool) -> Problem | None:
        """Count ``content`` and find what is wrong with it. It never begins or ends within a CRLF.

        ``dotted``: whether a line behind a CRLF may begin with a dot.
        """
        first, last = content.find(b"\n"), content.rfind(b"\n")
        first_line = first - 1 if first >= 0 else len(content)
        dots = (content.count(b"\r\n.") if dotted else 0) + self._begins_with(b".", content)
        doubled = (content.count(b"\r\n..") + self._begins_with(b"..", content)) if dots else 0
        size = self.size + len(content) - dots
        if not _clean(content) or dots > doubled or self._in_line + first_line > self._line_limit or size > self._limit:
            return self._first_problem(content)
        self.size = size
        self._in_line = len(content) - last - 1 if last >= 0 else self._in_line + len(content)
        return None

    def _begins_with(self, dots: bytes, content: bytes) -> bool:
        """Whether the line that ``content`` begins does so; what continues a line begins none."""
        return self._in_line == 0 and content.startswith(dots)

    def _first_problem(self, content: bytes) -> Problem:
        """Which problem comes first, so that the answer does not depend on how the stream was cut. Slow, runs once."""
        found = []
        naked = _NAKED.search(content)
        if naked:
            found.append((naked.start(), _NAKED_KIND[naked.group()]))
        lone = _LONE_DOT.search(content, 1 if self._in_line else 0)
        if lone:
            found.append((lone.start(), Problem.LONE_DOT))
        first_end = content.find(b"\r\n")
        overlong = self._line_limit - self._in_line
        if overlong < (first_end if first_end >= 0 else len(content)):
            found.append((overlong, Problem.LONG_LINE))
        beyond = self._limit - self.size + self._begins_with(b".", content)
        for dot in re.finditer(rb"(?<=\r\n)\.", content):
            if dot.start() > beyond:
                break
            beyond += 1
        if beyond < len(content):
            found.append((beyond, Problem.TOO_BIG))
        return min(found, key=lambda each: each[0])[1]


def _clean(content: bytes) -> bool:
    """Whether there is no NUL, and no CR or LF but in CRLF.

    The newline decoder notes which line ends it meets, in one pass: several times faster than counting them.
    """
    newlines = IncrementalNewlineDecoder(None, translate=False)
    newlines.decode(content.decode("latin-1"), final=True)
    return newlines.newlines in (None, "\r\n") and b"\0" not in content


def _dotted_line(data: bytes) -> int:
    """Where the first CRLF with a dot behind it is, -1 for none.

    Base64 has no dot, so that most of a large message is done with the first look; searching for all three octets
    would take as long as everything else together.
    """
    at = data.find(b".")
    for _ in range(_FEW_DOTS):
        if at < 0:
            return -1
        if at >= 2 and data.startswith(b"\r\n", at - 2):
            return at - 2
        at = data.find(b".", at + 1)
    return data.find(b"\r\n.", at - 2) if at >= 0 else -1
