"""What a variant is, and what the document that it is made of must get."""

from dataclasses import dataclass

from mssgw.core.clinical import Profile, Verdict, Weight
from tests.cda_variants.changes import Change

DANGER, HARM, FORM, ADVICE = Weight.DANGER, Weight.HARM, Weight.FORM, Weight.ADVICE
_VERDICTS = {
    Weight.DANGER: (Verdict.REJECT, Verdict.REJECT),
    Weight.HARM: (Verdict.REJECT, Verdict.REJECT),
    Weight.FORM: (Verdict.REJECT, Verdict.WARN),
    Weight.ADVICE: (Verdict.WARN, Verdict.WARN),
}


@dataclass(frozen=True)
class Variant:
    """``row``: of the rule tables; ``rule``: the id that must be among the findings."""

    row: str
    what: str
    rule: str
    weight: Weight
    change: Change

    def verdict(self, profile: Profile) -> Verdict:
        """What a document that was faultless before must get now."""
        strict, standard = _VERDICTS[self.weight]
        return strict if profile is Profile.STRICT else standard


def of(row: str, *rows: tuple[str, str, Weight, Change]) -> list[Variant]:
    return [Variant(row, what, rule, weight, change) for what, rule, weight, change in rows]
