"""What an IMAP server says (RFC 3501 section 7), cut into responses and read without trust.

Responses cuts octets; a response is its text parts and literals in turn. ``read`` tells what kind it is; the values in
it are parsed only when somebody asks. What servers write for people is dropped: it may quote a name or an INS.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mssgw.core.errors import GatewayError

MAX_LINE = 262_144  # octets of one text part; the longest that we ask for is a SEARCH of 10 000 messages
MAX_DEPTH = 8  # of parentheses; what we ask for has two
MAX_UID = (1 << 32) - 1

_STATUS = re.compile(
    rb"([!-~]{1,64}) (OK|NO|BAD|BYE|PREAUTH)(?: (?:\[([A-Za-z0-9-]{1,40})(?: ([^\]]{0,32768}))?\])?|$)", re.I
)
_DATA = re.compile(rb"\* (?:([0-9]{1,10}) )?([A-Za-z0-9.-]{1,40})(?= |$)")
_TOKEN = re.compile(rb' *(?:([()])|"((?:[^"\\]|\\.)*)"|((?:[^ ()"\[]|\[[^\]]*\])+))')
_ESCAPED = re.compile(rb"\\(.)")

Raw = tuple[bytes, ...]  # text, literal, text, ..., text
Value: TypeAlias = "bytes | list[Value] | None"


class Garbled(GatewayError):
    """The IMAP server said what no client could follow, or more than it was asked for."""


class Responses:
    """Cuts what comes into responses. ``budget``: octets that may still come; whoever asks sets it anew."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._line = bytearray()  # of a text part that is not complete
        self._parts: list[bytes] = []
        self._literal = bytearray()
        self._missing = 0  # octets of the literal

    @property
    def pending(self) -> bool:
        """Whether a part of a response has come."""
        return bool(self._line or self._parts)

    def feed(self, data: bytes) -> Iterator[Raw]:
        """The responses that are now complete. Raises Garbled when the budget, or a line, is too long."""
        self.budget -= len(data)
        if self.budget < 0:
            raise Garbled("more than it was asked for")
        at = 0
        while at < len(data):
            if self._missing:
                at += self._take_literal(data[at : at + self._missing])
                continue
            end = data.find(b"\n", at) + 1
            self._line += data[at : end or len(data)]
            if len(self._line) > MAX_LINE:
                raise Garbled("a line too long")
            if not end:
                return
            at = end
            if self._end_line(len(data) - at):
                parts, self._parts = tuple(self._parts), []
                yield parts

    def _take_literal(self, data: bytes) -> int:
        self._literal += data
        self._missing -= len(data)
        if not self._missing:
            self._parts.append(bytes(self._literal))
            self._literal = bytearray()
        return len(data)

    def _end_line(self, at_hand: int) -> bool:
        """Whether the response ends with this line, and not a literal follows. ``at_hand``: octets that have come."""
        line = bytes(self._line).removesuffix(b"\n").removesuffix(b"\r")
        self._line.clear()
        size = self._announced(line)
        if size is None:
            self._parts.append(line)
            return True
        if size > self.budget + at_hand:  # at once: not when the octets have come
            raise Garbled("a literal larger than what it was asked for")
        self._parts.append(line[: line.rindex(b"{")])
        if size:
            self._missing = size
        else:
            self._parts.append(b"")
        return False

    def _announced(self, line: bytes) -> int | None:
        """The size of the literal that a line ends with. In a text for people, braces are just braces."""
        if not line.endswith(b"}") or (not self._parts and (line.startswith(b"+") or _STATUS.match(line))):
            return None
        digits = line[line.rfind(b"{") + 1 : -1] if b"{" in line else b""
        return int(digits) if digits.isdigit() and len(digits) <= 10 else None


@dataclass(frozen=True, slots=True)
class Status:
    """``* OK``, ``A7 NO [OVERQUOTA]``. ``tag`` is "*" when untagged, ``code`` upper case, "" without one."""

    tag: str
    kind: str
    code: str = ""
    rest: bytes = field(default=b"", repr=False)  # of the code


@dataclass(frozen=True, slots=True)
class Data:
    """``* 3 EXISTS``, ``* SEARCH 4 7``: name upper case, number if it begins with one."""

    name: str
    number: int | None = None
    raw: Raw = field(default=(), repr=False)

    def values(self) -> list[Value]:
        """What follows the name. Raises Garbled."""
        return parse(self.raw)


class GoOn:
    """``+``: the server waits for the rest of a command."""


def read(raw: Raw) -> Status | Data | GoOn:
    """What kind of response this is. Raises Garbled when of none."""
    line = raw[0]
    if line.startswith(b"+"):
        return GoOn()
    if found := _STATUS.match(line):
        tag, kind, code, rest = found.groups(b"")
        return Status(tag.decode(), kind.decode().upper(), code.decode().upper(), rest)
    if found := _DATA.match(line):
        number, name = found.groups()
        return Data(name.decode().upper(), int(number) if number else None, (line[found.end() :], *raw[1:]))
    raise Garbled("a response of no known kind")


def parse(raw: Sequence[bytes]) -> list[Value]:
    """Atoms and strings as octets, NIL as None, lists as lists. Raises Garbled."""
    stack: list[list[Value]] = [[]]
    for number, part in enumerate(raw):
        if number % 2:
            stack[-1].append(part)
        else:
            _parse_text(part.rstrip(b" "), stack)
    if len(stack) != 1:
        raise Garbled("parentheses that do not match")
    return stack[0]


def _parse_text(text: bytes, stack: "list[list[Value]]") -> None:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Garbled("a response that cannot be parsed")
        at = found.end()
        bracket, quoted, atom = found.groups()
        if bracket == b"(":
            if len(stack) > MAX_DEPTH:
                raise Garbled("parentheses nested too deep")
            stack.append([])
        elif bracket:
            if len(stack) == 1:
                raise Garbled("parentheses that do not match")
            done = stack.pop()
            stack[-1].append(done)
        elif atom is not None:
            stack[-1].append(None if atom.upper() == b"NIL" else atom)
        else:
            stack[-1].append(_ESCAPED.sub(rb"\1", quoted))


def fetched(data: Data) -> dict[str, Value]:
    """The items of a FETCH response by name, upper case. Raises Garbled, also when an item comes twice and differs."""
    items: dict[str, Value] = {}
    match data.values():
        case [list(pairs)] if len(pairs) % 2 == 0:
            for name, value in zip(pairs[::2], pairs[1::2], strict=True):
                if items.setdefault(_text(name).upper(), value) != value:
                    raise Garbled("an item twice in one response")
            return items
    raise Garbled("a FETCH response of another form")


def numbers(values: Sequence[Value]) -> list[int]:
    """UIDs of a SEARCH response. Raises Garbled."""
    return [uid(value) for value in values]


def uid(value: Value) -> int:
    """A UID or UIDVALIDITY: 1 to 2^32 - 1. Raises Garbled."""
    found = number(value)
    if not 1 <= found <= MAX_UID:
        raise Garbled("a UID out of range")
    return found


def number(value: Value) -> int:
    """Raises Garbled."""
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 20:
        return int(value)
    raise Garbled("no number where there should be one")


def flags(value: Value) -> frozenset[str]:
    """The flags of a list. Raises Garbled."""
    if not isinstance(value, list):
        raise Garbled("no list of flags where there should be one")
    return frozenset(_text(each) for each in value)


def _text(value: Value) -> str:
    if not isinstance(value, bytes):
        raise Garbled("no word where there should be one")
    return value.decode("utf-8", "replace")
