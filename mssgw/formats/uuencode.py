"""Files in uuencode between the lines of a text, which some programs still show as attachments."""

import binascii
import re
from collections.abc import Iterator

from mssgw.formats import b64, watch

_MOST_FILES = 500  # in one part
_MOST_READ = 4  # times the octets of a part: files that begin within others are read again
_READ_ANYWAY = 200_000  # octets: in a short text many lines may begin like files
_MOST_LINES = 500_000  # in one part, and read of its files: each takes time. Ten megabytes of full ones are 170,000
_BEGIN = re.compile(rb"^" + watch.BEGIN + rb"[ \t]([^\n]*)$", re.M)
# In a part said to be in uuencode: without a name too, and whatever stands where the mode should.
_BEGIN_OF_PART = re.compile(rb"^begin(-base64)?[ \t]*[^ \t\n]*(?:[ \t]([^\n]*))?$", re.M)
_END = re.compile(rb"^end", re.M)
_SIX_BITS = bytes(octet if octet == 10 else ((octet - 32) & 63) + 32 for octet in range(256))
_LETTERS_OF = tuple(1 + (octets * 4 + 2) // 3 for octets in range(64))  # of a line of so many octets


def may_begin(plain: bytes) -> bool:
    """Whether one may begin in it."""
    # The word alone is found several times as fast as with its line end.
    return b"begin" in plain and (plain.startswith(b"begin") or b"\nbegin" in plain)


def files(text: bytes, *, whole: bool = False) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Name and readings of each file in uuencode that begins on a line of this text, also within another one.

    ``whole``: it is said to be nothing else.

    One without readings comes last when they are too many, or together too much.
    """
    left = max(_MOST_READ * len(text), _READ_ANYWAY)
    lines = _MOST_LINES if text.count(b"\n") <= _MOST_LINES else -1
    for number, begin in enumerate((_BEGIN_OF_PART if whole else _BEGIN).finditer(text)):
        if number == _MOST_FILES or left < 0 or lines < 0:
            yield "", ()
            return
        name = (begin[2] or b"").decode("utf-8", "replace").strip().rstrip(". ").strip().lower()
        at = begin.end()
        if begin[1]:
            end = text.find(b"\n====", at)
            end = end if end >= 0 else len(text)
            readings = b64.readings(text[at:end])
        else:
            end, readings = _uu_lines(text, at + 1)
        left, lines = left - (end - at), lines - text.count(b"\n", at, end)
        yield name, readings


def _uu_lines(text: bytes, at: int) -> tuple[int, tuple[bytes, ...]]:
    """Up to ``end``, and where that is. One that never ends, or with a line that is none, has no certain reading: what
    was read up to there, what Python reads, which cuts a line off where it should end, and what those read who heed six
    bits of each octet."""
    start = at
    read: list[bytes] = []
    sure = None  # so many lines, once one is none
    while at < len(text):
        end = text.find(b"\n", at)
        end = end if end >= 0 else len(text)
        line = text[at:end].rstrip(b"\r")
        if line in (b"end", b"end ") and sure is None:
            return at, (b"".join(read),)
        if line.strip(b" \t\f") == b"end":
            break
        if not line and sure is None:  # for some it is one of zeros
            sure = len(read)
        try:
            read.append(binascii.a2b_uu(line))
        except binascii.Error:
            sure = len(read) if sure is None else sure
            try:
                read.append(binascii.a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3]))
            except binascii.Error:
                break
        at = end + 1
    stop, by_six_bits = _by_six_bits(text, start)
    return max(at, stop), tuple(dict.fromkeys((b"".join(read), b"".join(read[:sure]), b"", by_six_bits)))


def _by_six_bits(text: bytes, start: int) -> tuple[int, bytes]:
    """As JavaMail does, and others: whatever a line holds, up to one that begins with ``end``."""
    found = _END.search(text, start)
    stop = found.start() if found else len(text)
    lines = text[start:stop].translate(_SIX_BITS, b"\r").split(b"\n")
    return stop, b"".join([binascii.a2b_uu(line[: _LETTERS_OF[line[0] - 32]]) for line in lines if line])
