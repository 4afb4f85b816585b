"""Content-Type and Content-Disposition: a value and its parameters (RFC 2045 section 5.1, RFC 2231), in linear time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

from mssgw.formats.headers import without_comments
from mssgw.formats.words import text_of

MAX_PARAMETERS = 100
_TYPE = re.compile(r"\s*([^\s;/\"]+)\s*/\s*([^\s;/\"]+)\s*")
# What all readers take for the type that it says; of multiparts and letters nothing else is taken.
_PLAIN_TYPE = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+/[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+[ \t]*(?:;|\Z)")
_TAKEN_APART = re.compile(r"=\?|.*(?:multipart|message\s*(?:/|\Z)|x-sun-attachment)", re.S)
# White space for us, part of a name or a value for others: these find no boundary, and show what is before the parts.
_ODD_BLANK = re.compile(r"[^\S \t]")
_NOTHING_BETWEEN = re.compile(r";\s*;")
_TOKEN = re.compile(r"\s*([^\s;/\"]*)\s*")
# Unquoted values may hold what RFC 2045 would have quoted (=, /, ?, :): every reader takes them up to the semicolon.
# Possessive: around an empty value two runs of white space meet, which could be shared out in n ways each in n steps.
_PARAMETER = re.compile(r"\s*+([^\s;=\"]++)\s*+=\s*+(?:\"((?:[^\"\\]++|\\.)*+)\"|([^\s;\"]*+))\s*+(?=;|$)", re.S)
_SECTION = re.compile(r"(.+?)(?:\*([0-9]{1,2}))?(\*)?")
_SPECIAL = re.compile(r"[()<>@,:\[\]/?='*]")  # at which one reader or another ends what has no quotes
_SURELY_READ = 70  # octets of a boundary (RFC 2046 section 5.1.1): some readers cut what is longer
_BOUNDARY = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")  # RFC 2046 says 70 bchars; real programs go further


@dataclass(frozen=True, slots=True)
class Parameters:
    """``value`` in lower case ("text/plain", "attachment"); parameters by lower-case name.

    ``doubtful``: what another reader may read differently: junk between parameters, a parameter given twice, a quoted
    string that never ends; sections that do not count 0, 1, 2; in a multipart a comment, a backslash or an empty
    parameter (";;"), by which JavaMail finds no boundary and shows what stands before the parts.
    ``unquoted``: the boundary, or a section of it, stands without quotes.
    """

    value: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    doubtful: bool = False
    unquoted: bool = False

    @property
    def multipart(self) -> bool:
        return self.value.startswith("multipart/")

    @property
    def boundary(self) -> bytes | None:
        """The boundary of a multipart, None when it is missing or readers may disagree about it."""
        text = self.parameters.get("boundary", "")
        if self.doubtful or ("=?" in text and "?=" in text) or not _BOUNDARY.fullmatch(text):
            return None
        return text.encode("ascii") if self._surely_read(text) else None

    @property
    def short_boundary(self) -> bytes:
        """How the boundary begins where some readers end it early, b"" when all read the whole of it, or none may."""
        text = self.parameters.get("boundary", "")
        short = self._surely_read(text)
        return b"" if short == text or self.boundary is None else short.encode("ascii")

    def _surely_read(self, boundary: str) -> str:
        special = _SPECIAL.search(boundary) if self.unquoted else None
        return boundary[: special.start() if special else None][:_SURELY_READ]


def content_type(text: str) -> Parameters:
    """Read a Content-Type; what is missing or no type at all is text/plain (RFC 2045 section 5.2).

    What some readers take for a multipart or a letter, and others do not, is given as ``multipart/`` and doubtful: one
    without subtype, with a comment, white space, an encoded word or odd characters in or before it; and the parts of
    Sun's mail, which Thunderbird still shows.
    """
    plain = without_comments(text)
    if not _PLAIN_TYPE.match(text) and any(map(_may_be_taken_apart, (text, plain))):
        return Parameters("multipart/", {}, True)
    kind = _TYPE.match(plain)
    if kind is None:
        return Parameters("text/plain")
    read = _with_parameters(f"{kind[1]}/{kind[2]}".lower(), plain, kind.end())
    is_odd = plain != text or "\\" in text or any(each.search(text) for each in (_ODD_BLANK, _NOTHING_BETWEEN))
    return replace(read, doubtful=True) if read.multipart and is_odd else read


def _may_be_taken_apart(text: str) -> bool:
    said = text.partition(";")[0].strip().lower()
    return _TAKEN_APART.match(said) is not None


def disposition(text: str) -> Parameters:
    """Read a Content-Disposition; "" when there is none."""
    plain = without_comments(text)
    kind = _TOKEN.match(plain)
    assert kind is not None
    return _with_parameters(kind[1].lower(), plain, kind.end())


def _with_parameters(value: str, text: str, at: int) -> Parameters:
    raw: dict[str, str] = {}
    doubtful = unquoted = False
    for _ in range(MAX_PARAMETERS):
        if at >= len(text):
            break
        found = _PARAMETER.match(text, at + 1) if text[at] == ";" else None
        if found is None:
            # An empty parameter (";;" or a last ";") is no doubt of its own; anything else is, and is jumped over.
            end = text.find(";", at + 1)
            end = len(text) if end < 0 else end
            doubtful = doubtful or text[at] != ";" or bool(text[at + 1 : end].strip())
            at = end
        else:
            given = found[2] or found[3] or ""
            unquoted = unquoted or (bool(found[3]) and found[1].lower().startswith("boundary"))
            doubtful = raw.setdefault(found[1].lower(), given) != given or doubtful
            at = found.end()
    doubtful = doubtful or at < len(text)
    joined, twice = _joined(raw)
    return Parameters(value, joined, doubtful or twice, unquoted)


def _joined(raw: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Put RFC 2231 sections together: ``name*0``, ``name*1*``, ``name*``. True when a name comes in two forms, or with
    sections that do not count 0, 1, 2: some readers end where one is missing."""
    if not any("*" in name for name in raw):
        return dict(raw), False
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for name, text in raw.items():
        parsed = _SECTION.fullmatch(name)
        if parsed is None or (parsed[2] is None and parsed[3] is None):
            plain[name] = text
        else:
            sections.setdefault(parsed[1], []).append((int(parsed[2] or 0), parsed[3] is not None, text))
    twice = False
    for name, found in sections.items():
        text = extended(sorted(found))
        in_order = [number for number, _, _ in sorted(found)] == list(range(len(found)))
        twice = twice or plain.get(name, text) != text or not in_order
        plain.setdefault(name, text)
    return plain, twice


def extended(sections: Sequence[tuple[int, bool, str]]) -> str:
    """The text of RFC 2231 sections in their order: number, whether it may be in percents, and value."""
    charset, octets = "utf-8", b""
    for position, (_, percent, text) in enumerate(sections):
        if percent and position == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets += unquote_to_bytes(text) if percent else text.encode("utf-8", "replace")
    return text_of(octets, charset)
