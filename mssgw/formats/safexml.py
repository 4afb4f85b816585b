"""The one place that makes an XML parser. Everything that we read from others passes through ``parse``.

What could harm is refused before lxml sees it: a DOCTYPE (and with it every entity, external subset and billion
laughs), and encodings in which a scanner sees other characters than a reader. Nothing is fetched, nothing is expanded,
nothing is repaired; libxml2's own limits (256 levels, 10 MB a text node) stay on.
"""

import codecs
from xml.parsers import expat

from lxml import etree

from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply

Element = etree._Element  # so that nobody else needs to name lxml

ENCODINGS = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"})  # as Python's codecs name them
_PROLOG = 64 * 1024  # octets within which the first element must begin


class UnreadableXml(GatewayError):
    """The document is not XML that we read. The text says why and where, and repeats nothing of the document."""

    reply = Reply(554, "5.6.0", "Document XML illisible ou non admis")


def parse(document: bytes, *, limit: int) -> etree._Element:
    """The root element of a document of at most ``limit`` octets. Raises UnreadableXml."""
    if len(document) > limit:
        raise UnreadableXml(f"more than {limit} octets")
    _check_prolog(document)
    try:
        return etree.fromstring(document, parser())
    except etree.LxmlError as error:  # not only syntax errors: libxml2 has internal ones
        raise UnreadableXml(f"not well-formed at line {getattr(error, 'lineno', None) or 'unknown'}") from None


def parser() -> etree.XMLParser:
    """For libraries that parse themselves, such as XML signatures, and only what ``parse`` has read before."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
    )


class _FirstElement(Exception):
    """The prolog has ended."""


def _check_prolog(document: bytes) -> None:
    """Read up to the first start tag, in well under a millisecond. Raises UnreadableXml."""
    if b"\0" in document[:4] or document[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableXml("encoding not admitted (UTF-16 or UTF-32)")
    scanner = expat.ParserCreate()
    scanner.XmlDeclHandler = _check_declaration
    scanner.StartDoctypeDeclHandler = _refuse_doctype
    scanner.StartElementHandler = _stop
    try:
        scanner.Parse(document[:_PROLOG], False)
    except _FirstElement:
        return
    except expat.ExpatError as error:
        raise UnreadableXml(f"not well-formed at line {error.lineno}") from None
    raise UnreadableXml("no element")


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    try:
        known = codecs.lookup(encoding or "utf-8").name
    except LookupError:
        known = ""
    if known not in ENCODINGS:
        raise UnreadableXml("encoding not admitted")


def _refuse_doctype(*_: object) -> None:
    raise UnreadableXml("DOCTYPE not admitted")


def _stop(*_: object) -> None:
    raise _FirstElement
