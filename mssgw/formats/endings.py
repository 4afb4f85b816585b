"""Watching the end of what is in base64 for the directory of a zip, which programs look for there whatever the octets
begin with: a PDF may be an IHE_XDM.zip as well (xdm.is_xdm)."""

import re

import pybase64

from mssgw.formats.parts import Octets

_DIRECTORY_WITHIN = 65_600  # octets before the end, as is_xdm looks: the end of the directory and the longest comment
_LETTERS = _DIRECTORY_WITHIN // 3 * 4 + 8
_KEPT = 92_160  # octets in transfer encoding: so many letters in lines of 40 or more
# PK\5\6 in base64, by where in a group of four letters it begins. Plain words are found ten times as fast.
_WORDS = (b"UEsFB", b"BLBQ", b"QSwUG")
_DIRECTORY_END = re.compile(rb"UEsFB[g-v]|[FVl1]BLBQ[YZab]|[BFJNRVZdhlptx159]QSwUG")
_WHITE = b"\r\n\t "


class Ending:
    """Of one part. ``found``: a zip may end here, or the base64 goes on behind its padding or is otherwise so odd that
    programs read it in two ways. Keeps 180 kB and what came last, until its end."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._whole = True
        self._padded = False
        self.found = False

    def take(self, octets: Octets) -> bool:
        """More of it, in wire form and transfer encoding. False: it needs no more."""
        new = len(self._kept)
        self._kept += octets
        if not self._padded:
            padding = self._kept.find(b"=", new)
            self._padded, new = padding >= 0, padding
        if self._padded and self._kept[new:].translate(None, b"=" + _WHITE):
            self.found = True
        if len(self._kept) > 2 * _KEPT:
            del self._kept[:-_KEPT]
            self._whole = False
        return not self.found

    def end(self) -> None:
        """There is no more."""
        self.found = self.found or self._is_odd()
        self._kept.clear()

    def _is_odd(self) -> bool:
        letters = b"".join(self._kept.split(b"\r\n"))
        if b" " in letters or b"\t" in letters:
            letters = letters.translate(None, _WHITE)
        letters = letters.rstrip(b"=")
        if not self._whole and len(letters) < _LETTERS:
            return True  # so many line ends have something to hide
        try:
            pybase64.b64decode(letters + b"A" * (-len(letters) % 4), validate=True)
        except ValueError:
            return True
        return any(word in letters for word in _WORDS) and _DIRECTORY_END.search(letters) is not None
