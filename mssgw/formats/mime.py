"""The streaming scanner: reads header and MIME structure of a letter while DATA runs, in linear time.

It looks only for lines that may be boundary delimiters, so that a large attachment passes at the speed of
``bytearray.find``. It never recurses, never raises and keeps no more than one header, one line, and what keepers take.

What it cannot trust is said by Unreadable reasons, and the first of them ends the walk. BAD_BOUNDARY, because two
readers may see two different letters (RFC 2046 section 5.1):

- a multipart whose boundary is missing, malformed, given twice, escaped, or equal to one already open;
- a line that begins like an open boundary and goes on with anything but white space;
- a multipart in which no part begins, or in which one begins after its end;
- a multipart said to be in base64 or quoted-printable, where readers that undo it see more delimiters (undone.py);
- a line that is a delimiter for readers that end a boundary early (Parameters.short_boundary), and so begins what they
  take for a part: anywhere outside the parts, and in one where a header with Content- fields follows; such fields
  behind an end that comes right after the header of a part, too;
- a part that is but a header, and of more than a text as it stands: readers that overlook the delimiter which ends it
  (JavaMail) take the next part for its content;
- a line that begins a file in uuencode, where there are parts or an encoding, but no MIME-Version: Exchange then sees
  a text with that file in it.

An outer delimiter ends all inner multiparts; a multipart that never ends, ends with the message: all readers agree.
message/rfc822 is a leaf: what it holds is somebody else's letter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

from mssgw.core.message import MessageHead, Unreadable
from mssgw.formats.beginnings import Beginnings
from mssgw.formats.head import KEPT, HeadOptions, compose
from mssgw.formats.headers import MAX_HEADER, Header, read_header
from mssgw.formats.parameters import Parameters
from mssgw.formats.parts import FirstParts, Keeper, Octets, Part, Taker, kind_of
from mssgw.formats.undone import Undone, undone
from mssgw.formats.watch import Lines

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_UNDONE = 4  # multiparts in one another that are said to be encoded: all that follows is looked at for each
MAX_PART_HEADER = 65_536
MAX_PART_FIELDS = 100  # each costs 2 us, and there are parts enough
MAX_LINE = 1_000  # octets of a delimiter line with its padding
MAX_LOOKED_AHEAD = 16_384  # octets of what may be a header for readers that end a boundary early

_BLANK = b"\r\n\r\n"
_START = b"\r\n--"
_PART_FIELD = re.compile(rb"\r\ncontent-(?:type|disposition|transfer-encoding)[ \t]*:", re.I)
_TEXT = Parameters("text/plain")
_AS_IT_STANDS = ("", "7bit", "8bit", "binary")


@dataclass(slots=True)
class _Multipart:
    """An open multipart: parts begun so far, and whether its closing delimiter was seen."""

    boundary: bytes
    default: str = ""  # what its parts are that do not say it (RFC 2046 section 5.1.5)
    short: bytes = b""  # how it begins where some readers end it early
    parts: int = 0
    closed: bool = False
    undone: Undone | None = None  # where some readers see it encoded


class Walk:
    """Fed with a body in wire form (dot-stuffed, CRLF; see ports.Body) in any pieces; offers every leaf to keepers
    (parts.Keeper), and says what its header is.

    The octets are meant to hold no CR or LF alone: the listener refuses or repairs those, for they could make a
    delimiter that we do not see.
    """

    def __init__(self, keepers: Sequence[Keeper]) -> None:
        self._keepers = tuple(keepers)
        self._header: Header | None = None
        self._header_length = 0
        self._troubles: list[Unreadable] = []
        # The buffer begins with a line end, as if a line came before the first: then every header begins after CRLF
        # and an empty one is found like any other.
        self._buffer = bytearray(b"\r\n")
        self._start = 0  # where the header at hand begins, its CRLF included; what lies before is done with
        self._seen = 0  # no delimiter begins before this
        self._blank = 0  # no empty line begins before this
        self._content = 0  # content before this was handed to the takers
        self._cleared = 0  # nobody takes what lies before this for the header of a part
        self._is_base64 = False  # the part at hand
        self._is_header_only = False  # the same
        self._is_read_on = False  # the same, by readers who see no end of its header
        self._ended = False
        self._open: list[_Multipart] = []
        self._own: tuple[bytes, ...] = ()  # how delimiter lines of open multiparts begin, as we read them
        self._lines: tuple[bytes, ...] = ()  # these, and what readers would see besides who end a boundary early
        self._undone: tuple[Undone, ...] = ()  # of those in which others may see other parts
        self._as_text: Lines | None = None  # where others may see none
        self._needle = _START
        self._parts = 0
        self._takers: list[Taker] = []
        self._step = self._letter_header

    def feed(self, chunk: Octets) -> None:
        """Take more octets, cut anywhere."""
        self._look_at_text(chunk)
        if self._troubles or self._has_all():
            return
        if self._step == self._body and not self._open and not self._buffer:
            self._hand_to_takers(chunk)  # nothing ends it but the letter: no need to look into it
            return
        if self._undone and any(each.shows_another(chunk) for each in self._undone):
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        self._buffer += chunk
        self._walk()
        del self._buffer[: self._start]
        self._seen -= self._start
        self._blank -= self._start
        self._content -= self._start
        self._cleared -= self._start
        self._start = 0

    @property
    def header_length(self) -> int:
        """Octets of the letter's own header, as far as it has come: what the end takes is in proportion to it."""
        return self._header_length or len(self._buffer)

    @property
    def troubles(self) -> tuple[Unreadable, ...]:
        """Why the parts that were offered may not be all, or not those that others see. Complete after end()."""
        return tuple(self._troubles)

    def end(self) -> Header:
        """The letter has ended: its header. To be called once."""
        self._ended = True
        self._walk()
        if not self._troubles and any(each.ends_with_another() for each in self._undone):
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        self._close(0)
        return self._header or Header()

    def _look_at_text(self, octets: Octets) -> None:
        if self._as_text is not None and not self._troubles and self._as_text.begin_a_file(bytes(octets)):
            self._troubles.append(Unreadable.BAD_BOUNDARY)

    def _has_all(self) -> bool:
        """Whether nothing that follows matters: the body of a letter that is no multipart, which nobody keeps."""
        return self._step == self._body and not self._open and not self._takers

    def _walk(self) -> None:
        while not self._troubles and self._step():
            pass

    # Steps: each returns whether another one can follow without more octets.

    def _letter_header(self) -> bool:
        end = self._header_end(self._buffer.find(_BLANK, self._blank), MAX_HEADER)
        if end is None:
            return False
        self._header = header = read_header(bytes(self._buffer[2 : min(end, 2 + MAX_HEADER)]))
        self._header_length = end
        self._troubles += header.troubles
        self._begin(header, end)
        encoding = header.first("content-transfer-encoding").lower()
        if not header.all("mime-version") and (self._open or encoding not in _AS_IT_STANDS):
            self._as_text = Lines()
            self._look_at_text(self._buffer[end:])
        return True

    def _part_header(self) -> bool:
        blank = self._buffer.find(_BLANK, self._blank)
        # A part may be a header only, with no empty line: then a delimiter ends it (RFC 2046, body-part).
        delimiter = self._find(blank + 2 if blank >= 0 else len(self._buffer))
        if delimiter is None:
            return False  # the octets end in what may become a delimiter
        end = self._header_end(delimiter if delimiter >= 0 else blank, MAX_PART_HEADER)
        if end is None:
            return False
        block = bytes(self._buffer[self._start + 2 : min(end, self._start + 2 + MAX_PART_HEADER)])
        header = read_header(block, MAX_PART_FIELDS)
        self._troubles += header.troubles
        self._begin(header, end, bodiless=delimiter >= 0)
        return True

    def _body(self) -> bool:
        at = self._find(len(self._buffer)) if self._open else -1
        if at is not None and at >= 0:
            self._hand_out(at)
            return self._delimiter(at)
        if not self._open or self._ended:
            self._seen = len(self._buffer)
        self._hand_out(self._seen)
        self._start = self._seen
        return False

    def _header_end(self, found: int, limit: int) -> int | None:
        """Where the header at hand ends, None while that is unknown; notes one that is too long."""
        size = len(self._buffer) - self._start
        if found < 0 and not self._ended and size <= limit + 6:
            self._blank = max(self._start, len(self._buffer) - 3)
            return None
        end = found if found >= 0 else len(self._buffer)
        if found < 0 and self._ended and self._buffer.endswith(b"\r\n"):
            end -= 2
        if end - self._start - 2 > limit:
            self._troubles.append(Unreadable.HEADERS_TOO_LONG)
        return max(end, self._start)

    def _begin(self, header: Header, end: int, *, bodiless: bool = False) -> None:
        """A header was read: what follows is a multipart or a leaf."""
        kind = kind_of(header, default=self._open[-1].default if self._open else "")
        # The CRLF that ends the empty line may begin a delimiter line at once.
        self._seen = end if bodiless else min(end + 2, len(self._buffer))
        self._content = self._seen + 2
        self._start = self._seen
        self._takers = []
        self._is_header_only = bodiless
        self._is_read_on = bodiless and not _is_text_as_it_stands(kind, header)
        self._step = self._body
        if kind.multipart:
            self._enter(kind, header.first("content-transfer-encoding"))
        elif not self._troubles:
            self._offer(kind, header)

    def _offer(self, kind: Parameters, header: Header) -> None:
        part = Part(path=tuple(each.parts for each in self._open), kind=kind, header=header)
        self._is_base64 = "base64" in part.encoding
        self._takers = [taker for keeper in self._keepers if (taker := keeper.offer(part)) is not None]

    def _enter(self, kind: Parameters, encoding: str) -> None:
        """Open a multipart, which should have no transfer encoding."""
        boundary, short = kind.boundary, kind.short_boundary
        taken = {name for each in self._open for name in (each.boundary, each.boundary + b"--")}
        if (
            boundary is None
            or {boundary, short} & taken
            or any(each.boundary == boundary + b"--" for each in self._open)
        ):
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        elif len(self._open) >= MAX_DEPTH:
            self._troubles.append(Unreadable.TOO_DEEP)
        else:
            default = "message/rfc822" if kind.value == "multipart/digest" else ""
            watched = undone(encoding, short or boundary) if encoding else None  # which begins with the short one
            self._open.append(_Multipart(boundary, default, short, undone=watched))
            self._look_for_open()
            if len(self._undone) > MAX_UNDONE or (watched and watched.shows_another(bytes(self._buffer[self._seen :]))):
                self._troubles.append(Unreadable.BAD_BOUNDARY)

    def _look_for_open(self) -> None:
        self._own = tuple(_START + each.boundary for each in self._open)
        self._undone = tuple(each.undone for each in self._open if each.undone)
        self._lines = (*self._own, *(_START + each.short for each in self._open if each.short))
        # All delimiters of the moment begin with this: the longer it is, the faster the search.
        self._needle = commonprefix(self._lines) or _START  # noqa: RUF071 - octets are compared, not paths

    def _find(self, stop: int) -> int | None:
        """Where the next line before ``stop`` that begins like an open boundary begins; -1: there is none.

        None: the octets end before one can tell. Moves ``_seen`` to where the next search has to begin.
        """
        buffer = self._buffer
        longest = max(map(len, self._lines))
        while True:
            # One octet is found several times as fast as many, and base64 has none like it.
            dash = buffer.find(b"-", self._seen + 2, stop)
            at = buffer.find(self._needle, dash - 2, stop) if dash >= 0 else -1
            if at < 0:
                self._seen = max(self._seen, stop - len(self._needle) + 1)
                return -1
            self._seen = at
            if buffer.startswith(self._lines, at):
                return at
            if len(buffer) - at < longest and not self._ended:
                return None
            self._seen = at + 2

    def _delimiter(self, at: int) -> bool:
        """A line that begins like an open boundary: is it a delimiter, and of which multipart?"""
        self._start = at
        end = self._buffer.find(b"\r\n", at + 2, at + MAX_LINE)
        if end < 0 and len(self._buffer) - at < MAX_LINE:
            if not self._ended:
                return False
            end = len(self._buffer)
        line = bytes(self._buffer[at + len(_START) : end]).rstrip(b" \t") if end >= 0 else None
        for index in reversed(range(len(self._open))):
            boundary = self._open[index].boundary
            if line in (boundary, boundary + b"--"):
                closing = line != boundary
                # Of these, others see a delimiter, but not the end: Python, where a part before it is but a header.
                doubted = self._open[index].short or self._is_header_only
                if closing and doubted and not self._may_pass(at):
                    return False
                self._close(index + 1)
                self._turn(self._open[index], end, closing=closing)
                return True
        if self._buffer.startswith(self._own, at) or self._begins_a_part_elsewhere():
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        elif self._may_pass(at):
            self._seen = at + 2
            return True
        return False

    def _begins_a_part_elsewhere(self) -> bool:
        """Whether whatever follows a delimiter of other readers is a part that nobody was offered as such."""
        here = self._open[-1]
        odd = not here.parts or here.closed or self._is_base64  # which has no such lines
        return odd or any(each.default and each.short for each in self._open)

    def _may_pass(self, at: int) -> bool:
        """Whether the walk goes on past a line that others take for a delimiter: only text follows it.

        If not, the step is over either way: a part follows, which is trouble and noted, or more octets have to tell.
        """
        if at < self._cleared:
            return True
        limit = at + MAX_LOOKED_AHEAD
        end = limit
        for each in (_BLANK, *self._own):  # mostly the empty line is near: then no search goes far
            found = self._buffer.find(each, at + 2, end)
            end = found if found >= 0 else end
        if end == limit and not self._ended and len(self._buffer) < limit:
            return False
        if _PART_FIELD.search(self._buffer, at + 2, end) or (end == limit and len(self._buffer) >= limit):
            self._troubles.append(Unreadable.BAD_BOUNDARY)
            return False
        self._cleared = end
        return True

    def _turn(self, multipart: _Multipart, end: int, *, closing: bool) -> None:
        """A delimiter of this multipart, which is now the innermost, ends at ``end``."""
        self._takers = []
        self._start = self._seen = self._blank = self._content = end
        if self._is_read_on:
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        if closing:
            self._step = self._body  # the epilogue: nobody reads it, but no part may begin in it
            if multipart.short or self._is_header_only:  # or one has begun, and another one behind each further end
                self._count(multipart.closed)
                self._offer(Parameters(multipart.default) if multipart.default else _TEXT, Header())
            multipart.closed = True
            return
        multipart.parts += 1
        if multipart.closed:
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        else:
            self._count(1)
        self._step = self._part_header

    def _count(self, more: int) -> None:
        """Of parts, each of which costs some time."""
        self._parts += more
        if self._parts > MAX_PARTS:
            self._troubles.append(Unreadable.TOO_MANY_PARTS)

    def _close(self, depth: int) -> None:
        """Leave all multiparts deeper than ``depth``."""
        left = self._open[depth:]
        if not left:
            return
        if not self._troubles and any(not each.parts for each in left):
            self._troubles.append(Unreadable.BAD_BOUNDARY)
        del self._open[depth:]
        if self._open:
            self._look_for_open()

    def _hand_out(self, upto: int) -> None:
        """Give the takers the content before ``upto``."""
        if self._takers and upto > self._content:
            with memoryview(self._buffer) as buffer, buffer[self._content : upto] as piece:
                self._hand_to_takers(piece)
        self._content = max(self._content, upto)

    def _hand_to_takers(self, piece: Octets) -> None:
        self._takers = [taker for taker in self._takers if taker.take(piece)]


def _is_text_as_it_stands(kind: Parameters, header: Header) -> bool:
    encoding = header.first("content-transfer-encoding").lower()
    return kind.value.startswith("text/") and encoding in _AS_IT_STANDS


class Scanner(Walk):
    """A walk at whose end it is known what the letter is.

    ``hostname`` is ours (loops; ``collected``: see own_hop); ``person_header`` and ``person_received`` say where this
    client names the person behind a shared mailbox (SD-6).
    """

    def __init__(
        self,
        *,
        hostname: str = "",
        collected: bool = False,
        person_header: str | None = None,
        person_received: bool = False,
        keepers: Sequence[Keeper] = (),
    ) -> None:
        self._options = HeadOptions(
            hostname=hostname,
            collected=collected,
            person_header=person_header,
            person_received=person_received,
        )
        self._kept = FirstParts(KEPT)
        self._beginnings = Beginnings()
        super().__init__((self._kept, self._beginnings, *keepers))

    def finish(self) -> MessageHead:
        """The letter has ended: what it is. To be called once, in place of ``end``."""
        return compose(self.end(), self.troubles, self._kept, self._options, beginnings=self._beginnings)
