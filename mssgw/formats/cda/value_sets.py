"""Value sets (JDV) of the CI-SIS: data that an administrator may install; a rule about one that is absent is silent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mssgw.core.errors import GatewayError
from mssgw.formats import safexml

USED = frozenset({"JDV_J01", "JDV_J02", "JDV_J04", "JDV_J07", "JDV_J47"})  # those that rules ask for

_LIMIT = 16 * 1024 * 1024  # octets
_NAME = re.compile(r"(?i)(JDV_J[0-9]{1,3})(?![0-9])")


class UnreadableValueSet(GatewayError):
    """A value set file is not one. The text names the set and what is wrong."""


@dataclass(frozen=True, slots=True, repr=False)
class ValueSets:
    """``concepts``: (code, code system) of each set, by its name such as JDV_J07."""

    concepts: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=lambda: MappingProxyType({}))

    def knows(self, name: str) -> bool:
        """Whether this set is installed."""
        return name in self.concepts

    def has(self, name: str, code: str, system: str) -> bool:
        """Whether an installed set holds this code."""
        return (code, system) in self.concepts[name]

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> "ValueSets":
        """The sets in these files, by file name; files that are not called JDV_Jnn are left out.

        Raises UnreadableValueSet.
        """
        named = {name: content for file, content in files.items() if (name := name_of(file))}
        return cls({name: _concepts(name, content) for name, content in named.items()})

    def __repr__(self) -> str:
        return f"<ValueSets {' '.join(sorted(self.concepts)) or 'none'}>"


def name_of(path: str) -> str:
    """The value set that a file is called after, such as JDV_J07; "" for none."""
    found = _NAME.search(path.rpartition("/")[2])
    return found[1].upper() if found else ""


def revision_of(content: bytes) -> str:
    """When a value set that can be read was last revised, as digits that compare; "" when it does not say."""
    for each in safexml.parse(content, limit=_LIMIT).iter("{*}ValueSet", "{*}valueSet"):
        told = each.get("dateMaj") or each.get("revisionDate") or each.get("version") or ""
        return "".join(filter(str.isdigit, told))[:14]
    return ""


def _concepts(name: str, content: bytes) -> frozenset[tuple[str, str]]:
    """Every element with a code and a codeSystem: ANS's files follow IHE SVS, older ones a form of their own."""
    try:
        root = safexml.parse(content, limit=_LIMIT)
    except safexml.UnreadableXml as error:
        raise UnreadableValueSet(f"{name}: {error}") from None
    found = {(each.get("code"), each.get("codeSystem")) for each in root.iter("{*}Concept", "{*}concept")}
    concepts = frozenset((code, system) for code, system in found if code and system)
    if not concepts:  # an empty set would refuse everything
        raise UnreadableValueSet(f"{name}: no concept with code and codeSystem")
    return concepts


NO_VALUE_SETS = ValueSets()
