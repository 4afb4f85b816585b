"""Watching the end of what is in base64 for the directory of a zip, which programs look for there whatever the octets
begin with: a PDF may be an IHE_XDM.zip as well (xdm.is_xdm)."""

import re
from collections import deque

import pybase64

_DIRECTORY_WITHIN = 65_600  # octets before the end, as is_xdm looks: the end of the directory and the longest comment
_LETTERS = _DIRECTORY_WITHIN // 3 * 4 + 8
_KEPT = 92_160  # octets in transfer encoding: so many letters in lines of 40 or more
# PK\5\6 in base64, by where in a group of four letters it begins. Plain words are found ten times as fast.
_WORDS = (b"UEsFB", b"BLBQ", b"QSwUG")
_DIRECTORY_END = re.compile(rb"UEsFB[g-v]|[FVl1]BLBQ[YZab]|[BFJNRVZdhlptx159]QSwUG")
_SMALL = 4_096  # octets of a piece: smaller ones are put together
_WHITE = b"\r\n\t "


class Ending:
    """Of one part. ``found``: a zip may end here, or the base64 goes on behind its padding or is otherwise so odd that
    programs read it in two ways. Keeps 90 kB and what came last, until its end."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque([b""])
        self._size = 0
        self._whole = True
        self._padded = False
        self.found = False

    def take(self, octets: bytes) -> bool:
        """More of it, in wire form and transfer encoding. False: it needs no more."""
        padding = 0 if self._padded else octets.find(b"=")
        if padding >= 0:
            self._padded = True
            self.found = bool(octets[padding:].translate(None, b"=" + _WHITE))
        if len(self._kept[-1]) < _SMALL:
            self._kept[-1] += octets
        else:
            self._kept.append(octets)
        self._size += len(octets)
        while self._size - len(self._kept[0]) >= _KEPT:
            self._size -= len(self._kept.popleft())
            self._whole = False
        return not self.found

    def end(self) -> None:
        """There is no more."""
        self.found = self.found or self._is_odd()
        self._kept.clear()

    def _is_odd(self) -> bool:
        letters = b"".join(b"".join(self._kept)[-_KEPT:].split(b"\r\n"))
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
