"""Files that programs unwrap before they show what is in them: a letter, or what is signed in S/MIME.

In a letter such attachments are judged (judging.py). Within an archive or a document they are only looked at, cheaply
and with suspicion, as a letter is before it is judged (beginnings.py).
"""

from mssgw.formats import cms, documents
from mssgw.formats.attached import in_wire_form, letters_in
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.mime import Scanner

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
