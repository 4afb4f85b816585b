"""The published white list of MSSanté: which operators speak for which domain (WL-2)."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from mssgw.core.addresses import domain_key
from mssgw.core.errors import GatewayError, MalformedAddress, MalformedName
from mssgw.core.names import Name
from mssgw.core.trust import WhiteList
from mssgw.formats import safexml
from mssgw.formats.safexml import Element

LIMIT = 16 * 2**20  # octets; the real list has 3.7 MB in 2025
_TAGS = 800_000  # as many as fit a real list of that size; a tree of four million elements takes a gigabyte
_SPACE = "{https://listeblanche.mssante.fr/schema}"
_ROOT, _GENERATED, _DOMAINS, _ENTRY, _NAME, _DN = (
    _SPACE + each
    for each in (
        "ListeBlancheMSSante",
        "DateDeGeneration",
        "ListeDomaines",
        "Domaine",
        "Nom",
        "DNCertificatOperateur",
    )
)


def check_size(file: bytes) -> None:
    """Before anything is parsed, or a signature looked at. Raises UnusableList."""
    if len(file) > LIMIT or file.count(b"<") > _TAGS:
        raise UnusableList("far larger than a white list")


class UnusableList(GatewayError):
    """The file is no white list that we go by. The text says why."""


def read(document: bytes, *, fingerprint: str = "") -> WhiteList:  # req: WL-2, WL-4, WL-5
    """Index a list of at most LIMIT octets. Raises UnusableList.

    ``fingerprint``: that of the file, when ``document`` is only what was signed of it. An entry that cannot be read
    lists nothing, and is counted: one bad line among thousands must not stop the mail of all.
    """
    try:
        root = safexml.parse(document, limit=LIMIT)
    except safexml.UnreadableXml as error:
        raise UnusableList(str(error)) from None
    if root.tag != _ROOT:
        raise UnusableList(f"the root element is not ListeBlancheMSSante in the namespace {_SPACE[1:-1]}")
    generated_at = _moment(_text(_only(root, _GENERATED)))
    entries = [each for each in _only(root, _DOMAINS) if each.tag == _ENTRY]
    pairs, count = list(_readable(entries)), len(entries)
    del root, entries  # five times the file
    if not pairs:
        raise UnusableList("no entry that can be read")
    operators, domains = defaultdict(set), defaultdict(set)
    for domain, name in pairs:
        operators[domain].add(name)
        domains[name].add(domain)
    return WhiteList(
        generated_at=generated_at,
        entries=count,
        unreadable=count - len(pairs),
        fingerprint=fingerprint or hashlib.sha256(document).hexdigest(),
        operators={domain: frozenset(names) for domain, names in operators.items()},
        domains={name: frozenset(listed) for name, listed in domains.items()},
    )


def _only(parent: Element, tag: str) -> Element:
    """Its one child of that name: of two, one reader takes the first and another the last."""
    match parent.findall(tag):
        case [child]:
            return child
        case found:
            raise UnusableList(f"{len(found) or 'no'} {tag.removeprefix(_SPACE)} where one is expected")


def _text(leaf: Element) -> str:
    """All that it says. A comment within would split it: one reader takes the first half, another both."""
    if len(leaf):
        raise UnusableList(f"something within {leaf.tag.removeprefix(_SPACE)} besides text")
    return (leaf.text or "").strip()


def _moment(text: str) -> datetime:
    """``2025-03-13T14:54:10Z``; with another offset than Z it says so, without any it says nothing."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UnusableList("DateDeGeneration is no date with a time and a zone")


def _readable(entries: list[Element]) -> Iterator[tuple[str, Name]]:
    """Domain and operator of each entry that has both; names are parsed once each, there are only some hundred."""
    names: dict[str, Name | None] = {}
    for entry in entries:
        try:
            domain, text = domain_key(_text(_only(entry, _NAME))), _text(_only(entry, _DN))
            if text not in names:
                names[text] = None
                names[text] = Name.parse(text)
        except (UnusableList, MalformedAddress, MalformedName):
            continue
        if name := names[text]:
            yield domain, name
