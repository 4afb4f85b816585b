"""Clinical documents (CDA R2) as they come: found by their content whatever they are called, and guarded before use.

A document that can be told to be CDA, or to hold it, is read within caps or refused with a reason; nothing in it is
executed, expanded, fetched or repaired. A self-presenting document (an XSLT sheet that holds its CDA) is data as well:
the CDA is taken out and the sheet never run.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mssgw.formats import guard, safexml
from mssgw.formats.charsets import is_told_by_octets
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import SNIFFED, Kind, kind_of
from mssgw.formats.safexml import Caps, Element, UnreadableXml

MAX_DOCUMENT = 16 * 1024 * 1024  # octets
CAPS = Caps(depth=100, elements=200_000, attributes=200_000)  # real documents: 22 levels, 6,000 elements

HL7 = "{urn:hl7-org:v3}"
CLINICAL_DOCUMENT = f"{HL7}ClinicalDocument"
_SHEETS = {f"{{http://www.w3.org/1999/XSL/Transform}}{name}" for name in ("stylesheet", "transform")}

_WORD = b"ClinicalDocument"  # in every encoding that we admit
_TAG = re.compile(rb"<(?:[^\s<>:]++:)?ClinicalDocument[\s/>]")
_CALLS_ITSELF_CDA = re.compile(r"<(?:[\w.-]{1,40}:)?ClinicalDocument[\s>/]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """A CDA document within the caps. ``content`` is the whole file as it came, of which METADATA.XML tells the hash;
    ``root`` its ClinicalDocument; ``presented``: taken out of a self-presenting sheet; ``nodes``: at most so many
    elements and attributes."""

    name: str = field(repr=False)
    media_type: str
    content: bytes = field(repr=False)
    root: Element = field(repr=False)
    nodes: int
    presented: bool = False


class Tally:
    """How many elements the documents of an archive or a letter have together. Those of a lone one, that has a cap of
    its own, nobody needs to know."""

    def __init__(self) -> None:
        self._elements = 0
        self._uncounted: list[Document] = []

    def add(self, document: Document) -> None:
        self._uncounted.append(document)
        if len(self._uncounted) > 1 or self._elements:
            self._elements += sum(int(each.root.xpath("count(//*)")) for each in self._uncounted)
            self._uncounted.clear()

    @property
    def is_too_much(self) -> bool:
        """Whether there are more than one document may have: 200 of such would fill the memory."""
        return self._elements > CAPS.elements


def read(content: bytes, *, name: str = "", media_type: str = "") -> Document | None:
    """The CDA document that the octets are, or None when they are something else.

    ``name`` and ``media_type`` are only carried along. Raises guard.Stopped for what calls itself CDA, or hides
    what it is in an encoding that we do not admit, and cannot be read safely.
    """
    if kind_of(content) is not Kind.XML:
        return None
    try:
        read = safexml.parse_within(content, limit=MAX_DOCUMENT, caps=CAPS, wanted=_is_cda, bare=True)
        if read is None and (_WORD not in content or not _TAG.search(content)):
            return None
        # A sheet's CDA is taken out with its lines, which are white space too.
        read = read or safexml.parse_within(content, limit=MAX_DOCUMENT, caps=CAPS)
        assert read is not None  # any root is wanted
        root, nodes = read
        presented = not _is_cda(str(root.tag))
        if presented:
            held = _held_in(root)
            if held is None:
                return None
            del read, root  # before another one is made: a tree is twenty times as large as its text
            root = safexml.again(held)
    except UnreadableXml as error:
        if _hides_what_it_is(content, error) or calls_itself_cda(content):
            raise Stopped(guard.XML[error.trouble], line=error.line) from None
        if declares_markup(content):  # also behind what we cannot parse, which others may
            raise Stopped(guard.XML["doctype"]) from None
        return None
    return Document(name=name, media_type=media_type, content=content, root=root, nodes=nodes, presented=presented)


def _is_cda(name: str) -> bool:
    """Whether an element is a ClinicalDocument, in a wrong namespace too: then the rules refuse it (CDA-1)."""
    return name.rpartition("}")[2] == "ClinicalDocument"


def _held_in(root: Element) -> bytes | None:
    """The ClinicalDocument in a sheet, as octets. In anything else there is to be none."""
    held = [*root.iter("{*}ClinicalDocument")]  # in Contenu, as the CI-SIS asks, or where only the sheet knows
    if held and root.tag not in _SHEETS:
        raise Stopped(guard.XML["below"], line=held[0].sourceline)
    if len(held) > 1:
        raise Stopped(guard.XML["several"])  # one reader may show the one, another the other
    return safexml.apart(held[0]) if held else None


def _hides_what_it_is(content: bytes, error: UnreadableXml) -> bool:
    """Whether the encoding that it declares may hide any name from who looks at octets."""
    if content.startswith(_EBCDIC_DECLARATION):  # some of which shift, too
        return True
    return error.trouble == "encoding" and bool(error.charset) and not is_told_by_octets(error.charset)


def calls_itself_cda(content: bytes) -> bool:
    """Whether XML that cannot be parsed seems to hold a ClinicalDocument, in whatever encoding it comes."""
    head = content[:SNIFFED]
    if any(_CALLS_ITSELF_CDA.search(read(head, "ignore")[0]) for read in _readings(head)):
        return True
    # Behind a sheet, or a long comment. UTF-7 has too many ways to write it, and no honest user.
    if any(name in content for name in _NAMES) or (len(content) > SNIFFED and _UTF_7.match(head)):
        return True
    return any(mark in content for mark in _SHIFTS) and bool(_SHIFTED.search(content))  # its encoding told elsewhere


def is_told_to_be_one(content: bytes) -> bool:
    """Whether what is no XML by its first octets, and is called a document, has the tags of one behind them: lenient
    readers pass over what stands before."""
    if kind_of(content) in (Kind.XML, Kind.ZIP):  # read already, or to be unpacked
        return False
    return calls_itself_cda(content) or declares_markup(content)


def declares_markup(content: bytes) -> bool:
    """Whether a DOCTYPE in XML that cannot be parsed declares an entity that may stand for elements, so that no name
    of these need be in the octets: by a ``<`` in it, as it stands or as a number, from elsewhere, or by a parameter.

    Honest pages, sheets and drawings declare characters (nbsp) and addresses (Illustrator). In an encoding that nobody
    writes these in, any entity counts.
    """
    if _ENTITY in content and _MARKUP_ENTITY.search(content):
        return True
    return any(each in content for each in _WIDE_ENTITIES)


def _readings(head: bytes) -> Sequence[Callable[[bytes, str], tuple[str, int]]]:
    return _OF_TWO_OCTETS if b"\0" in head[:8] else _OF_ONE_OCTET


_NAMES = (
    *(b"<ClinicalDocument", b":ClinicalDocument"),
    *("ClinicalDocument".encode(f"utf-{width}-{order}") for width in (16, 32) for order in ("le", "be")),
    "ClinicalDocument".encode("cp037"),
)
_ENTITY = b"<!ENTITY"
# A value ends at its quote or at what is looked for, so that none is read twice.
_OPENS = rb"[<%]|&#0*+(?:37|38|60)(?!\d)|&#x0*+(?:25|26|3c)(?![\da-f])"
_VALUE = rb"(?:\"[^\"]*?|'[^']*?)(?:" + _OPENS + rb")"
_MARKUP_ENTITY = re.compile(
    rb"<!ENTITY(?:\s*+%|\s++[^\s<>\"'%]++\s*+(?:SYSTEM|PUBLIC|" + _VALUE + rb"))",
    re.I,
)
_WIDE_ENTITIES = (
    *("<!ENTITY".encode(f"utf-{width}-{order}") for width in (16, 32) for order in ("le", "be")),
    *(b"\x4c" + mark + "ENTITY".encode("cp037") for mark in (b"\x5a", b"\x4f")),  # two signs for one, by the code page
)
_EBCDIC_DECLARATION = "<?xm".encode("cp037")

# What changes the character set in the encodings of ISO 2022 and in HZ may stand within a name. Nothing in it begins a
# match: else looking for one would take quadratic time.
_SHIFTS = (b"\x1b", b"\x0e", b"\x0f", b"~")
_SHIFT = rb"(?:\x1b[ -/]*+[@-~]|[\x0e\x0f]|~(?:[{}]|\r?\n))*"  # possessive, re before 3.11.5 took a lone "~" for one
_SHIFTED = re.compile(b"[<:]" + b"".join(_SHIFT + bytes([octet]) for octet in b"ClinicalDocument"))
_UTF_7 = re.compile(rb"\s*+(?:\+ADw|\+/v|<\?xml[^>]{1,200}utf-?7)", re.I)

# Looked up once: a codec is a file, and while a document is judged none is opened.
_OF_TWO_OCTETS = tuple(codecs.getdecoder(f"utf-{width}-{order}") for width in (16, 32) for order in ("le", "be"))
_OF_ONE_OCTET = tuple(map(codecs.getdecoder, ("latin-1", "utf-7", "cp037")))
