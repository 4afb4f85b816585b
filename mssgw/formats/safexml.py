"""The one place that makes an XML parser. Everything that we read from others passes through ``parse``.

What could harm is refused before lxml sees it: a DOCTYPE (and with it every entity, external subset and billion
laughs), and encodings in which a scanner sees other characters than a reader. Nothing is fetched, nothing is expanded,
nothing is repaired; libxml2's own limits (256 levels, 10 MB a text node) stay on, unless caps of ours replace them:
a clinical document may hold a PDF of more than that in one text node.
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.parsers import expat

from lxml import etree

from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply
from mssgw.formats.charsets import codec_of

Element = etree._Element  # so that nobody else needs to name lxml

ENCODINGS = frozenset({"utf_8", "ascii", "latin_1", "iso8859_15", "cp1252"})  # as charsets names them
_PROLOG = 64 * 1024  # octets within which the first element must begin
_BEGINNING = 4 * 1024  # octets within which it mostly does: expat copies all that it is given
_PIECE = 32 * 1024


class UnreadableXml(GatewayError):
    """The document is not XML that we read. The text says why and where, and repeats nothing of the document."""

    reply = Reply(554, "5.6.0", "Document XML illisible ou non admis")

    def __init__(self, text: str, trouble: str = "syntax", line: int | None = None, *, charset: str = "") -> None:
        """``trouble``: syntax, doctype, encoding, empty, size, depth, elements or attributes. ``charset``: the one that
        is declared and not admitted, as it stands there."""
        super().__init__(f"{text} at line {line or 'unknown'}" if trouble == "syntax" else text)
        self.trouble = trouble
        self.charset = charset
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What replaces libxml2's own limits where one text node may be as large as the whole document (huge_tree).

    What is far over ``elements`` or ``attributes`` is seen before anything is parsed, so that it costs no memory.
    """

    depth: int  # levels of elements
    elements: int
    attributes: int


def parse(document: bytes, *, limit: int, caps: Caps | None = None) -> etree._Element:
    """The root element of a document of at most ``limit`` octets, and within ``caps``. Raises UnreadableXml."""
    _check_size(document, limit)
    if caps is None:
        _check_prolog(document)
        return _tree(document, parser())
    read = parse_within(document, limit=limit, caps=caps)
    assert read is not None  # any root is wanted
    return read[0]


def parse_within(
    document: bytes, *, limit: int, caps: Caps, wanted: Callable[[str], bool] = bool, bare: bool = False
) -> tuple[etree._Element, int] | None:
    """The same, and how many elements and attributes there are at most; over ``caps.elements``, that is a guess.

    None when the root is not ``wanted``: told by its name as ``{namespace}local``, without parsing more. ``bare``:
    without comments, and without white space that only sets elements apart.
    """
    if not wanted(_check_prolog(document)):
        return None
    _check_size(document, limit)
    tags, pairs = _check_marks(document, caps)
    root = _tree(document, parser(huge=True, bare=bare))
    _check_tree(root, caps, may_be_many=tags > caps.elements)
    return root, tags + pairs


def _check_size(document: bytes, limit: int) -> None:
    if len(document) > limit:
        raise UnreadableXml(f"more than {limit} octets", "size")


def _tree(document: bytes, reader: etree.XMLParser) -> etree._Element:
    try:
        return etree.fromstring(document, reader)
    except etree.LxmlError as error:  # not only syntax errors: libxml2 has internal ones
        raise UnreadableXml("not well-formed", line=getattr(error, "lineno", None)) from None


def parser(
    *,
    huge: bool = False,
    bare: bool = False,
    target: object | None = None,
    schema: etree.XMLSchema | None = None,
) -> etree.XMLParser:
    """For libraries that parse themselves, such as XML signatures, and only what ``parse`` has read before.

    ``bare``: see ``parse_within``. ``target``: told of what is met, in place of a tree. ``schema``: it is held
    against while it is parsed.
    """
    return etree.XMLParser(
        target=target,
        schema=schema,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=huge,
        remove_comments=bare,
        remove_blank_text=bare,
        recover=False,
    )


def query(path: str) -> Callable[[etree._Element], Any]:
    """An XPath, compiled once for many elements; what it finds are plain strings."""
    compiled: Callable[[etree._Element], Any] = etree.XPath(path, smart_strings=False)
    return compiled


def apart(element: etree._Element) -> bytes:
    """An element of a parsed document as a document of its own, for ``again``; its lines keep their numbers.

    With every prefix in scope: lxml's own copy would lose those that only values name (xsi:type).
    """
    return b"\n" * ((element.sourceline or 1) - 1) + written(element)


def again(document: bytes) -> etree._Element:
    """The root of what ``apart`` gave, without comments, and without white space that only sets elements apart."""
    return etree.fromstring(document, parser(huge=True, bare=True))  # what ``parse`` has read before


def written(element: etree._Element) -> bytes:
    """An element with all in it, in UTF-8 without a declaration."""
    octets: bytes = etree.tostring(element, encoding="utf-8", with_tail=False)
    return octets


class _FirstElement(Exception):
    """The prolog has ended."""


def _check_prolog(document: bytes) -> str:
    """Read up to the first start tag, in well under a millisecond; give its name. Raises UnreadableXml."""
    if b"\0" in document[:4] or document[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableXml("encoding not admitted (UTF-16 or UTF-32)", "encoding")
    try:
        for length in (_BEGINNING, _PROLOG):
            scanner = expat.ParserCreate(namespace_separator="}")
            scanner.XmlDeclHandler = _check_declaration
            scanner.StartDoctypeDeclHandler = _refuse_doctype
            scanner.StartElementHandler = _stop
            scanner.Parse(document[:length], False)
    except _FirstElement as found:
        name = str(found)
        return "{" + name if "}" in name else name
    except expat.ExpatError as error:
        raise UnreadableXml("not well-formed", line=error.lineno) from None
    raise UnreadableXml("no element", "empty")


def _check_marks(document: bytes, caps: Caps) -> tuple[int, int]:
    """No more tags and attributes than the caps allow, by looking at octets: every admitted encoding extends ASCII.

    How many tags (no closer than that they are more than the cap on elements) and attributes there are at most.
    """
    tags = _count(b"<", document, caps.elements)
    if tags > caps.elements and document.count(b"<") - document.count(b"</") > caps.elements:
        raise UnreadableXml(f"more than {caps.elements} elements", "elements")
    # Each attribute has one equals sign and two quotes; the former stand in a text, too, and the latter are twice as
    # many to count.
    pairs = _count(b"=", document, caps.attributes)
    if pairs > caps.attributes:
        quotes = [_count(mark, document, 2 * caps.attributes) for mark in (b'"', b"'")]
        if max(quotes) > 2 * caps.attributes:
            raise UnreadableXml(f"more than {caps.attributes} attributes", "attributes")
        pairs = sum(quotes) // 2
    return tags, pairs


def _check_tree(root: etree._Element, caps: Caps, *, may_be_many: bool) -> None:
    if may_be_many and root.xpath("count(//*)") > caps.elements:
        raise UnreadableXml(f"more than {caps.elements} elements", "elements")
    if _is_deeper(caps.depth)(root):
        raise UnreadableXml(f"more than {caps.depth} levels", "depth")


@cache
def _is_deeper(depth: int) -> Callable[[etree._Element], Any]:
    return query("boolean(/*" + "/*" * depth + ")")


def _count(mark: bytes, document: bytes, most: int) -> int:
    """How often one octet occurs, counted until it is more than ``most``.

    find() and replace() use memchr, unlike count(); in pieces, for new memory is dearer than the search.
    """
    found = 0
    for at in range(0, len(document), _PIECE):
        if document.find(mark, at, at + _PIECE) >= 0:
            piece = document[at : at + _PIECE]
            found += len(piece) - len(piece.replace(mark, b""))
        if found > most:
            break
    return found


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if codec_of(encoding or "utf-8") not in ENCODINGS:
        raise UnreadableXml("encoding not admitted", "encoding", charset=encoding or "")


def _refuse_doctype(*_: object) -> None:
    raise UnreadableXml("DOCTYPE not admitted", "doctype")


def _stop(name: str, _attributes: object) -> None:
    raise _FirstElement(name)
