"""Files that programs unwrap before they show what is in them: a letter, or what is signed in S/MIME; and documents
that hide in others.

In a letter the former are judged (judging.py). Within an archive or a document they are only looked at, cheaply
and with suspicion, as a letter is before it is judged (beginnings.py).
"""

import re

from mssgw.formats import cms, documents, watch
from mssgw.formats.attached import in_wire_form, letters_in
from mssgw.formats.attachments import Item
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import COMPOUND, Kind, kind_of
from mssgw.formats.mime import Scanner

_HL7_V2 = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:MSH|BHS|FHS)\|\^~\\&")  # with MLLP's octet before it: white space
_SHOWS_WHAT_IS_ENCODED = re.compile(rb"<[a-z!?/]|BEGIN[ \t]*:", re.I)  # a tag, an appointment, a card
_PERCENTS = re.compile(rb"%3c(?:[\w.-]{1,40}(?::|%3a))?ClinicalDocument", re.I)  # in the address of a link
_SHOWN = frozenset({Kind.PDF, Kind.JPEG, Kind.PNG, Kind.TIFF, Kind.RTF})


def may_hold_document(content: bytes, *, is_letter: bool, is_signed: bool) -> bool:
    """Whether a document may be wrapped in it; never raises.

    ``is_letter``, ``is_signed``: whether its name or type says that it is a letter, or S/MIME; that, octets tell too.
    """
    if is_letter:
        return any(map(_letter_may, letters_in(content) if content.startswith(b"From ") else (content,)))
    if not is_signed and not cms.content_type(content):
        return False
    try:
        signed = cms.opened(content)
        return bool(signed) and _signed_may(signed or b"")
    except (cms.UnreadableCms, Stopped):
        return True


def _signed_may(signed: bytes) -> bool:
    kind = kind_of(signed)
    if kind is Kind.ZIP or cms.content_type(signed) or documents.read(signed) is not None:
        return True
    return kind not in _SHOWN and _letter_may(signed)


def _letter_may(content: bytes) -> bool:
    scanner = Scanner()
    scanner.feed(in_wire_form(content))
    head = scanner.finish()
    return bool(head.unreadable) or head.may_hold_documents


def hides_document(item: Item, content: bytes) -> bool:
    """Whether what is no document by its octets has one that programs show: behind other octets where it is called a
    document, in a message of Outlook, in base64 or percents in a text: a page, an appointment, an envelope in XML."""
    if item.calls_itself_document and documents.is_told_to_be_one(content):
        return True
    if content.startswith(COMPOUND):
        return documents.calls_itself_cda(content) or b"IHE_XDM/" in content.upper()
    is_text = watch.is_opened_as_text(item.media_type, item.names)
    is_text = is_text or "xml" in item.media_type or kind_of(content) is Kind.XML
    return is_text and _has_an_encoded_document(content) and not _is_hl7_v2(item, content)


def _has_an_encoded_document(text: bytes) -> bool:
    in_percents = b"ClinicalDocument" in text and _PERCENTS.search(text) is not None
    return in_percents or watch.has_an_encoded_document(text)


def _is_hl7_v2(item: Item, content: bytes) -> bool:
    """Whether a text is a message for programs, of whose base64 no reader of mail shows anything (CI-SIS: ORU, MDM),
    and cannot be what one does show."""
    if item.media_type != "text/plain" and "hl7" not in item.media_type:
        return False
    return bool(_HL7_V2.match(content)) and not _SHOWS_WHAT_IS_ENCODED.search(content)
