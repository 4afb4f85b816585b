"""What octets are, by how they begin."""

import re
from enum import StrEnum

SNIFFED = 64 * 1024  # octets in which an XML document must begin


class Kind(StrEnum):
    """What some octets are, by how they begin: neither media type nor extension is believed."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"
    ZIP = "application/zip"
    RTF = "text/rtf"
    XML = "text/xml"
    PROGRAM = "application/x-executable"
    OTHER = "application/octet-stream"


_MAGIC = (
    (b"<", Kind.XML),
    (b"%PDF-", Kind.PDF),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"PK\3\4", Kind.ZIP),
    (b"PK\5\6", Kind.ZIP),  # an empty one
    (b"{\\rtf", Kind.RTF),
    (b"\x7fELF", Kind.PROGRAM),
    (b"\xcf\xfa\xed\xfe", Kind.PROGRAM),
    (b"\xca\xfe\xba\xbe", Kind.PROGRAM),
)
_BEGINNINGS = tuple(magic for magic, _ in _MAGIC)
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # a message of Outlook, and what Office wrote until 2007
_APPLE_SINGLE, _APPLE_DOUBLE, _DATA_FORK = b"\0\5\x16\0", b"\0\5\x16\7", b"\0\0\0\1"
_LOOKED_AT = 900  # octets of its entries: honest ones have two or three
_BLANK = re.compile(rb"(?:\xef\xbb\xbf)?+\s*+")
_WIDE_BLANK = re.compile(rb"\0*+(?:\s\0*+)++")  # of two or four octets
# White space, then a tag, a comment or an instruction, maybe cut short. Text in another encoding seldom begins so, but
# a French one may, by L and a letter with an accent.
_EBCDIC_TAG = re.compile(
    rb"[\x40\x05\x15\x25\r\n]*+(?:(?<=[\x40\x05\x15\x25])\Z|\x4c(?:[\x5a\x4f](?:\x60\x60|\xc4\xd6)|\x6f[\x81-\xe9]"
    rb"|[\x4b\x60\x6d\x7a\x81-\xe9\xf0-\xf9]++(?:[\x40\x05\x15\x25\r\n\x6e]|\Z)))"
)
# Their letters are the same in all EBCDIC of one octet.
_EBCDIC_NAME, _EBCDIC_ENTITY = "ClinicalDocument".encode("cp037"), "ENTITY".encode("cp037")
# In UTF-8 and its like, UTF-16 and UTF-32 with and without byte order mark, UTF-7, EBCDIC: to be refused by name.
_XML_BEGINNINGS = (
    b"<",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\0<",
    b"\0\0\xfe\xff",
    b"\0\0\0<",
    b"+ADw",
    b"+/v",
    b"\x4co\xa7\x94",
)


def kind_of(content: bytes) -> Kind:
    """What the octets are. A PDF may begin anywhere in its first kilobyte, unless that is a program's."""
    if content.startswith(b"MZ") and b"\0" in content[:64]:  # a text may begin with a name that does
        return Kind.PROGRAM
    if content.startswith(_BEGINNINGS):  # most often
        return next(kind for magic, kind in _MAGIC if content.startswith(magic))
    blank = _BLANK.match(content, 0, SNIFFED)
    assert blank is not None
    end = blank.end()
    # So much white space has something to hide.
    if content.startswith(_XML_BEGINNINGS, end, SNIFFED) or (content and end == min(len(content), SNIFFED)):
        return Kind.XML
    if _is_wide(content):
        return Kind.XML
    if begins_in_ebcdic(content) and (_EBCDIC_NAME in content or _EBCDIC_ENTITY in content):
        return Kind.XML
    return Kind.PDF if b"%PDF-" in content[:1024] else Kind.OTHER


def begins_in_ebcdic(content: bytes) -> bool:
    """Whether it may begin as XML does in EBCDIC: what follows must tell."""
    return _EBCDIC_TAG.match(content, 0, SNIFFED) is not None


def holds_a_mac_file(content: bytes) -> bool:
    """Whether it is AppleSingle, or an AppleDouble header with a data fork, which honest ones leave to the part beside
    them (RFC 1740): some programs unpack it. The first kilobyte suffices."""
    if content.startswith(_APPLE_DOUBLE):
        entries = content[26 : 26 + 12 * int.from_bytes(content[24:26])]
        return any(entries[at : at + 4] == _DATA_FORK for at in range(0, min(len(entries), _LOOKED_AT), 12))
    return content.startswith(_APPLE_SINGLE)


def _is_wide(content: bytes) -> bool:
    """Whether it begins with white space of two or four octets, and then as XML does, or has only such."""
    blank = _WIDE_BLANK.match(content, 0, SNIFFED)
    return blank is not None and (content.startswith(b"<", blank.end()) or blank.end() == min(len(content), SNIFFED))
