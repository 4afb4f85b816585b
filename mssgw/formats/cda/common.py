"""What many parts of a header have in common: times, codes of value sets, identifiers."""

import re

from mssgw.core.clinical import Rule, Weight
from mssgw.formats.cda import moments
from mssgw.formats.cda.parts import Attribute, Check, Children, Part
from mssgw.formats.cda.report import Report, rule, shown
from mssgw.formats.cda.value_sets import USED
from mssgw.formats.safexml import Element

MINIMAL = "CI-SIS, structuration minimale"
CDA_R2 = "HL7 CDA R2"

PROFESSIONALS = "1.2.250.1.71.4.2.1"
STRUCTURES = "1.2.250.1.71.4.2.2"
LOINC = "2.16.840.1.113883.6.1"

OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
OID_OR_UUID = re.compile(rf"{OID.pattern}|[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}")

BAD_TIME = rule(
    "CDA-TIM-001",
    Weight.FORM,
    "Une date ou une heure de l'en-tête existe au calendrier et suit la forme AAAAMMJJhhmmss+zone",
    CDA_R2,
)
BAD_INTERVAL = rule("CDA-TIM-002", Weight.ADVICE, "La fin d'une période (high) ne précède pas son début (low)", CDA_R2)
BAD_CODE = rule(
    "CDA-COD-001",
    Weight.FORM,
    "Un code de l'en-tête s'accompagne de son système (codeSystem) et de son libellé (displayName)",
    MINIMAL,
)


def check_time(report: Report, element: Element, children: Children) -> None:
    """A point in time, or an interval: every value in it exists."""
    low, high = children.named("low"), children.named("high")
    starts, ends = ([_moment(report, each) for each in found] for found in (low, high))
    _moment(report, element)
    if len(starts) == len(ends) == 1 and starts[0] and ends[0] and _ends_first(starts[0], ends[0]):
        report.add(BAD_INTERVAL, high[0])


def _ends_first(start: moments.Moment, end: moments.Moment) -> bool:
    """Only what is told to the same precision compares."""
    return (start.pieces, start.zoned) == (end.pieces, end.zoned) and end.earliest < start.earliest


def _moment(report: Report, element: Element) -> moments.Moment | None:
    if (value := element.get("value")) is None:
        return None
    if (read := moments.read(value)) is None:
        report.add(BAD_TIME, element, below="@value", expected="AAAAMMJJhhmmss+zone")
    return read


def in_value_set(name: str, broken: Rule) -> Check:
    """That a code is of a value set, when the set is installed."""
    assert name in USED, "no pack would hold it"

    def check(report: Report, element: Element, _children: Children) -> None:
        sets, code = report.conditions.value_sets, element.get("code")
        if code and sets.knows(name) and not sets.has(name, code, element.get("codeSystem", "")):
            report.add(broken, element, below="@code", found=shown(code), expected=name)

    return check


CODE_ATTRIBUTES = (
    Attribute(name="code", rule=BAD_CODE),
    Attribute(name="codeSystem", rule=BAD_CODE, form=OID, expected="un OID"),
    Attribute(name="displayName", rule=BAD_CODE, expected="un libellé"),
)


def identified(broken: Rule, *roots: str, least: int = 1, most: int | None = None) -> Part:
    """An id with root (one of ``roots`` when given) and extension."""
    return Part(
        name="id",
        rule=broken,
        least=least,
        most=most,
        real=True,
        attributes=(
            Attribute(
                name="root", rule=broken, allowed=frozenset(roots), form=OID_OR_UUID, expected=" ou ".join(roots)
            ),
            Attribute(name="extension", rule=broken, expected="une valeur"),
        ),
    )


def period(broken: Rule, *, low: bool = False) -> Part:
    """Exactly one effectiveTime, with a low when asked."""
    parts = (Part(name="low", rule=broken, least=1, most=1),) if low else ()
    return Part(name="effectiveTime", rule=broken, least=1, most=1, parts=parts, checks=(check_time,))
