"""What may stand anywhere in a document, found in one walk over it: each walk takes some 4 % of judging a real one."""

from dataclasses import dataclass, field

from mssgw.formats.documents import HL7
from mssgw.formats.safexml import Element

MOST_CHECKED = 5_000  # real documents have some hundreds
MOST_INCLUDED = 100  # a report tells less

_INCLUDE = "{http://www.w3.org/2001/XInclude}include"
_SECRET, _TRANSLATION = f"{HL7}confidentialityCode", f"{HL7}translation"
_ALWAYS = frozenset(f"{HL7}{name}" for name in ("telecom", "prefix", "suffix"))
_FILES = tuple(f"{HL7}{name}" for name in ("text", "value"))
_HOLDERS = frozenset(f"{HL7}{name}" for name in ("nonXMLBody", "observationMedia"))  # whose text or value is a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """``checked``: telecoms, prefixes, suffixes and files, the first of them; ``included``: by XInclude; ``secrets``:
    codes of confidentiality, and of their translations; ``nodes``: at most so many elements and attributes, if known.
    """

    checked: list[Element] = field(repr=False)
    included: list[Element] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)
    nodes: int | None


def survey(root: Element, nodes: int | None = None) -> Survey:
    """Of a whole document; ``nodes`` as in Survey."""
    checked: list[Element] = []
    included: list[Element] = []
    secrets: set[str] = set()
    held = False  # whether there was a holder: before it, nothing needs to be asked for its parent
    for element in root.iter(_SECRET, _INCLUDE, *_HOLDERS, *_ALWAYS, *_FILES):
        tag = element.tag
        if tag == _SECRET:
            secrets.update(each.get("code", "") for each in (element, *element.iterchildren(_TRANSLATION)))
        elif tag == _INCLUDE:
            included += [element] if len(included) < MOST_INCLUDED else []
        elif tag in _HOLDERS:
            held = True
        elif len(checked) <= MOST_CHECKED and (tag in _ALWAYS or _is_file(element, held)):
            checked.append(element)
    return Survey(checked=checked, included=included, secrets=frozenset(secrets), nodes=nodes)


def is_base64(element: Element) -> bool:
    """Whether it says so; also in lower case, or with white space around, which some readers heed and others not."""
    said = element.get("representation")
    return said is not None and (said == "B64" or said.strip().upper() == "B64")


def _is_file(element: Element, held: bool) -> bool:
    return is_base64(element) or (held and element.getparent().tag in _HOLDERS)
