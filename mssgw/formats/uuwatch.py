"""Watching a text for files in uuencode between its lines, however far down and in whatever transfer encoding, while it
streams by: some programs still show them as attachments. What is in them, a validator says (extraction.py).
"""

import binascii
import re

_BEGIN = re.compile(rb"\nbegin(?:-base64)? [0-7]{3,4} ")
_LONGEST = 24  # octets that this may take, or more
_WHITE = b"\r\n\t "
_MOST_WAITING = 65_536  # octets of one line


class UuencodeWatch:
    """Of one part. ``found``: a file may begin here, or the text is encoded so oddly that programs read it in two
    ways."""

    def __init__(self, encoding: str) -> None:
        self._decode = {"base64": self._base64, "quoted-printable": self._quoted_printable}.get(encoding, bytes)
        self._waiting = b""  # encoded, and not to be decoded before more is here
        self._ended = False
        self._last = b"\n"
        self.found = False

    def take(self, octets: bytes) -> bool:
        """More of it, in wire form and transfer encoding. False: it needs no more."""
        text = self._last + self._decode(octets)
        # The plain word is found several times as fast as the pattern.
        self.found = self.found or (b"begin" in text and _BEGIN.search(text) is not None)
        self._last = text[-_LONGEST:]
        return not self.found

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
        """By whole lines: a soft break joins two."""
        encoded = self._waiting + octets
        cut = encoded.rfind(b"\n") + 1
        if not cut and len(encoded) > _MOST_WAITING:
            cut = len(encoded)
        self._waiting = encoded[cut:]
        return binascii.a2b_qp(encoded[:cut])
