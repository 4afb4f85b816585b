"""The one place that opens zips: in memory, within bounds, all of it or nothing. Nothing is ever written out.

What somebody sends is unpacked whole (``safe_unzip``). Of a large file that is published alone in a zip, only the zip
is in memory, and what it holds comes in pieces (``only_file``): whoever reads them takes nothing before the last.

We read the format ourselves instead of with zipfile, which takes what two readers would read in two ways: what passes
has one reading only (archive_listing.py), sizes within the limits as announced, and content of the size and CRC that
were announced.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mssgw.formats.archive_listing import ENCRYPTED, STORED, Listed, directory, places, stop
from mssgw.formats.guard import ZIP, Stopped

_MO = 1024 * 1024
MAX_ENTRY = 16 * _MO  # of what comes by mail
_PIECE = 256 * 1024
_SMALL = 65_536  # octets that nobody fears, however well they compress


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyFile:
    """The one file of an archive. ``pieces`` can be gone through once; raises guard.Stopped, at the end at latest."""

    path: str = field(repr=False)
    size: int
    pieces: Iterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of an archive: its path as written there, with slashes, and its octets."""

    path: str = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much an archive may be: itself, one entry and all of them in octets, how many, and how well compressed.

    ``comment``: one at its end is let pass. Code hosts leave the revision there; in mail it could be anything.
    """

    archive: int
    entries: int
    entry: int
    total: int
    ratio: int
    comment: bool = False


MAIL = Bounds(archive=20 * _MO, entries=200, entry=MAX_ENTRY, total=48 * _MO, ratio=120)


def safe_unzip(
    content: bytes, bounds: Bounds = MAIL, *, wanted: Callable[[str], bool] | None = None
) -> tuple[Entry, ...]:
    """All files of a zip in the order of its directory, folders left out. Raises guard.Stopped.

    ``wanted``: by their paths, the only files that are unpacked, and whose sizes count.
    """
    files = _files(content, bounds, wanted)
    return tuple(Entry(path=each.path, content=_inflated(content, each, place)) for each, place in files)


def only_file(content: bytes, bounds: Bounds) -> OnlyFile:
    """The file of a zip that holds one. Raises guard.Stopped: also for a zip of none or several."""
    files = _files(content, bounds)
    if len(files) != 1:
        raise Stopped(ZIP["entries"], found=str(len(files)))
    each, place = files[0]
    return OnlyFile(path=each.path, size=each.size, pieces=_in_pieces(content, each, place))


def _files(content: bytes, bounds: Bounds, wanted: Callable[[str], bool] | None = None) -> list[tuple[Listed, int]]:
    """Each file with where its data begins, in the order of the directory."""
    if len(content) > bounds.archive:
        raise Stopped(ZIP["size"])
    start, listed = directory(content, bounds.entries, with_comment=bounds.comment)
    chosen = [each for each in listed if wanted is None or wanted(each.path)]
    _check_sizes(chosen, bounds)
    data = places(content, listed, start)
    return [(each, data[each.number - 1]) for each in chosen if not each.path.endswith("/")]


def is_encrypted(content: bytes) -> bool:
    """Whether the first entry of a zip asks for a password: what SD-14 counts when it is no IHE XDM."""
    return content[:4] == b"PK\3\4" and bool(int.from_bytes(content[6:8], "little") & ENCRYPTED)


def is_office(content: bytes) -> bool:
    """Whether a zip is a text, table or slides of an office program: OOXML, OpenDocument. Only for counting."""
    return b"[Content_Types].xml" in content or content[30:38] == b"mimetype"


def _check_sizes(listed: list[Listed], bounds: Bounds) -> None:
    total = 0
    for each in listed:
        total += each.size
        if each.size > bounds.entry:
            raise stop("entry-size", each)
        if total > bounds.total:
            raise stop("total", each)
        if each.size > max(_SMALL, bounds.ratio * each.packed):
            raise stop("ratio", each)


def _inflated(content: bytes, each: Listed, place: int) -> bytes:
    """The octets of an entry. Never more than announced are made."""
    packed = content[place : place + each.packed]
    if each.method == STORED:
        plain, whole = packed, True
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            plain = inflater.decompress(packed, each.size + 1)
        except zlib.error:
            raise stop("content", each) from None
        whole = inflater.eof and not inflater.unused_data
    if not whole or len(plain) != each.size or zlib.crc32(plain) != each.crc:
        raise stop("content", each)
    return plain


def _in_pieces(content: bytes, each: Listed, place: int) -> Iterator[bytes]:
    """The same, piece by piece. Whether they are what was announced shows at the end."""
    made, crc = 0, 0
    try:
        for piece in _unpacked(content, each, place):
            made, crc = made + len(piece), zlib.crc32(piece, crc)
            if made > each.size:
                raise stop("content", each)
            yield piece
    except zlib.error:
        raise stop("content", each) from None
    if (made, crc) != (each.size, each.crc):
        raise stop("content", each)


def _unpacked(content: bytes, each: Listed, place: int) -> Iterator[bytes]:
    """Raises zlib.error, also when the stream ends before or after its entry."""
    packed = memoryview(content)[place : place + each.packed]
    if each.method == STORED:
        yield from map(bytes, (packed[at : at + _PIECE] for at in range(0, len(packed), _PIECE)))
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for at in range(0, len(packed), _PIECE):
        rest: bytes | memoryview = packed[at : at + _PIECE]
        while rest and not inflater.eof:
            yield inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
        if inflater.eof and at + _PIECE < len(packed):
            raise zlib.error
    yield inflater.flush()
    if not inflater.eof or inflater.unused_data:
        raise zlib.error
