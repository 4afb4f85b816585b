"""How a seed is damaged: its octets, its tree of elements, the entries of its archive, or several of these.

Hypothesis draws the dice of each change, so that what fails shrinks to the few changes that matter; they are thrown
here, for its own draws love what is small and would nearly always break the first line.
"""

import copy
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from random import Random

from hypothesis import strategies as st
from lxml import etree

from mssgw.formats import archive, safexml
from mssgw.formats.documents import HL7
from mssgw.formats.guard import Stopped
from tests import zips
from tests.fuzz.seeds import CANARIES, SMALL

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
    "parentDocument", "county", "title", "setId", "participant", "informant", "authenticator", "authorization",
    "ExtrinsicObject", "reference", "thumbnail", "translation", "templateId", "section", "performer", "dataEnterer",
)
_ATTRIBUTES = ("code", "root", "extension", "value", "qualifier", "representation", "mediaType")
_LONGEST = 11_000_000  # octets of a letter
_NUMBERS = (
    0, 1, 2, 8, 0x10, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE,
    0xFFFFFFFF,
)
# fmt: on
_CANARIES = tuple(each.upper() for each in CANARIES)
_VALUES = (*_TEXTS, *_CANARIES, "", " ", "A" * 300)
_WORDS = tuple(word.encode() for word in (*_TEXTS, *_CANARIES))
_IN_NO_XML = frozenset("\0\ufeff\ud7ff")
_PATHS = (
    "DOC00002.XML",
    "A.XML",
    "COPY.PDF",
    "METADATA.XML",
    "A.EXE",
    "B.ZIP",
    "SUB/C.XML",
    "._A",
    "LONG_NAME_OF_A.TXT",
)
_dice = st.lists(st.integers(0, 2**64 - 1), max_size=5)  # one for each change


# Octets.


def _cut(content: bytes, at: int, other: int, _: Random) -> bytes:
    first, last = sorted((at, other))
    return content[:first] + content[last:]


def _put(content: bytes, at: int, _: int, dice: Random) -> bytes:
    return content[:at] + _word(dice) + content[at:]


def _over(content: bytes, at: int, _: int, dice: Random) -> bytes:
    word = _word(dice)
    return content[:at] + word + content[at + len(word) :]


def _again(content: bytes, at: int, other: int, _: Random) -> bytes:
    first, last = sorted((at, other))
    return content[:last] + content[first:last] + content[last:]


def _moved(content: bytes, at: int, other: int, dice: Random) -> bytes:
    size = dice.randrange(300)
    rest = content[:at] + content[at + size :]
    return rest[:other] + content[at : at + size] + rest[other:]


def _often(content: bytes, at: int, _: int, dice: Random) -> bytes:
    return content[:at] + _word(dice) * dice.choice((2, 20, 2_000)) + content[at:]


def _ended(content: bytes, at: int, _: int, dice: Random) -> bytes:
    return content[:at] + _word(dice)


def _number(content: bytes, at: int, _: int, dice: Random) -> bytes:
    """A number of 2 or 4 octets, such as headers of a zip are made of."""
    form, most = dice.choice((("<H", 0xFFFF), ("<L", 0xFFFFFFFF)))
    word = struct.pack(form, dice.choice(_NUMBERS) & most)
    return content[:at] + word + content[at + len(word) :]


_WAYS: tuple[Callable[[bytes, int, int, Random], bytes], ...] = (
    *(_cut, _put, _over, _again, _moved, _often, _ended, _number),
)


def _word(dice: Random) -> bytes:
    return dice.choice(_WORDS) if dice.random() < 0.8 else dice.randbytes(dice.randrange(1, 9))


def _damaged(content: bytes, dice: Random) -> bytes:
    at, other = dice.randrange(len(content) + 1), dice.randrange(len(content) + 1)
    if dice.random() < 0.5:
        other = min(at + dice.randrange(40), len(content))
    if dice.random() < 0.6:  # where something begins or ends in XML: in between, most changes only break a word
        at, other = _at_mark(content, at), _at_mark(content, other)
    return dice.choice(_WAYS)(content, at, other, dice)


def _at_mark(content: bytes, at: int) -> int:
    found = [place for mark in (b"<", b'"', b">") if (place := content.find(mark, at)) >= 0]
    return min(found, default=at)


# Trees.


def _regrown(content: bytes, changes: Sequence[Random]) -> bytes:
    """XML whose elements were changed, and which is well-formed still. What is no XML stays as it is."""
    try:
        root = safexml.parse(content, limit=SMALL * 10)
    except safexml.UnreadableXml:
        return content
    for dice in changes:
        elements = [*root.iter("{*}*")]
        _change(dice.choice(elements), elements, dice)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _change(element: safexml.Element, elements: Sequence[safexml.Element], dice: Random) -> None:
    alone, other = element.getparent() is None, dice.choice(elements)
    match dice.choice(_TREE_WAYS):
        case "drop" if not alone:
            element.getparent().remove(element)
        case "twice" if not alone:
            element.addnext(copy.deepcopy(element))
        case "move" if not alone:
            other.append(copy.deepcopy(element))
        case "wrap" if not alone:
            element.getparent().replace(element, wrapper := etree.Element(element.tag, nsmap=element.nsmap))
            wrapper.append(element)
        case "deep":
            for _ in range(dice.choice((1, 5, 120))):
                element.append(inner := etree.Element(element.tag))
                element = inner
        case "many" if not alone:
            for _ in range(dice.choice((3, 30, 300))):
                element.addnext(copy.deepcopy(element))
        case "rename":
            element.tag = HL7 + dice.choice(_NAMES)
        case "new":
            etree.SubElement(element, HL7 + dice.choice(_NAMES), {dice.choice(_ATTRIBUTES): _value(dice)})
        case "text":
            element.text = _value(dice)
        case "tail" if not alone:
            element.tail = _value(dice)
        case "null":
            element.set("nullFlavor", "UNK")
        case "strip":
            element.attrib.clear()
        case "lend":
            element.attrib.update({name: value for name, value in other.attrib.items() if name[0] != "{"})
            element.text = element.text or other.text
        case "attribute":
            element.set(dice.choice((*sorted(element.attrib), *_ATTRIBUTES)), _value(dice))
        case "letter" if element.attrib:
            name = dice.choice(sorted(element.attrib))
            element.set(name, _misspelt(element.get(name, ""), dice))
        case "letter":
            element.text = _misspelt(element.text or "", dice)


_TREE_WAYS = (
    *("drop", "twice", "move", "wrap", "deep", "many", "rename", "new", "text", "tail", "null", "strip", "lend"),
    *("attribute", "attribute", "attribute", "letter", "letter", "letter"),
)


def _value(dice: Random) -> str:
    """Often somebody's: where a code should stand, a name may."""
    value = dice.choice(_CANARIES if dice.random() < 0.4 else _VALUES)
    return "".join(letter for letter in value if letter not in _IN_NO_XML and letter.isprintable())


def _misspelt(text: str, dice: Random) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice("0129AZaz^|&;:./-+= é") + text[at + dice.randrange(2) :]


def _document(seed: bytes, changes: Sequence[int], dice: Random) -> bytes:
    """Mostly well-formed: else nothing but the parser would be tried."""
    dices = [Random(each) for each in changes]
    octets = dices if (way := dice.random()) < 0.2 else dices[:1] if way < 0.4 else []
    content = _regrown(seed, dices[len(octets) :])
    for each in octets:
        content = _damaged(content, each)
    return content


def documents(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Damaged documents."""
    return st.builds(_document, st.sampled_from(seeds), _dice, st.integers(0, 2**64 - 1).map(Random))


# Archives.


def _repacked(content: bytes, changes: Sequence[int], method: int) -> bytes:
    """An archive whose entries were changed, and which is whole still. What cannot be opened stays as it is."""
    try:
        entries = [(each.path, each.content) for each in archive.safe_unzip(content)]
    except Stopped:
        return content
    for each in changes:
        dice = Random(each)
        if entries:
            at = dice.choice([*range(len(entries)), *(n for n, (path, _) in enumerate(entries) if "SUBSET" in path)])
            entries[at : at + 1] = _changed(*entries[at], dice)
    return zips.zipped(entries, method=method)


def _changed(path: str, content: bytes, dice: Random) -> Iterator[tuple[str, bytes]]:
    """What stands in the place of an entry."""
    way = dice.random()
    if way < 0.65:
        yield path, _document(content, [dice.getrandbits(64) for _ in range(dice.randrange(1, 4))], dice)
    elif way < 0.75:
        yield f"{path[: dice.randrange(len(path))]}{_path(dice)}", content
    elif way < 0.95:
        yield path, content
        yield f"{path.rpartition('/')[0]}/{_path(dice)}".removeprefix("/"), dice.choice((content, *_WORDS))


def _path(dice: Random) -> str:
    return dice.choice(_PATHS) if dice.random() < 0.9 else _word(dice).decode("latin-1")


def _archive(seed: bytes, changes: Sequence[int], dice: Random) -> bytes:
    """Mostly whole: else nothing but the unzipping would be tried."""
    outside = changes if (way := dice.random()) < 0.2 else changes[:1] if way < 0.35 else []
    content = _repacked(seed, changes[len(outside) :], dice.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)))
    for each in outside:
        content = _damaged(content, Random(each))
    return content


def archives(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Damaged archives: their entries, or the archive itself."""
    return st.builds(_archive, st.sampled_from(seeds), _dice, st.integers(0, 2**64 - 1).map(Random))


# Letters.


def _letter(seed: bytes, changes: Sequence[int]) -> bytes:
    """Its lines: what encodings, boundaries and fields do to the parts."""
    lines = seed.split(b"\n")
    for each in changes:
        dice = Random(each)
        marks = [n for n, line in enumerate(lines) if b":" in line or line.startswith((b"--", b" ")) or not line]
        at = dice.choice(marks) if marks and dice.random() < 0.7 else dice.randrange(len(lines) + 1)
        match dice.choice(("cut", "twice", "move", "new", "word", "word", "octets")):
            case "cut":
                del lines[at : at + dice.choice((1, 1, 1, 5, 100))]
            case "twice":
                lines[at:at] = lines[at : at + dice.choice((1, 3, 100))]
            case "move":
                lines.insert(dice.randrange(len(lines) + 1), b"".join(lines[at : at + 1]))
            case "new":
                lines[at:at] = [dice.choice(_FIELDS)] * dice.choice((1, 1, 1, 600))
            case "word":
                old = dice.choice(_FIELD_WORDS)
                lines[at : at + 1] = [b"".join(lines[at : at + 1]).replace(old, dice.choice(_FIELD_WORDS))]
            case _:
                lines[at : at + 1] = [_damaged(b"".join(lines[at : at + 1]), dice)]
    return b"\n".join(lines)


_FIELD_WORDS = (
    *(
        b"base64",
        b"quoted-printable",
        b"7bit",
        b"x-uuencode",
        b"binary",
        b"BASE64 (a)",
        b"text/xml",
        b"application/zip",
    ),
    *(
        b"message/rfc822",
        b"multipart/mixed",
        b"message/partial",
        b"application/octet-stream",
        b"application/pkcs7-mime",
    ),
    *(b"==1==", b"==2==", b"attachment", b"inline", b"filename", b"name*0", b"=?utf-8?q?", b'"', b";", b"A", b"=", b""),
)
_FIELDS = (
    *(
        b"",
        b"--==1==",
        b"--==1==--",
        b"--==2==",
        b"--==2==--",
        b"Content-Type: text/xml",
        b"Content-Type: application/zip",
    ),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: x-uuencode", b"Content-Type: message/rfc822"),
    *(
        b"Content-Type: multipart/mixed; boundary===3==",
        b"--==3==",
        b"begin 644 a.xml",
        b"end",
        b"`",
        b"begin-base64 644 a",
    ),
    *(
        b"#0V%T",
        b"====",
        b"Subject: [Annule et remplace]",
        b"Content-Disposition: attachment; filename=IHE_XDM.zip",
        b"=\r",
    ),
)


def letters(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Damaged letters, as long as the gateway takes them (SD-1): damage may double one again and again."""
    return st.builds(_letter, st.sampled_from(seeds), _dice).map(lambda letter: letter[:_LONGEST])
