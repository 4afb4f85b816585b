"""How a seed is damaged: its octets, its tree of elements, the entries of its archive, or several of these.

What hypothesis draws is small numbers and names of ways, so that what fails shrinks to the few changes that matter.
"""

import copy
import struct
import zipfile
from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from lxml import etree

from mssgw.formats import archive, safexml
from mssgw.formats.documents import HL7
from mssgw.formats.guard import Stopped
from tests import zips
from tests.fuzz.seeds import CANARIES, SMALL

_HERE = st.integers(0, 0xFFFF)  # a place, as a share of the whole
_OCTETS = st.binary(max_size=8)
# fmt: off
_TEXTS = (
    "<", ">", "/>", "</a>", "<a>", "&amp;", "&#0;", "&#x110000;", "&b;", "]]>", "<![CDATA[", "<!--", "-->", "<?a?>",
    "<!DOCTYPE a>", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]>", "<?xml version='1.0'?>",
    "<?xml version='1.0' encoding='utf-7'?>", 'encoding="ISO-8859-1"', 'encoding="UTF-16"', "\ufeff", "\0", "\r",
    "+ADw-", ' nullFlavor="UNK"', ' xmlns="urn:hl7-org:v3"', ' xmlns=""', ' xmlns:c="urn:hl7-org:v3"',
    ' xml:base="http://a.example/"', "<ClinicalDocument/>", '<ClinicalDocument xmlns="urn:hl7-org:v3"/>',
    "</ClinicalDocument>", '<recordTarget xmlns="urn:hl7-org:v3"><patientRole/></recordTarget>',
    '<id nullFlavor="NI"/>', '<id root="" extension=""/>', '<telecom value="x"/>',
    '<effectiveTime value="00010101000000+1400"/>', '<effectiveTime value="99991231235959-1400"/>',
    '<birthTime value="0000"/>', '<versionNumber value="99999999999999999999"/>',
    '<text representation="B64">====</text>',
    '<value mediaType="application/pdf" representation="B64">JVBERg</value>',
    '<reference value="http://a.example/"/>', "INVISIBLE_PATIENT", "MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX",
    "1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.11", "%PDF-", "%%EOF", "/JavaScript", "MZ\0",
    "^^^&amp;1.2&amp;ISO^NH", "^^^^", "&amp;&amp;&amp;", "PID-5|", "PID-7|", "|", "1|", "9|", "Ã©", "20261301",
    "urn:uuid:", "ExtrinsicObject", "RegistryPackage", "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0", "../", "..\\",
    "/", "C:", "IHE_XDM/SUBSET01/METADATA.XML", "__MACOSX/", "\u202e", "e\u0301", "%2e%2e%2f", "\ud7ff", "\U0010ffff",
)
_NAMES = (
    "recordTarget", "patientRole", "patient", "name", "family", "given", "id", "code", "birthTime", "author",
    "custodian", "telecom", "prefix", "text", "value", "nonXMLBody", "structuredBody", "component",
    "observationMedia", "serviceEvent", "effectiveTime", "low", "high", "confidentialityCode", "relatedDocument",
    "parentDocument", "county", "title", "setId",
)
_ATTRIBUTES = ("code", "root", "extension", "value", "qualifier", "representation", "mediaType")
_NUMBERS = (
    0, 1, 2, 8, 0x10, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE,
    0xFFFFFFFF,
)
# fmt: on
WORDS = tuple(word.encode() for word in _TEXTS)
_CANARIES = tuple(each.upper() for each in CANARIES)
_VALUES = (*(word.decode() for word in WORDS), *_CANARIES, "", " ", "A" * 300)
_SPECIAL = set("\0\ufeff\ud7ff")

_words = st.sampled_from((*WORDS, *(each.encode() for each in _CANARIES))) | _OCTETS


def _place(content: Sequence[object], share: int) -> int:
    return share * len(content) // 0x10000


def _at_mark(content: bytes, at: int) -> int:
    """The next place where something begins or ends in XML: in between, most changes only break a word."""
    found = [place for mark in (b"<", b'"', b">") if (place := content.find(mark, at)) >= 0]
    return min(found, default=at)


def _cut(content: bytes, at: int, other: int, _: bytes) -> bytes:
    first, last = sorted((at, other))
    return content[:first] + content[last:]


def _put(content: bytes, at: int, _: int, word: bytes) -> bytes:
    return content[:at] + word + content[at:]


def _over(content: bytes, at: int, _: int, word: bytes) -> bytes:
    return content[:at] + word + content[at + len(word) :]


def _again(content: bytes, at: int, other: int, _: bytes) -> bytes:
    first, last = sorted((at, other))
    return content[:last] + content[first:last] + content[last:]


def _moved(content: bytes, at: int, other: int, _: bytes) -> bytes:
    piece = content[at : at + 200]
    rest = content[:at] + content[at + 200 :]
    return rest[:other] + piece + rest[other:]


def _often(content: bytes, at: int, other: int, word: bytes) -> bytes:
    return content[:at] + word * (other % 2_000) + content[at:]


def _ended(content: bytes, at: int, _: int, word: bytes) -> bytes:
    return content[:at] + word


def _number(content: bytes, at: int, other: int, word: bytes) -> bytes:
    """A number of 2 or 4 octets, such as headers of a zip are made of."""
    form = "<L" if other % 2 else "<H"
    value = _NUMBERS[other % len(_NUMBERS)] & (0xFFFFFFFF if form == "<L" else 0xFFFF)
    return _over(content, at, other, struct.pack(form, value))


_WAYS: tuple[Callable[[bytes, int, int, bytes], bytes], ...] = (
    *(_cut, _put, _over, _again, _moved, _often, _ended, _number),
)
_changes = st.lists(st.tuples(st.sampled_from(_WAYS), st.booleans(), _HERE, _HERE, _words), max_size=5)


def _damaged(content: bytes, changes: Sequence[tuple[Callable[..., bytes], bool, int, int, bytes]]) -> bytes:
    for way, marked, here, there, word in changes:
        at, other = _place(content, here), _place(content, there)
        if marked:
            at, other = _at_mark(content, at), _at_mark(content, other)
        content = way(content, at, other, word)
    return content


_tree_ways = st.sampled_from(
    ("drop", "twice", "text", "tail", "attribute", "strip", "null", "rename", "move", "wrap", "deep")
)
_tree_changes = st.lists(st.tuples(_tree_ways, _HERE, _HERE, st.sampled_from(_VALUES)), max_size=6)


def _regrown(content: bytes, changes: Sequence[tuple[str, int, int, str]]) -> bytes:
    """XML whose elements were changed, and which is well-formed still. What is no XML stays as it is."""
    try:
        root = safexml.parse(content, limit=SMALL * 10)
    except safexml.UnreadableXml:
        return content
    for how, here, there, value in changes:
        elements = [*root.iter("{*}*")]
        _change(elements[_place(elements, here)], elements[_place(elements, there)], how, _legal(value))
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _legal(value: str) -> str:
    return "".join(letter for letter in value if letter not in _SPECIAL and letter.isprintable())


def _change(element: safexml.Element, other: safexml.Element, how: str, value: str) -> None:
    parent = element.getparent()
    match how:
        case "drop" if parent is not None:
            parent.remove(element)
        case "twice" if parent is not None:
            element.addnext(copy.deepcopy(element))
        case "move" if parent is not None:
            other.append(copy.deepcopy(element))
        case "wrap" if parent is not None:
            parent.replace(element, wrapper := etree.Element(element.tag, nsmap=element.nsmap))
            wrapper.append(element)
        case "deep":
            for _ in range(len(value) % 40 + 1):
                element.append(inner := etree.Element(element.tag))
                element = inner
        case "rename":
            element.tag = HL7 + _NAMES[len(value) % len(_NAMES)]
        case "text":
            element.text = value
        case "tail" if parent is not None:
            element.tail = value
        case "null":
            element.set("nullFlavor", "UNK")
        case "strip":
            element.attrib.clear()
        case "attribute":
            names = [
                *sorted(element.attrib),
                "code",
                "root",
                "extension",
                "value",
                "qualifier",
                "representation",
                "mediaType",
            ]
            element.set(names[len(value) % len(names)], value)


_xml = st.tuples(_tree_changes, _changes)


def documents(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Damaged documents."""
    return st.builds(lambda seed, how: _damaged(_regrown(seed, how[0]), how[1]), st.sampled_from(seeds), _xml)


_entry_changes = st.lists(
    st.tuples(st.sampled_from(("content", "content", "drop", "twice", "rename", "new")), _HERE, _xml, _words),
    max_size=3,
)
_methods = st.sampled_from((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))


def _repacked(content: bytes, changes: Sequence[tuple[str, int, tuple[list, list], bytes]], method: int) -> bytes:  # type: ignore[type-arg]
    """An archive whose entries were changed, and which is whole still. What cannot be opened stays as it is."""
    try:
        entries = [(each.path, each.content) for each in archive.safe_unzip(content)]
    except Stopped:
        return content
    for how, here, xml, word in changes:
        if not entries:
            break
        at = _place(entries, here)
        path, inside = entries[at]
        name = word.decode("latin-1")
        match how:
            case "content":
                entries[at] = (path, _damaged(_regrown(inside, xml[0]), xml[1]))
            case "drop":
                del entries[at]
            case "twice":
                entries.append((f"{path.rpartition('.')[0]}2.XML", inside))
            case "rename":
                entries[at] = (path[: here % (len(path) + 1)] + name, inside)
            case _:
                entries.append((f"IHE_XDM/SUBSET01/{name}", _damaged(inside, xml[1])))
    return zips.zipped(entries, method=method)


def archives(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Damaged archives: their entries, and then sometimes the archive itself."""
    return st.builds(
        lambda seed, inside, method, outside: _damaged(_repacked(seed, inside, method) if inside else seed, outside),
        st.sampled_from(seeds),
        _entry_changes,
        _methods,
        st.just([]) | _changes,
    )
