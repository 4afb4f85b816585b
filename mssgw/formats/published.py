"""Large tables of text as they are published: plain, or alone in a zip; read in pieces, line by line, within bounds."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from mssgw.core.directory import UnusableDirectory
from mssgw.formats.archive import Bounds, OnlyFile, only_file
from mssgw.formats.guard import ZIP, Stopped

MOST_OCTETS = 2**30  # of text; the national extraction has 90 million
LONGEST_LINE = 65_536
ZIP_LIMITS = Bounds(archive=2**28, entries=4, entry=MOST_OCTETS, total=MOST_OCTETS, ratio=120)
_PIECE = 256 * 1024
_ZIP = (b"PK\3\4", b"PK\5\6", b"PK\7\10")
_STAMP = re.compile(r"(?<!\d)(20\d{10})(?:\d\d)?(?!\d)")  # AAAAMMJJhhmm, as the extraction is named
_OF_SIZE = {ZIP[name].id for name in ("size", "entry-size", "total")}


@dataclass(slots=True, kw_only=True)
class Published:
    """An opened table. ``name``: of the file, or of the one in the zip. ``size``: of its text in octets, if known.

    ``read``: octets of text so far. Its lines come once. ``open_ended``: the line at hand is the last one and has no
    end, which some do not write, and a download that breaks off leaves out.
    """

    name: str = field(repr=False)
    size: int | None
    pieces: Iterator[bytes] = field(repr=False)
    read: int = 0
    open_ended: bool = False
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256, repr=False)

    @property
    def stamp(self) -> datetime | None:
        """When it was made, if its name says so: in the time of Paris, read as UTC; an hour or two do not matter."""
        found = _STAMP.search(self.name)
        try:
            return datetime.strptime(found[1], "%Y%m%d%H%M").replace(tzinfo=UTC) if found else None
        except ValueError:
            return None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the text that was read."""
        return self._digest.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """Each line without its end; no byte order mark. Raises UnusableDirectory."""
        rest = b""
        try:
            for piece in self.pieces:
                self._count(piece)
                *whole, rest = (rest + piece).split(b"\n") if rest else piece.split(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise UnusableDirectory(f"a line is longer than {LONGEST_LINE} octets: no table of text")
                yield from (line.removesuffix(b"\r") for line in whole)
        except Stopped as stopped:
            raise _unusable(stopped) from None
        if rest:
            self.open_ended = not rest.isspace()  # what the last row ended with, and a blank more, is not cut
            yield rest.removesuffix(b"\r")

    def check_whole(self, cells: int, expected: int) -> None:
        """The line at hand has so many cells. Raises UnusableDirectory when it is where the text breaks off."""
        if self.open_ended and cells < expected:
            raise UnusableDirectory("it breaks off in its last line: not all of it is there")

    def _count(self, piece: bytes) -> None:
        self.read += len(piece)
        self._digest.update(piece)
        if self.read > MOST_OCTETS:
            raise UnusableDirectory(f"larger than {MOST_OCTETS} octets: no such table is that large")


def published(file: BinaryIO, name: str, size: int | None = None) -> Published:
    """Open a table that lies in this file, read from its beginning. Raises UnusableDirectory, OSError."""
    first = file.read(_PIECE)
    if not first.startswith(_ZIP):
        return Published(name=name, size=size, pieces=_text(file, first))
    try:
        only: OnlyFile = only_file(first + file.read(ZIP_LIMITS.archive), ZIP_LIMITS)
    except Stopped as stopped:
        raise _unusable(stopped) from None
    return Published(name=only.path.rpartition("/")[2], size=only.size, pieces=_checked(only.pieces))


def _text(file: BinaryIO, first: bytes) -> Iterator[bytes]:
    def pieces() -> Iterator[bytes]:
        yield first
        while piece := file.read(_PIECE):
            yield piece

    return _checked(pieces())


def _checked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Text in an encoding that keeps ASCII; its byte order mark left out."""
    first = True
    for piece in pieces:
        if first and piece.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnusableDirectory("UTF-16: expected UTF-8")
        if b"\0" in piece:
            raise UnusableDirectory("it holds NUL octets: no text, or in another encoding than UTF-8")
        yield piece.removeprefix(b"\xef\xbb\xbf") if first else piece
        first = False


def _unusable(stopped: Stopped) -> UnusableDirectory:
    if stopped.rule.id in _OF_SIZE:
        return UnusableDirectory("the zip holds more than any such table")
    if stopped.rule.id == ZIP["entries"].id:
        return UnusableDirectory(f"the zip holds {stopped.found} files: expected one")
    return UnusableDirectory(f"the zip cannot be taken: {stopped}")
