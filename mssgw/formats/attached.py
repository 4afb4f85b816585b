"""A letter that is attached to another one: how it is read, and what of it counts when nobody can tell its parts."""

import binascii
import re
from collections.abc import Sequence
from itertools import islice, pairwise

from mssgw.formats import documents, watch
from mssgw.formats.wire import to_wire

# Any transfer encoding but these may hide what a part is: their text is looked at, as it stands and decoded.
_MAY_HOLD = re.compile(
    rb"ihe_xdm|ClinicalDocument|content-type:[ \t\r\n]{0,10}(?:application|text)/[^\r\n;]{0,80}(?:xml|zip|octet|pkcs7)"
    rb"|content-transfer-encoding(?![ \t]*+:[ \t]*+(?:7bit|8bit|binary|quoted-printable)[ \t]*+[\r\n])"
    rb"|^" + watch.BEGIN + rb"[ \t]",
    re.I | re.M,
)
# Of a Unix mailbox, or of Apple's, which tells the length.
_MBOX = re.compile(rb"(?:>?From [^\r\n]*+|[0-9]{1,12}[ \t]*+)\r?\n")
_NEXT = re.compile(rb"(?<=\n)From [^\r\n]*+\r?\n")
MAX_LETTERS = 200  # in one mailbox


def letters_in(mailbox: bytes) -> Sequence[bytes]:
    """What readers may take for its letters: all of it, as one, then each but the first, which that begins with.

    At most one more than MAX_LETTERS.
    """
    starts = [each.start() for each in islice(_NEXT.finditer(mailbox), MAX_LETTERS)]
    return [mailbox, *(mailbox[start:end] for start, end in pairwise([*starts, len(mailbox)]))]


def in_wire_form(letter: bytes) -> bytes:
    """Without the line that a mailbox has before a letter: readers pass over it, or show nothing but text."""
    mbox = _MBOX.match(letter)
    return to_wire(letter[mbox.end() :] if mbox else letter)


def hints_at_documents(letter: bytes) -> bool:
    """Whether one that cannot be taken apart may have a document in it: honest old mail with odd headers has none."""
    forms = dict.fromkeys((letter, binascii.a2b_qp(letter)))
    return any(_MAY_HOLD.search(each) or documents.calls_itself_cda(each) for each in forms)
