"""What an S/MIME object (CMS, RFC 5652) signs and anybody can read: only encrypted mail is opaque (SD-14).

A small reader of BER: it looks for the octets that are signed, checks no signature and takes what it does not know for
unreadable. Linear in what it reads, and bounded in its steps.
"""

from mssgw.core.errors import GatewayError

_PKCS_7 = bytes.fromhex("2a864886f70d0107")  # 1.2.840.113549.1.7
_SMIME_CT = bytes.fromhex("2a864886f70d01091001")  # 1.2.840.113549.1.9.16.1
DATA, SIGNED = _PKCS_7 + b"\1", _PKCS_7 + b"\2"
# envelopedData, signedAndEnvelopedData (PKCS #7), encryptedData, authEnvelopedData (RFC 5083)
_ENCRYPTED = frozenset({_PKCS_7 + b"\3", _PKCS_7 + b"\4", _PKCS_7 + b"\6", _SMIME_CT + b"\x17"})
# A signed receipt (RFC 2634), which Outlook sends for whom it is asked, and a time-stamp (RFC 3161): no objects of CMS.
_FIELDS = frozenset({_SMIME_CT + b"\1", _SMIME_CT + b"\4"})
_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})

MAX_NESTED = 5  # objects in objects, and strings in strings
MAX_PIECES = 100_000  # of one string: programs write some 1,000 octets in each
_MAX_SKIPPED = 10_000
_ZIP_END, _ZIP_DIRECTORY = b"PK\5\6", b"PK\1\2"
_PADDING = b"\0 \t\r\n"  # that may follow an object

_SEQUENCE, _OBJECT_ID, _OCTETS, _PIECES, _EXPLICIT, _END = 0x30, 0x06, 0x04, 0x24, 0xA0, 0x00


class UnreadableCms(GatewayError):
    """It is no CMS object, is damaged, or of a kind that is not encrypted and that we do not read: compressed."""


def is_called_smime(media_type: str, names: tuple[str, ...]) -> bool:
    """Whether programs would take it for S/MIME by its type (RFC 8551), or by its name."""
    return media_type in _TYPES or any(name.endswith(".p7m") for name in names)


def content_type(octets: bytes) -> bytes:
    """The encoded object identifier that a CMS object begins with; b"" where none of PKCS #7 and S/MIME does.

    The first 40 octets suffice.
    """
    try:
        reader = _Reader(octets, whole=False)
        reader.enter(_SEQUENCE)
        found = reader.primitive(_OBJECT_ID)
    except UnreadableCms:
        return b""
    return found if found.startswith((_PKCS_7, _SMIME_CT)) else b""


def is_encrypted(octets: bytes) -> bool:
    """By its first octets."""
    return content_type(octets) in _ENCRYPTED


def may_be_read(octets: bytes) -> bool:
    """Whether what begins so may carry anything that anybody can read, or cannot be told to be CMS at all."""
    try:
        return bool(opened(octets, whole=False))
    except UnreadableCms:
        return True


def opened(octets: bytes, *, whole: bool = True) -> bytes | None:
    """What a CMS object carries for anybody to read; b"" for a signature or certificates alone, None when encrypted.

    ``whole`` false: the octets may be cut anywhere, and so may what is found. Raises UnreadableCms, for a whole one
    also where something follows it, or a zip stands beside what is signed: programs look for zips from the end.
    """
    if whole:
        _check_end(octets)
    reader = _Reader(octets, whole=whole)
    reader.enter(_SEQUENCE)
    kind = reader.primitive(_OBJECT_ID)
    if kind in _ENCRYPTED and not whole:
        return None
    reader.enter(_EXPLICIT)
    if kind in _ENCRYPTED:
        reader.enter(_SEQUENCE)
        return None
    for _ in range(MAX_NESTED):
        if kind == DATA:
            return reader.alone()
        if kind != SIGNED:
            raise UnreadableCms("a kind that is not read")
        kind, content = _signed(reader)
        if kind in _ENCRYPTED:
            return None
        is_object = kind.startswith((_PKCS_7, _SMIME_CT)) and kind != DATA and kind not in _FIELDS
        if not is_object or not content:
            return content
        reader = _Reader(content)  # the object alone, without its identifier (RFC 5652 section 5.2)
        _check_end(content)
    raise UnreadableCms("objects in objects")


def _check_end(octets: bytes) -> None:
    """Raises when anything follows the object: programs may open it as that, which nobody has judged."""
    reader = _Reader(octets)
    reader.skip(MAX_PIECES)
    if reader.rest.strip(_PADDING):
        raise UnreadableCms("something behind it")


def _signed(reader: "_Reader") -> tuple[bytes, bytes]:
    """Kind and content of what SignedData signs, b"" when that is elsewhere."""
    reader.enter(_SEQUENCE)
    reader.skip()  # version
    reader.skip()  # digest algorithms
    reader.enter(_SEQUENCE)
    kind = reader.primitive(_OBJECT_ID)
    if reader.is_at_end:
        return kind, reader.alone(empty=True)
    reader.enter(_EXPLICIT)
    return kind, reader.alone()


class _Reader:
    """Goes through BER from the outside in, never back. ``whole`` false: the octets may be cut anywhere."""

    def __init__(self, octets: bytes, *, whole: bool = True) -> None:
        self._octets = octets
        self._at = 0
        self._end: int | None = len(octets)  # of what was entered; None: an end-of-contents tells
        self._whole = whole

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more stands in what was entered last."""
        return self._octets[self._at : self._at + 2] == b"\0\0" if self._end is None else self._at == self._end

    def enter(self, tag: int) -> None:
        found, end = self._head()
        if found != tag:
            raise UnreadableCms("another element than expected")
        self._end = end

    def primitive(self, tag: int) -> bytes:
        found, end = self._head()
        if found != tag or end is None or end > len(self._octets):
            raise UnreadableCms("another element than expected")
        start, self._at = self._at, end
        return self._octets[start:end]

    @property
    def rest(self) -> bytes:
        """What was not gone through."""
        return self._octets[self._at :]

    def skip(self, most: int = _MAX_SKIPPED) -> None:
        """One element, whatever is in it, in so many steps."""
        within = 0  # of indefinite length
        for _ in range(most):
            tag, end = self._head()
            if end is None:
                within += 1
            elif tag == _END:
                within -= 1
            else:
                self._at = end
            if within <= 0:
                return
        raise UnreadableCms("too many elements")

    def octet_string(self) -> bytes:
        """The octets of a string, in one piece or in many."""
        found: list[bytes] = []
        ends: list[int | None] = []  # of the strings that this piece is in
        for _ in range(MAX_PIECES):
            tag, end = self._head()
            if tag == _PIECES and len(ends) < MAX_NESTED:
                ends.append(end)
                self._end = end
            elif tag == _OCTETS and end is not None:
                found.append(self._octets[self._at : end])
                self._at = end
            elif tag == _END and ends and ends[-1] is None:
                ends.pop()
            else:
                raise UnreadableCms("no string of octets")
            while ends and ends[-1] == self._at:
                ends.pop()
            self._end = ends[-1] if ends else None
            if not ends:
                return b"".join(found)
        raise UnreadableCms("too many pieces")

    def alone(self, *, empty: bool = False) -> bytes:
        """The octets of a string, or of none here, beside which no zip ends: not before it, nor behind."""
        start = self._at
        content = b"" if empty else self.octet_string()
        shared = len(_ZIP_END) - 1  # octets of its mark that may stand within the string
        beside = (self._octets[: start + shared], self._octets[max(self._at - shared, 0) :])
        if any(_ZIP_END in each for each in beside) and _ZIP_DIRECTORY in self._octets:
            raise UnreadableCms("a zip beside what is signed")
        return content

    def _head(self) -> tuple[int, int | None]:
        """Tag, and where the element ends, None when it does not say; then its content is next."""
        octets, at = self._octets, self._at
        if at + 2 > len(octets) or octets[at] & 0x1F == 0x1F:
            raise UnreadableCms("cut, or a tag of several octets")
        tag, length = octets[at], octets[at + 1]
        at += 2
        if length == 0x80:
            if not tag & 0x20:
                raise UnreadableCms("a value without length")
            self._at = at
            return tag, None
        if length > 0x80:
            more = length & 0x7F
            if more > 8 or at + more > len(octets):
                raise UnreadableCms("no length")
            length, at = int.from_bytes(octets[at : at + more]), at + more
        limit = len(octets) if self._end is None else self._end
        if self._whole and at + length > limit:
            raise UnreadableCms("longer than what it is in")
        self._at = at
        return tag, at + length
