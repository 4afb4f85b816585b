"""Header blocks, read in linear time.

Python's ``email`` is quadratic in places and guesses where two readers may differ; we say that we cannot trust the
block instead. What makes a block MALFORMED_HEADER, because another reader may see another letter:

- a line that is no field (no colon, or a name with other than printable ASCII): some end the header there, some skip;
- a first line that continues nothing, or a line of white space only before further lines: some end the header there;
- NUL, or CR or LF alone: some see a line end;
- white space before the colon of a field that we or mail clients act on: some see another field;
- two different values of a field that must be unique and on which a decision rests (SINGLE).

8-bit octets in values are text (UTF-8, else ISO-8859-1). From: is counted, not judged: policy does that (SD-5).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mssgw.core.message import Unreadable
from mssgw.formats.wire import unstuffed
from mssgw.formats.words import decoded, text_of

MAX_HEADER = 262_144  # octets; Exchange takes 256 KiB, Postfix's header_size_limit is 100 KiB for one field
MAX_FIELDS = 1_000

SINGLE = (
    "subject",
    "message-id",
    "x-mss-mes",
    "auto-submitted",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
)
_ACTED_ON = frozenset(SINGLE) | {
    "from",
    "to",
    "cc",
    "reply-to",
    "sender",
    "resent-from",
    "resent-sender",
    "in-reply-to",
    "references",
    "received",
    "mime-version",
    "disposition-notification-to",
    "return-receipt-to",
}
_ONCE = frozenset(SINGLE)
_NAME = re.compile(rb"([!-9;-~]+)([ \t]*):")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: ``name`` in lower case, ``raw`` the octets after the colon, still folded."""

    name: str
    raw: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The value, unfolded (RFC 5322 section 2.2.3) and without white space around it."""
        return text_of(self.raw.replace(b"\r\n", b"")).strip(" \t")


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a block in their order, and why it cannot be trusted, if so.

    ``malformed``: of MALFORMED_HEADER which kind, in a word without values, such as "two-message-id-fields".
    """

    fields: tuple[Field, ...] = ()
    troubles: tuple[Unreadable, ...] = ()
    malformed: str = ""
    _named: dict[str, list[Field]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: dict[str, list[Field]] = {}
        for each in self.fields:
            named.setdefault(each.name, []).append(each)
        object.__setattr__(self, "_named", named)

    def all(self, name: str) -> Sequence[Field]:
        """The fields of that name (lower case), top first."""
        return self._named.get(name, ())

    def texts(self, name: str) -> list[str]:
        return [each.text for each in self.all(name)]

    def first(self, name: str) -> str:
        """The value of the topmost field of that name, "" when there is none."""
        return self._named[name][0].text if name in self._named else ""


def read_header(block: bytes, most: int = MAX_FIELDS) -> Header:
    """Read a block in wire form, from its first line up to the empty line, which is not in it. Never raises.

    Only the first ``most`` fields are given back; more is TOO_MANY_FIELDS.
    """
    troubles: list[Unreadable] = []
    lines = unstuffed(block).split(b"\r\n") if block else []
    while lines and not lines[-1].strip(b" \t"):
        lines.pop()  # white space at the very end of the block: no reader is misled
    fields = []
    clean = block.count(b"\r") == block.count(b"\n") == block.count(b"\r\n") and b"\0" not in block
    why = "" if clean else "stray-cr-lf-or-nul"
    for number, group in enumerate(_groups(lines)):
        if number >= most:
            troubles.append(Unreadable.TOO_MANY_FIELDS)
            break
        named = _NAME.match(group[0])
        if named is None:
            why = why or "line-that-is-no-field"
        elif len(group) > 1 and any(not line.strip(b" \t") for line in group[1:]):
            why = why or "line-of-white-space"
        if named is not None:
            name = named[1].decode("ascii").lower()
            if named[2] and name in _ACTED_ON:
                why = why or f"white-space-after-{name}"
            group[0] = group[0][named.end() :]
            fields.append(Field(name, b"\r\n".join(group)))
    why = why or _contradiction(fields)
    if why:
        troubles.append(Unreadable.MALFORMED_HEADER)
    return Header(tuple(fields), tuple(troubles), why)


def _groups(lines: list[bytes]) -> Iterator[list[bytes]]:
    """The lines of each field: its first, then those that continue it."""
    group: list[bytes] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            if group:
                yield group
            group = []
        group.append(line)
    if group:
        yield group


def _contradiction(fields: list[Field]) -> str:
    """Which field that must be unique comes with two values; "" when none does."""
    seen: dict[str, Field] = {}
    again = (each for each in fields if each.name in _ONCE and seen.setdefault(each.name, each) is not each)
    return next((f"two-{each.name}-fields" for each in again if each.text != seen[each.name].text), "")


# A comment with no other in it, and a row of parentheses, in one step each: each step costs more than all it reads.
_COMMENT_MARK = re.compile(r'\\.|"|\([^()"\\]*+\)|\(+|\)+', re.S)


def without_comments(value: str) -> str:
    """A structured value with each (nested (comment)) replaced by a space; one that never ends takes all the rest."""
    if "(" not in value:
        return value
    out: list[str] = []
    depth = start = 0
    quoted = False
    for mark in _COMMENT_MARK.finditer(value):
        found = mark[0]
        if found == '"':
            quoted ^= not depth
        elif found[0] == "(" and not quoted:
            if not depth:
                out.append(value[start : mark.start()])
            if found[-1] == ")":
                start = mark.end()
            else:
                depth += len(found)
        elif found[0] == ")" and depth:
            start = mark.start() + depth
            depth = max(0, depth - len(found))
    return " ".join([*out, "" if depth else value[start:]])


_ID = re.compile(r"<[^<>\s]+>")


_FOLDED = re.compile(r"<[^<>]+>")


def message_ids(value: str) -> tuple[str, ...]:
    """The Message-IDs in a value, with angle brackets, in order; those too long for one line are left out."""
    return tuple(found[0] for found in _ID.finditer(value) if len(found[0]) <= 900)


def message_id(value: str) -> str | None:
    """The one Message-ID of a field; programs that forget the angle brackets, or fold within them, are forgiven."""
    if ids := message_ids(value) or message_ids(_FOLDED.sub(lambda found: "".join(found[0].split()), value)):
        return ids[0]
    bare = without_comments(value).split()
    return f"<{bare[0]}>" if len(bare) == 1 and 3 <= len(bare[0]) <= 898 and not set(bare[0]) & set("<>") else None


def comparable(id_: str) -> str:  # req: SD-3
    """A Message-ID in the form by which letters are found: with its encoded words read, which RFC 2047 has nowhere
    in it, so that some programs cite them as they stand and others what they say.
    """
    return (message_id(decoded(id_)) or id_) if "=?" in id_ else id_


_CITED = re.compile(r"<([^<>]+)>|([^<>\s]+)")
_AROUND = ",;:\"'()"  # what may stand around a word that is no part of it


def cited_ids(value: str) -> list[str]:  # req: SD-3
    """Every Message-ID that an In-Reply-To or References may mean, with angle brackets, in order; perhaps more.

    Programs forget the brackets, one of them, or fold within an identifier; then each word counts. That words may be
    among them does no harm: what is found is only compared with Message-IDs that were seen.
    """
    found: list[str] = []
    for within, word in _CITED.findall(value):
        if within:
            found.append("".join(within.split()))
        else:
            whole = word.strip(_AROUND)
            found += [whole, *(part.strip(_AROUND) for part in whole.split(",") if part != whole)]
    return [f"<{each}>" for each in found if 3 <= len(each) <= 898]
