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
from mssgw.formats.cda.parts import FLOOD
from mssgw.formats.cda.people import check_affix, check_telecom
from mssgw.formats.cda.report import Conditions, Report, hl7
from mssgw.formats.cda.schema import check_schema
from mssgw.formats.safexml import Element

__all__ = ["RULES", "Conditions", "check", "coherence", "hidden", "together"]

RULES: Mapping[str, Rule] = MappingProxyType(report.RULES)

_TELECOM, _PREFIX, _SUFFIX, _TEXT, _VALUE = hl7("telecom", "prefix", "suffix", "text", "value")
_MOST_ANYWHERE = 5_000  # real documents have some hundreds
_HOLDERS = frozenset(hl7("nonXMLBody", "observationMedia"))  # whose text or value is always a file


def check(root: Element, conditions: Conditions) -> tuple[Finding, ...]:
    """What is wrong with a document by itself. ``root``: its ClinicalDocument, within the caps of formats.documents.

    Raises safexsd.NotJudged, and nothing else but what a defect of ours would: any tree is judged.
    """
    found = Report(root, conditions)
    if conditions.schema is not None:
        check_schema(found, conditions.schema)
    check_header(found)
    check_ins(found)
    check_body(found)
    checked = 0
    for element in root.iter(_TELECOM, _PREFIX, _SUFFIX, _TEXT, _VALUE):
        checked += _check_anywhere(found, element)
        if checked > _MOST_ANYWHERE:
            found.add(FLOOD, element, found=f"plus de {_MOST_ANYWHERE} telecom, prefix, suffix et fichiers")
            break
    return tuple(found.findings)


def _check_anywhere(found: Report, element: Element) -> bool:
    """Whether it is something to be checked, and was."""
    match element.tag:
        case tag if tag == _TELECOM:
            check_telecom(found, element)
        case tag if tag in (_PREFIX, _SUFFIX):
            check_affix(found, element)
        case _ if element.get("representation") == "B64" or element.getparent().tag in _HOLDERS:
            check_file(found, element)
        case _:
            return False
    return True
