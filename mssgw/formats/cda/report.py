"""Where findings about one document come together, and how rules come into the rulebook."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from mssgw.core.clinical import Environment, Finding, Profile, Rule, Rulebook
from mssgw.formats.cda.requirements import REQUIREMENTS
from mssgw.formats.cda.survey import Survey
from mssgw.formats.cda.value_sets import NO_VALUE_SETS, ValueSets
from mssgw.formats.documents import HL7
from mssgw.formats.safexml import Element
from mssgw.formats.safexsd import Schema

TOLD = 10  # findings of one rule in one document: the next 100,000 say nothing new

RULES = Rulebook(
    requirements=REQUIREMENTS
)  # every rule about CDA documents; complete once formats.cda.rulebook is imported
rule = RULES.enter


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what a document is judged. ``now`` with a zone; ``environment`` None: identities of both kinds (INS-6).

    ``value_sets`` and ``schema``: what is installed; a schema serves one thread.
    """

    profile: Profile
    now: datetime
    environment: Environment | None = None
    value_sets: ValueSets = field(default=NO_VALUE_SETS)
    schema: Schema | None = None


class Report:
    """The findings about one document, in the order in which they are made."""

    def __init__(self, root: Element, conditions: Conditions, survey: Survey) -> None:
        self.root = root
        self.survey = survey
        self.conditions = conditions
        self.findings: list[Finding] = []
        self._times: Counter[str] = Counter()

    def add(self, broken: Rule, at: Element, *, below: str = "", found: str = "", expected: str = "") -> None:
        """That ``at`` does not keep a rule; ``below`` names what is missing in it, or the attribute that is wrong.

        ``found`` goes into reports and traces: pass values of a document through ``shown``.
        """
        self._times[broken.id] += 1
        if self._times[broken.id] > TOLD:
            return
        xpath = path(at, self.root) + (f"/{below}" if below else "")
        finding = broken.finding(
            self.conditions.profile, line=at.sourceline, xpath=xpath, found=found, expected=expected
        )
        self.findings.append(finding)


def path(element: Element, root: Element) -> str:
    """The XPath of an element below ``root``, without prefixes; numbered where it has siblings of its name."""
    return "/" + "/".join(reversed([*_steps(element, root)]))


def _steps(element: Element | None, root: Element) -> Iterator[str]:
    while element is not None:
        before = sum(1 for _ in element.itersiblings(element.tag, preceding=True)) if element is not root else 0
        alone = element is root or (not before and next(element.itersiblings(element.tag), None) is None)
        yield _step(element) + ("" if alone else f"[{before + 1}]")
        element = None if element is root else element.getparent()


_ELEMENT = re.compile("ClinicalDocument|[a-z][A-Za-z]{0,39}")


def _step(element: Element) -> str:
    """The name as a path shows it: those in CDA's namespace and manner; any other is anybody's choice."""
    name = local(element)
    return name if element.tag == HL7 + name and _ELEMENT.fullmatch(name) else "*"


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_of(element: Element) -> str:
    """Its own text, what stands after comments and elements in it included, as every reader of XML sees it."""
    if not len(element):
        return element.text or ""
    return "".join([element.text or "", *(child.tail or "" for child in element)])


@cache
def hl7(*names: str) -> tuple[str, ...]:
    """Names in the namespace of CDA, as lxml writes them."""
    return tuple(f"{HL7}{name}" for name in names)


_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,6})){1,40}")  # longer numbers in one may be of a person
_MEDIA = re.compile(  # four digits in one are of no type, but maybe of a date
    r"(?:application|audio|image|multipart|text|video)/(?!.*[0-9]{4})[a-z0-9.+-]{1,40}"
)
_CODE = re.compile(  # LOINC, a small number, a kind of structure, a profession, a version of CDA; initials, a language
    r"[0-9]{1,5}-[0-9]|[0-9]{1,3}|SA[0-9]{2}|G15_[0-9]{2}(?:/[A-Z]{1,3}[0-9]{0,3})?|POCD_HD[0-9]{6}|[A-Z]{1,2}"
    r"|[a-z]{2}(?:-[A-Za-z]{2})?"
)
# Longer words could be names, but for these.
# fmt: off
_WORDS = frozenset({
    "NASK", "ASKU", "UNK", "NAV", "MSK", "INV", "OTH", "RPLC", "XFRM", "APND", "REF", "REFB", "INF", "RESP",
    "PRF", "CON", "VRF", "ADM", "DIS", "PROV", "AGNT", "ECON", "NOK", "CAREGIVER", "PAT", "IMP", "EMER", "AMB",
    "FLD", "EXTERNE", "SEANCE", "B64", "TXT", "aborted", "active", "completed", "new",
})
# fmt: on


def shown(value: str | None) -> str:
    """An attribute's value as a report may repeat it: OIDs, media types and short codes; of others only their length.

    What stands in the place of a code may be a name, a date of birth or a number of a person (SD-10).
    """
    if value is None:
        return "absent"
    if not value.strip():
        return "vide"
    if value in _WORDS or any(form.fullmatch(value) for form in (_OID, _MEDIA, _CODE)):
        return value
    return f"valeur de {len(value)} caractères, non reproduite"
