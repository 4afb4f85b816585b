"""Watching a text for files in uuencode between its lines, however far down and in whatever transfer encoding, while it
streams by: some programs still show them as attachments. What is in them, a validator says (attachments.py).

The directory of a zip is watched for as well, for a zip may begin with anything (xdm.is_xdm), and so is the name of a
document, for a page may come before it.
"""

import binascii
import re

# Programs read the mode with sscanf or Python's int(): any white space around, a sign, 0o, underscores.
BEGIN = rb"begin(-base64)?[ \t]{1,12}[-+]?(?:0[oO])?[0-7_]{1,12}[ \t]"
_BEGIN = re.compile(rb"\n" + BEGIN)
_LONGEST = 48  # octets that this may take, or more
_DIRECTORY_END = b"PK\5\6"
_DOCUMENT = b"ClinicalDocument"
_WHITE = b"\r\n\t "
_WHITE_AFTER_SOFT_BREAK = re.compile(rb"=[ \t]++\r\n")
_ENDING = b"AAA\n"  # behind what waits, makes it whole in either encoding
_MOST_WAITING = 8_192  # octets of one line in quoted-printable; RFC 2045 says 76


class UuencodeWatch:
    """Of one part. ``found``: a file, a zip or a document may be in here, or the text is encoded so oddly that programs
    read it in two ways."""

    def __init__(self, encoding: str) -> None:
        self._decode = {"base64": self._base64, "quoted-printable": self._quoted_printable}.get(encoding, bytes)
        self._waiting = b""  # encoded, and not to be decoded before more is here
        self._ended = False
        self._last = b"\n"
        self.found = False

    def take(self, octets: bytes) -> bool:
        """More of it, in wire form and transfer encoding. False: it needs no more."""
        self._look(self._decode(octets))
        return not self.found

    def end(self) -> None:
        """There is no more."""
        if not self.found and self._waiting:
            self._look(self._decode(_ENDING))

    def _look(self, decoded: bytes) -> None:
        text = self._last + decoded
        # The plain word is found several times as fast as the pattern, and one octet that no text has faster still.
        self.found = (
            self.found
            or (b"begin" in text and _BEGIN.search(text) is not None)
            or (b"\5" in text and _DIRECTORY_END in text)
            or _DOCUMENT in text
        )
        self._last = text[-_LONGEST:]

    def _base64(self, octets: bytes) -> bytes:
        letters = self._waiting + octets.translate(None, _WHITE)
        padding = letters.find(b"=")
        behind = letters if self._ended else letters[padding:] if padding >= 0 else b""
        if behind.strip(b"="):
            self.found = True  # there is more behind the padding: some programs go on
        self._ended = self._ended or padding >= 0
        whole = len(letters) // 4 * 4
        self._waiting = b"" if self._ended else letters[whole:]
        try:
            return binascii.a2b_base64(letters[:whole])
        except binascii.Error:
            self.found = True
            return b""

    def _quoted_printable(self, octets: bytes) -> bytes:
        """By whole lines: a soft break joins two. White space after the ``=`` of one counts for some programs only."""
        encoded = self._waiting + octets
        cut = encoded.rfind(b"\n") + 1
        lines, self._waiting = encoded[:cut], encoded[cut:]
        white = b" \r\n" in lines or b"\t\r\n" in lines
        if len(self._waiting) > _MOST_WAITING or (white and _WHITE_AFTER_SOFT_BREAK.search(lines)):
            self.found = True
        return binascii.a2b_qp(lines)
