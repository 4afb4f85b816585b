"""All rules about one CDA document, in one pass over it.

An id is CDA, a room and a number: XSD the installed schema, HDR the document, PAT the patient, INS his matricule, PER
other persons, TIM and COD times and codes anywhere in the header, BOD the body, HID and COH what depends on the
recipients, the letter and its other documents. Numbers are never reused.
"""

from collections.abc import Mapping
from types import MappingProxyType

from mssgw.core.clinical import Finding, Rule
from mssgw.formats.cda import coherence, hidden, report, together
from mssgw.formats.cda.body import check_body, check_file
from mssgw.formats.cda.header import check_header
from mssgw.formats.cda.ins import check_ins
from mssgw.formats.cda.parts import FLOOD, children_of
from mssgw.formats.cda.people import check_affix, check_telecom
from mssgw.formats.cda.report import Conditions, Report
from mssgw.formats.cda.schema import check_schema
from mssgw.formats.cda.survey import MOST_CHECKED, Survey, survey
from mssgw.formats.documents import HL7
from mssgw.formats.safexml import Element

__all__ = ["RULES", "Conditions", "check", "coherence", "hidden", "together"]

RULES: Mapping[str, Rule] = MappingProxyType(report.RULES)

_ANYWHERE = {f"{HL7}telecom": check_telecom, f"{HL7}prefix": check_affix, f"{HL7}suffix": check_affix}  # else a file


def check(root: Element, conditions: Conditions, surveyed: Survey | None = None) -> tuple[Finding, ...]:
    """What is wrong with a document by itself. ``root``: its ClinicalDocument, within the caps of formats.documents;
    ``surveyed``: what a survey of it found, if there was one.

    Raises safexsd.NotJudged, and nothing else but what a defect of ours would: any tree is judged.
    """
    found = Report(root, conditions, surveyed or survey(root))
    if conditions.schema is not None:
        check_schema(found, conditions.schema)
    children = children_of(root)
    check_header(found, children)
    check_ins(found)
    check_body(found, children)
    for element in found.survey.checked:
        _ANYWHERE.get(element.tag, check_file)(found, element)
    if len(found.survey.checked) > MOST_CHECKED:
        found.add(FLOOD, found.survey.checked[-1], found=f"plus de {MOST_CHECKED} telecom, prefix, suffix et fichiers")
    return tuple(found.findings)
