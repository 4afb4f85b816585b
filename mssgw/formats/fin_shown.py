"""The end of an exchange, shown in a patient's copy of the letter that ends it: [FIN] before its subject.

Mail clients show a subject, and neither X-MSS-MES nor keywords. Nothing else of the letter changes: not its body, so no
signature over it (S/MIME signs a body with its own header), and as_sent() gives back what came, to the octet.
"""

import re
from dataclasses import dataclass, field

HEADER = "X-Mssgw-Fin"

_WORD = b" [FIN]"
_LONGEST = 998  # octets of a line (RFC 5322 section 2.1.1)
_SUBJECT = re.compile(rb"(?:\A|(?<=\r\n))subject[ \t]*:", re.IGNORECASE)
_MARKED = re.compile(_SUBJECT.pattern + rb"(?P<word>" + re.escape(_WORD) + rb")", re.IGNORECASE)
_ADDED = re.compile(rb"(?:(?:X-Mssgw-Id|Return-Path|X-Mssgw-Fin):[^\r\n]*\r\n)+", re.IGNORECASE)  # by us, or a store
_HOW = re.compile(rb"^X-Mssgw-Fin: *(subject|added) *\r$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """``octets`` that come into a letter at ``at``; ``field`` says so on top of it, with its line end."""

    at: int
    octets: bytes = field(repr=False)
    field: bytes


def fin_mark(letter: bytes) -> Mark | None:
    """How to show it in this letter, of which the header is here at least. None: its subject says so, or is full."""
    header = letter[: _end(letter)]
    subject = _SUBJECT.search(header)
    if subject is None:
        return Mark(at=0, octets=b"Subject:" + _WORD + b"\r\n", field=_field("added"))
    if header[subject.end() :].lstrip().startswith(_WORD.strip()):
        return None
    line = header.find(b"\r\n", subject.end())
    if (line if line >= 0 else len(header)) - subject.start() + len(_WORD) > _LONGEST:
        return None
    return Mark(at=subject.end(), octets=_WORD, field=_field("subject"))


def as_sent(copy: bytes) -> bytes:
    """A letter from a mailbox, or its beginning, without what delivery added on top of it and to its subject."""
    added = _ADDED.match(copy)
    if added is None:
        return copy
    letter, how = copy[added.end() :], _HOW.search(added[0])
    if how is None:
        return letter
    header = letter[: _end(letter)]
    marked = _MARKED.search(header)
    if marked is None:
        return letter
    if how[1].lower() == b"added":
        return letter[: marked.start()] + letter[marked.end() + 2 :]  # its line end too
    return letter[: marked.start("word")] + letter[marked.end("word") :]


def _field(how: str) -> bytes:
    return f"{HEADER}: {how}\r\n".encode("ascii")


def _end(letter: bytes) -> int:
    """Where its header ends, the line end of the last field included."""
    if letter.startswith(b"\r\n"):
        return 0
    end = letter.find(b"\r\n\r\n")
    return len(letter) if end < 0 else end + 2
