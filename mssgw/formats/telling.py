"""What a file that comes with a letter is, by its type, its name and its octets: as its readers would tell."""

from mssgw.formats import cms, documents, xdm
from mssgw.formats.attachments import Item
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of

_LETTERS = ("message/rfc822", "message/global")
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_TNEF = b"\x78\x9f\x3e\x22"
_PGP = b"-----BEGIN PGP MESSAGE-----"


def is_letter(item: Item) -> bool:
    """An attached letter: by its type, or by its name where the type says nothing."""
    named = any(name.endswith(".eml") for name in item.names)
    # A PDF begins within the first kilobyte: so may words that say so, in the header of a letter.
    return item.media_type.startswith(_LETTERS) or (named and kind_of(item.content) in (Kind.OTHER, Kind.PDF))


def is_archive(item: Item, content: bytes) -> bool:
    return any(map(xdm.is_called_xdm, item.names)) or xdm.is_xdm("", content)


def is_document(item: Item, content: bytes) -> bool:
    """Whether one of several readings is a document, or calls itself one."""
    try:
        return is_archive(item, content) or documents.read(content) is not None
    except Stopped:
        return True


def may_be_signed(item: Item, content: bytes) -> bool:
    """Whether one of several readings is S/MIME that can be read, or is called S/MIME and is none."""
    about = cms.content_type(content) or cms.is_called_smime(item.media_type, item.names)
    return bool(about) and cms.may_be_read(content)


def is_pgp(item: Item) -> bool:
    return item.media_type == "application/pgp-encrypted" or _PGP in item.content


def is_winmail(item: Item) -> bool:
    return item.media_type in _TNEF_TYPES or "winmail.dat" in item.names or item.content.startswith(_TNEF)


def is_disguised(item: Item, content: bytes) -> bool:
    return kind_of(content) is Kind.PROGRAM and item.calls_itself_harmless
