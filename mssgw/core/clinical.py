"""What is asked of clinical documents, and what was found in them: pure values that cross from validator processes to
whoever decides.

A finding repeats codes and positions of a document, never what identifies somebody (SD-10).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Severity(IntEnum):
    """What a finding does to the document; the highest decides. The numbers are stored."""

    INFO = 0
    WARN = 1
    REJECT = 2


class Profile(StrEnum):
    """How strictly documents are judged, by direction and domain."""

    STRICT = "strict"  # the whole profile
    STANDARD = "standard"  # what could harm is refused; what published examples get wrong too only warns
    OBSERVE = "observe"  # reports only, but for the wrong patient, hidden documents and the guard


ANY_DOCUMENT = "SD-10"  # the requirement behind a refusal of any document


class Weight(StrEnum):
    """What a rule is worth; with the profile that gives the severity of its findings."""

    DANGER = "danger"  # the wrong reader, or bytes that attack: refused whatever the profile
    HARM = "harm"  # unreadable, no CDA R2, or misleading: refused but for OBSERVE
    FORM = "form"  # departs from the French profile: refused by STRICT only
    ADVICE = "advice"  # worth telling the integrator
    NOTE = "note"  # worth a line in the report


_SEVERITIES = {
    Weight.DANGER: {
        Profile.STRICT: Severity.REJECT,
        Profile.STANDARD: Severity.REJECT,
        Profile.OBSERVE: Severity.REJECT,
    },
    Weight.HARM: {Profile.STRICT: Severity.REJECT, Profile.STANDARD: Severity.REJECT, Profile.OBSERVE: Severity.WARN},
    Weight.FORM: {Profile.STRICT: Severity.REJECT, Profile.STANDARD: Severity.WARN, Profile.OBSERVE: Severity.WARN},
    Weight.ADVICE: {Profile.STRICT: Severity.WARN, Profile.STANDARD: Severity.WARN, Profile.OBSERVE: Severity.WARN},
    Weight.NOTE: {Profile.STRICT: Severity.INFO, Profile.STANDARD: Severity.INFO, Profile.OBSERVE: Severity.INFO},
}


def severity_of(weight: Weight, profile: Profile) -> Severity:
    """The severity that a rule of this weight has under this profile."""
    return _SEVERITIES[weight][profile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: ``id`` such as CDA-HDR-003, ``sentence`` what it asks in French, ``source`` the text it comes from.

    ``requirement``: what it enforces, by the ids of docs/requirements.toml, space-separated.
    """

    id: str
    weight: Weight
    sentence: str
    source: str
    requirement: str = ANY_DOCUMENT

    def finding(
        self, profile: Profile, *, line: int | None = None, xpath: str = "", found: str = "", expected: str = ""
    ) -> "Finding":
        """That a document does not keep this rule, and where."""
        return Finding(
            rule=self.id,
            severity=severity_of(self.weight, profile),
            danger=self.weight is Weight.DANGER,
            requirement=self.requirement,
            sentence=self.sentence,
            source=self.source,
            line=line,
            xpath=xpath,
            found=found,
            expected=expected,
        )


class Rulebook(dict[str, Rule]):
    """Rules by id. ``prefix``: how all of their ids begin that are entered without it.

    ``requirements``: by rule id, or by how one begins; of several that fit, the longest counts.
    """

    def __init__(self, prefix: str = "", *, requirements: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._prefix, self._requirements = prefix, requirements

    def enter(self, number: str, weight: Weight, sentence: str, source: str) -> Rule:
        """A rule under an id that no other has. Raises ValueError when one does."""
        id_ = self._prefix + number
        rule = Rule(
            id=id_, weight=weight, sentence=sentence, source=source, requirement=requirement_of(id_, self._requirements)
        )
        if self.setdefault(rule.id, rule) is not rule:
            raise ValueError(f"{rule.id} stands twice in the rulebook")
        return rule


def requirement_of(rule: str, requirements: Mapping[str, str]) -> str:
    """What a rule with this id enforces, by a table of ids and of beginnings of ids."""
    return requirements[max((key for key in requirements if rule.startswith(key)), key=len)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where a document breaks a rule. ``line`` from 1; ``xpath`` without prefixes, all of it in urn:hl7-org:v3.

    ``found`` and ``expected``: codes, OIDs, counts and words of ours; never a name, a number of a person or a date.
    ``danger``: no profile and nobody lets it pass (Weight.DANGER). ``requirement``: that of its rule.
    """

    rule: str
    severity: Severity
    sentence: str
    danger: bool = False
    requirement: str = ANY_DOCUMENT
    source: str = ""
    line: int | None = None
    xpath: str = ""
    found: str = ""
    expected: str = ""


class Verdict(StrEnum):
    """What becomes of a document."""

    ACCEPT = "accept"
    WARN = "warn"  # delivered; the report is kept
    REJECT = "reject"
    UNVERIFIED = "unverified"  # nobody could tell: never a silent accept, never a refusal (SD-10)


def verdict_of(findings: Iterable[Finding], *, complete: bool = True) -> Verdict:
    """The verdict; ``complete`` is False when a check crashed or ran out of time."""
    worst = max((finding.severity for finding in findings), default=Severity.INFO)
    if worst is Severity.REJECT:
        return Verdict.REJECT
    if not complete:
        return Verdict.UNVERIFIED
    return Verdict.WARN if worst is Severity.WARN else Verdict.ACCEPT


class Environment(StrEnum):
    """Whose identities are met here (INS-6)."""

    PRODUCTION = "production"
    TEST = "test"


class Mark(StrEnum):
    """From whom a document is hidden (SD-15): confidentialityCode of METADATA.XML or of the header."""

    INVISIBLE_PATIENT = "INVISIBLE_PATIENT"
    INVISIBLE_REPRESENTANTS_LEGAUX = "INVISIBLE_REPRESENTANTS_LEGAUX"
    MASQUE_PS = "MASQUE_PS"
