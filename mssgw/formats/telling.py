"""What a file that comes with a letter is, by its type, its name and its octets: as its readers would tell."""

from mssgw.formats import cms, documents, xdm
from mssgw.formats.attachments import Item
from mssgw.formats.beginnings import is_report
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of

_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_TNEF = b"\x78\x9f\x3e\x22"
_PGP = b"-----BEGIN PGP MESSAGE-----"


def is_letter(item: Item) -> bool:
    """An attached letter: by its type, for some programs take every message apart, or by its name."""
    return _is_message(item) or item.is_named_letter


def _is_message(item: Item) -> bool:
    """Of message/partial there is but a piece."""
    kind = item.media_type
    whole = kind.startswith("message/") and kind != "message/partial"
    return whole and not all(is_report(kind, each) and not documents.calls_itself_cda(each) for each in item.readings)


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


def opened_surely(item: Item) -> bytes | None:
    """What an S/MIME object carries for anybody to read, as cms.opened tells it. Raises UnreadableCms, also where
    programs may find in it, though it is called encrypted, an archive or a document (SD-14)."""
    found = cms.opened(item.content)
    if found is None and (is_archive(item, item.content) or documents.calls_itself_cda(item.content)):
        raise cms.UnreadableCms("a document in what is called encrypted")
    return found


def is_pgp(item: Item) -> bool:
    return item.media_type == "application/pgp-encrypted" or _PGP in item.content


def is_winmail(item: Item) -> bool:
    return item.media_type in _TNEF_TYPES or "winmail.dat" in item.names or item.content.startswith(_TNEF)


def is_disguised(item: Item, content: bytes) -> bool:
    return kind_of(content) is Kind.PROGRAM and item.calls_itself_harmless
