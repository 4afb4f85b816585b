"""What was found in clinical documents: pure values that cross from worker processes to whoever decides.

None of them shows a matricule or a name in its repr; a finding repeats codes and positions of a document, never what
identifies somebody (SD-10).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum, StrEnum
from types import MappingProxyType

from mssgw.core.ins import InsAuthority, Matricule


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


@dataclass(frozen=True, slots=True, repr=False)
class PersonId:
    """An identifier of a person as a document writes it: OID of whoever gave it, and the value."""

    root: str
    extension: str

    @property
    def is_ins(self) -> bool:
        """Whether the root is one of INS-6, behind ``urn:oid:`` and other octets as well."""
        return self.root in _INS_ROOTS or _oid_in(self.root) in _INS_ROOTS

    @property
    def person(self) -> str:
        """The part of an INS that tells persons apart: 13 characters without the key, upper case."""
        return self.extension.upper()[:13]

    def __repr__(self) -> str:
        return "<PersonId>"


_INS_ROOTS = frozenset(InsAuthority)
_OID = re.compile(r"[0-9][0-9.]*+")


def _oid_in(root: str) -> str:
    found = _OID.search(root)
    return found[0] if found is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DocumentPatient:
    """A patient as a header or METADATA.XML tells of them. Texts as written, trimmed; "" for what is not there.

    ``birth_date`` is YYYYMMDD or its beginning; ``birth_place`` the COG code.
    """

    ids: tuple[PersonId, ...] = ()
    family: str = ""  # birth name
    given: str = ""  # first given name
    gender: str = ""
    birth_date: str = ""
    birth_place: str = ""
    names: tuple[str, ...] = field(default=())  # every family name, used ones too

    @property
    def ins(self) -> tuple[PersonId, ...]:
        """Those of its identifiers that are an INS."""
        return tuple(each for each in self.ids if each.is_ins)

    @property
    def is_qualified(self) -> bool:
        """Whether X-MSS-INS may say O: matricule, OID, birth name, first given name, birth date, sex (FMT-10)."""
        return bool(self.ins and self.family and self.given and self.birth_date and self.gender)

    def __repr__(self) -> str:
        return "<DocumentPatient>"


class Match(StrEnum):
    """What comparing patients tells."""

    SAME = "same"
    SAME_WRONG_KEY = "same-wrong-key"  # SD-11's warning
    DIFFERENT = "different"
    UNCHECKED = "unchecked"  # nothing that could be compared


def match_address(patients: Sequence[DocumentPatient], matricule: Matricule) -> Match:
    """Whether the patients of a document are the one of the address; one INS of somebody else is enough to differ.

    Compared on 13 characters, upper case: the key of the address was checked (INS-3), that of a document may be wrong.
    """
    everyone = [each for patient in patients for each in patient.ins]
    if any(each.person != matricule.value[:13] for each in everyone):
        return Match.DIFFERENT
    if not patients or not all(patient.ins for patient in patients):
        return Match.UNCHECKED
    wrong = any(each.extension.upper() != matricule.value for each in everyone)
    return Match.SAME_WRONG_KEY if wrong else Match.SAME


def match_patients(one: DocumentPatient, other: DocumentPatient) -> Match:
    """Whether two documents are about the same person: by INS, else by a common identifier, else by traits.

    Without an INS on both sides, only birth date and family name that both differ make two persons of them.
    """
    if one.ins and other.ins:
        persons = {each.person for each in (*one.ins, *other.ins)}
        return Match.SAME if len(persons) == 1 else Match.DIFFERENT
    if set(one.ids) & set(other.ids):
        return Match.SAME
    born, names = _born_apart(one, other), _named_apart(one, other)
    if born and names:
        return Match.DIFFERENT
    return Match.SAME if born is False and names is False else Match.UNCHECKED


def _born_apart(one: DocumentPatient, other: DocumentPatient) -> bool | None:
    first, second = one.birth_date[:8], other.birth_date[:8]
    if not first or not second:
        return None
    return not (first.startswith(second) or second.startswith(first))


def _named_apart(one: DocumentPatient, other: DocumentPatient) -> bool | None:
    first, second = ({folded(name) for name in (each.family, *each.names) if name} for each in (one, other))
    return None if not first or not second else first.isdisjoint(second)


def folded(name: str) -> str:
    """A name as it compares: letters only, upper case, without accents."""
    decomposed = unicodedata.normalize("NFKD", name).upper()
    return "".join(letter for letter in decomposed if letter.isalpha())


def ascii_folded(sentence: str) -> str:
    """A French sentence as an SMTP reply may carry it: ASCII, without accents (RFC 5321 section 4.2)."""
    decomposed = unicodedata.normalize("NFKD", sentence.translate(_LIGATURES))
    return decomposed.encode("ascii", "ignore").decode("ascii")


_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "’": "'", "«": '"', "»": '"', "–": "-", "—": "-"})


def may_be_minor(matricule: Matricule, today: date) -> bool:
    """Whether this patient may be under 18: the two digits of the year leave a doubt, which counts as minor (SD-15).

    The day is unknown: somebody who turns 18 this month may be minor still. So may who was born in an unknown month.
    """
    year, month = int(matricule.value[1:3]), int(matricule.value[3:5])
    latest = month if 1 <= month <= 12 else 12
    earliest = month if 1 <= month <= 12 else 1
    for born in (1900 + year, 2000 + year):
        months = (today.year - born) * 12 + today.month
        if months - earliest >= 0 and months - latest <= 18 * 12:
            return True
    return False
