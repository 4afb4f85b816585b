"""What a header must hold, as a tree of data, and the one pass that holds a document against it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from mssgw.core.clinical import Rule, Weight
from mssgw.formats.cda.report import Report, rule, shown
from mssgw.formats.documents import HL7
from mssgw.formats.safexml import Element

_ANY = f"{HL7}*"
_MOST_ALIKE = 1_000  # real headers have 18 participants
_MOST_CHILDREN = 5_000

FLOOD = rule(
    "CDA-HDR-024",
    Weight.HARM,
    "Un élément de l'en-tête ne se répète pas plus de 1 000 fois, ni n'en contient plus de 5 000",
    "passerelle",
)


class Children(dict[str, list[Element]]):
    """The children of an element by their tag, as lxml writes it."""

    def named(self, name: str) -> Sequence[Element]:
        """Those of this name in urn:hl7-org:v3."""
        return self.get(HL7 + name, ())


Check = Callable[[Report, Element, Children], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute that must be there (unless ``optional``), not blank, one of ``allowed`` and of that ``form``."""

    name: str
    rule: Rule
    allowed: frozenset[str] = frozenset()
    form: re.Pattern[str] | None = None
    optional: bool = False
    expected: str = ""

    def inspect(self, element: Element, report: Report) -> None:
        """Report what is wrong with it on this element."""
        value = element.get(self.name)
        if not (self.optional if value is None else self._fits(value)):
            expected = self.expected or " ".join(sorted(self.allowed))
            report.add(self.rule, element, below=f"@{self.name}", found=shown(value), expected=expected)

    def _fits(self, value: str) -> bool:
        if self.allowed:
            return value in self.allowed
        return bool(self.form.fullmatch(value) if self.form else value.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An element, how often it stands in its parent, and what it holds.

    ``rule``: about its number, None when any will do; ``many``: about too many, when that is another matter.
    ``real``: a nullFlavor does not stand in for it; where it may, nothing else is asked of such an element.
    """

    name: str
    rule: Rule | None = None
    least: int = 0
    most: int | None = None
    many: Rule | None = None
    real: bool = False
    attributes: tuple[Attribute, ...] = ()
    parts: "tuple[Part, ...]" = ()
    checks: tuple[Check, ...] = ()
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", HL7 + self.name)

    def inspect(self, element: Element, report: Report) -> None:
        """Report everything in this element that is not as it should be."""
        for attribute in self.attributes:
            attribute.inspect(element, report)
        if self.parts or self.checks:
            self.look_into(element, children_of(element), report)

    def look_into(self, element: Element, children: Children, report: Report) -> None:
        """The same for what it holds, besides its attributes."""
        if len(element) > _MOST_CHILDREN:
            report.add(FLOOD, element, found=str(len(element)), expected=f"au plus {_MOST_CHILDREN}")
        for part in self.parts:
            found = children.get(part.tag, ())
            part.count(found, element, report)
            if not found:
                continue
            for each in within_reason(found, report):
                if each.get("nullFlavor") is None:
                    part.inspect(each, report)
                elif part.real and part.rule:
                    report.add(part.rule, each, found="nullFlavor", expected="une valeur")
        for check in self.checks:
            check(report, element, children)

    def count(self, found: Sequence[Element], parent: Element, report: Report) -> None:
        """Report when there are too few or too many of these in their parent."""
        if self.rule and len(found) < self.least:
            expected = f"{'au moins ' if self.most is None else ''}{self.least}"
            report.add(
                self.rule, parent, below=self.name, found=str(len(found)) if found else "absent", expected=expected
            )
        elif self.rule and self.most is not None and len(found) > self.most:
            report.add(self.many or self.rule, found[self.most], found=str(len(found)), expected=f"au plus {self.most}")


def within_reason(found: Sequence[Element], report: Report) -> Sequence[Element]:
    """So many of these that a document may have; more are reported, and not looked at."""
    if len(found) > _MOST_ALIKE:
        report.add(FLOOD, found[_MOST_ALIKE], found=str(len(found)), expected=f"au plus {_MOST_ALIKE}")
    return found[:_MOST_ALIKE]


def children_of(element: Element) -> Children:
    """The children of an element, the first 5,000 in urn:hl7-org:v3: nobody has as many, and each costs memory."""
    children = Children()
    few = len(element) <= _MOST_CHILDREN  # then a slice is twice as fast, and nobody asks for what else is in it
    for child in element[:] if few else islice(element.iterchildren(_ANY), _MOST_CHILDREN):
        children.setdefault(child.tag, []).append(child)
    return children


def one(
    name: str, rule: Rule, *attributes: Attribute, parts: tuple[Part, ...] = (), checks: tuple[Check, ...] = ()
) -> Part:
    """Exactly one; a nullFlavor may stand in for its value."""
    return Part(name=name, rule=rule, least=1, most=1, attributes=attributes, parts=parts, checks=checks)


def real(
    name: str, rule: Rule, *attributes: Attribute, parts: tuple[Part, ...] = (), checks: tuple[Check, ...] = ()
) -> Part:
    """Exactly one, with a value."""
    return Part(name=name, rule=rule, least=1, most=1, real=True, attributes=attributes, parts=parts, checks=checks)
