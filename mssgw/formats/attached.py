"""A letter that is attached to another one: how it is read, and what of it counts when nobody can tell its parts."""

import binascii
import re

from mssgw.formats import documents, watch
from mssgw.formats.wire import to_wire

# Any transfer encoding but these may hide what a part is: their text is looked at, as it stands and decoded.
_MAY_HOLD = re.compile(
    rb"ihe_xdm|ClinicalDocument|content-type:[ \t\r\n]{0,10}(?:application|text)/[^\r\n;]{0,80}(?:xml|zip|octet|pkcs7)"
    rb"|content-transfer-encoding(?![ \t]*+:[ \t]*+(?:7bit|8bit|binary|quoted-printable)[ \t]*+[\r\n])"
    rb"|^" + watch.BEGIN + rb"[ \t]",
    re.I | re.M,
)
_MBOX = re.compile(rb">?From [^\r\n]*+\r?\n")


def in_wire_form(letter: bytes) -> bytes:
    """Without the line that a Unix mailbox has before a letter: readers pass over it, or show nothing but text."""
    mbox = _MBOX.match(letter)
    return to_wire(letter[mbox.end() :] if mbox else letter)


def hints_at_documents(letter: bytes) -> bool:
    """Whether one that cannot be taken apart may have a document in it: honest old mail with odd headers has none."""
    forms = dict.fromkeys((letter, binascii.a2b_qp(letter)))
    return any(_MAY_HOLD.search(each) or documents.calls_itself_cda(each) for each in forms)
