"""Address lists of From, To, Cc, Reply-To (RFC 5322 section 3.4), in linear time. Display names are dropped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedAddress

MAX_ADDRESSES = 1_000  # of one list, what is malformed among them
MAX_ENTRIES = 4_000  # of all lists of a letter
MAX_WORDS = 40_000  # of all lists; 1,000 addresses with names take under a quarter of it
MAX_WIDE = 10  # domains of a letter that are not ASCII: each may take 5 ms (IDNA), and MSSanté has none
MAX_LENGTH = 400  # characters of one address before we look closer: 64 + @ + 253 and a few quotes

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<word>=\?[^?\s]{1,60}\?[BbQq]\?[^?\s]*\?=)"  # may hold a comma that its writer should have encoded
    r'|(?P<quoted>"(?:[^"\\]++|\\.)*+")'
    r"|(?P<comma>[,;][,;\s]*)"
    r"|(?P<special>[<>:@])"
    r"|(?P<literal>\[[^\[\]]*+\])"
    r'|(?P<atom>[^\s"(),:;<>@\[\]\\]+)',
    re.S,
)
# One address, at most a name before it, nothing that two readers could read in two ways: nearly all From and To.
_ATOM = r'[^\s"(),:;<>@\[\]\\]++'
_PLAIN = re.compile(rf'(?:"[^"\\]*+")?[^"(),:;<>@\[\]\\]*+<({_ATOM}@{_ATOM})>|({_ATOM}@{_ATOM})')
_PAREN = re.compile(r"\\.|[()]", re.S)


@dataclass(frozen=True, slots=True)
class Addresses:
    """``found`` in order, no address twice. ``malformed`` counts entries that are no address or could be two; what
    looks most like the address of one is in ``found`` all the same.

    ``complete`` is false when the list is longer than we read, or the letter's lists together are.
    """

    found: tuple[Address, ...] = ()
    malformed: int = 0
    complete: bool = True


@dataclass(slots=True)
class Allowance:
    """What is left of what all address lists of one letter may cost together."""

    entries: int = MAX_ENTRIES
    words: int = MAX_WORDS
    wide: set[str] = field(default_factory=set, repr=False)

    @property
    def spent(self) -> bool:
        return self.entries < 0 or self.words < 0 or len(self.wide) > MAX_WIDE

    def address(self, text: str) -> Address | None:
        """The address that a text is; None for any other text, and for a domain too many."""
        domain = text.rpartition("@")[2]
        if len(text) > MAX_LENGTH:
            return None
        if not domain.isascii():
            self.wide.add(domain)
            if self.spent:
                return None
        try:
            return Address.parse(text)
        except MalformedAddress:
            return None


@dataclass(slots=True)
class _Entry:
    """One entry as it is read: the words outside, and those inside each ``<`` and ``>`` (one pair, if it is right)."""

    outside: list[str] = field(default_factory=list)
    angles: list[list[str]] = field(default_factory=list)
    open: bool = False
    bad: bool = False

    def add(self, kind: str, word: str) -> None:
        words = self.angles[-1] if self.open else self.outside
        if kind == "space":
            if words and words[-1] != " ":
                words.append(" ")
        elif kind == "junk" or (self.angles and not self.open and kind != "comment"):
            self.bad = True  # after the ">" nothing more may come
        elif kind != "comment":
            words.append(word)

    def read(self, allowance: Allowance) -> tuple[list[Address], bool]:
        """The addresses, and whether all readers agree about the entry."""
        outside = _joined(self.outside)
        texts = [_joined(words) for words in self.angles] or [outside]
        if texts == [""] and not self.angles:
            return [], not self.bad  # nothing between two commas
        found = [address for text in texts if (address := allowance.address(_without_route(text))) is not None]
        agreed = len(texts) == len(found) == 1 and not self.bad and not self.open
        if self.angles and "@" in self.outside:
            agreed = agreed and [allowance.address(outside)] == found  # ``a@x <b@y>``: some readers use the first one
        return found, agreed


def _without_route(text: str) -> str:
    """Drop the source route of RFC 822, ``@relay,@relay:``, which all readers ignore."""
    return text.partition(":")[2].strip() if text.startswith("@") else text


def _joined(words: list[str]) -> str:
    """Words as one text; white space around a dot or an @ is dropped (obsolete syntax of RFC 5322)."""
    ends = ["."]
    return "".join(
        word
        for before, word, after in zip(ends + words, words, words[1:] + ends, strict=False)
        if word != " " or not (before[-1] in ".@" or after[0] in ".@")
    )


def read_addresses(text: str, allowance: Allowance | None = None) -> Addresses:
    """Read an unfolded address list: names, quoted strings, comments, groups, encoded words. Never raises.

    Lists of one letter share an ``allowance``; without one, this list has it alone.
    """
    allowance = Allowance() if allowance is None else allowance
    plain = _PLAIN.fullmatch(text)
    if plain is not None and (address := allowance.address(plain[1] or plain[2])) is not None:
        allowance.entries -= 1
        return Addresses((address,), complete=not allowance.spent)
    return _read_list(text, allowance)


def _read_list(text: str, allowance: Allowance) -> Addresses:
    found: dict[Address, None] = {}
    malformed = 0
    entry = _Entry()
    complete = True
    for kind, word in _words(text):
        allowance.words -= 1
        if allowance.spent or len(found) + malformed > MAX_ADDRESSES:
            complete = False
            break
        if entry.open and word == ">":
            entry.open = False
        elif entry.open and kind in ("comma", "special"):
            entry.add(kind, word.strip())
        elif word == "<":
            entry.angles.append([])
            entry.open = True
        elif word == ":":  # the name of a group; its members are addresses of their own
            malformed += entry.bad or bool(entry.angles) or "@" in entry.outside
            entry = _Entry()
        elif kind == "comma":
            malformed += _keep(entry, found, allowance)
            entry = _Entry()
        else:
            entry.add("junk" if word == ">" else kind, word)
    malformed += _keep(entry, found, allowance)
    complete = complete and not allowance.spent and len(found) + malformed <= MAX_ADDRESSES
    return Addresses(tuple(found)[:MAX_ADDRESSES], malformed, complete)


def _keep(entry: _Entry, found: dict[Address, None], allowance: Allowance) -> int:
    """Add the addresses of an entry; 1 when it is malformed."""
    allowance.entries -= bool(entry.outside or entry.angles)
    addresses, agreed = entry.read(allowance)
    found.update(dict.fromkeys(addresses))
    return not agreed


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Tokens in order; what never ends (quote, comment) is one last junk token, so that it is looked at once."""
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is not None and token.lastgroup is not None:
            yield token.lastgroup, token[0]
            at = token.end()
        elif text[at] == "(":
            end = _comment_end(text, at)
            yield ("comment", "") if end else ("junk", "")
            at = end or len(text)
        else:
            yield "junk", ""
            at = len(text) if text[at] == '"' else at + 1


def _comment_end(text: str, at: int) -> int:
    """The index after the comment that opens at ``at``, 0 when it never closes."""
    depth = 0
    for mark in _PAREN.finditer(text, at):
        depth += (mark[0] == "(") - (mark[0] == ")")
        if depth == 0:
            return mark.end()
    return 0
