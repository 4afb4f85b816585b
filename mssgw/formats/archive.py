"""The one place that opens zips: in memory, within bounds, all of it or nothing. Nothing is ever written out.

What somebody sends is unpacked whole (``safe_unzip``). Of a large file that is published alone in a zip, only the zip
is in memory, and what it holds comes in pieces (``only_file``): whoever reads them takes nothing before the last.

We read the format ourselves instead of with zipfile, which takes what two readers would read in two ways: octets
before, between and after the entries, a second directory, names given twice, headers that contradict each other. What
passes here has one reading only:

1. the end record is the last 22 octets, and the directory ends where it begins; no ZIP64, no second volume;
2. every entry has a plain relative name that no other has on any file system, and is a file or a folder;
3. entries follow each other from the first octet to the directory without a gap, as each local header says too;
4. sizes are within the limits as announced, and content has the size and CRC that were announced.
"""

import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mssgw.formats.archive_names import decoded, first_clash, is_plain
from mssgw.formats.guard import ZIP, Stopped

_MO = 1024 * 1024
MAX_ENTRY = 16 * _MO  # of what comes by mail
_PIECE = 256 * 1024
_SMALL = 65_536  # octets that nobody fears, however well they compress

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_LONGEST_COMMENT = 65_535
_ENCRYPTED = 0x2041  # encrypted, strongly encrypted, masked headers
_DESCRIPTOR, _UTF8 = 0x8, 0x800
_NO_SIZE = 0xFFFFFFFF  # ZIP64 tells it elsewhere
_UNICODE_PATH = 0x7075  # a second name


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


class _Listed(NamedTuple):
    """An entry as the directory tells of it."""

    number: int  # from 1: how reasons name it, for its path may name a patient
    path: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


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


def _files(content: bytes, bounds: Bounds, wanted: Callable[[str], bool] | None = None) -> list[tuple["_Listed", int]]:
    """Each file with where its data begins, in the order of the directory."""
    if len(content) > bounds.archive:
        raise Stopped(ZIP["size"])
    start, listed = _directory(content, bounds)
    if (twice := first_clash([each.path for each in listed])) is not None:
        raise _stop("duplicate", listed[twice])
    chosen = [each for each in listed if wanted is None or wanted(each.path)]
    _check_sizes(chosen, bounds)
    data = _places(content, listed, start)
    return [(each, data[each.number - 1]) for each in chosen if not each.path.endswith("/")]


def is_encrypted(content: bytes) -> bool:
    """Whether the first entry of a zip asks for a password: what SD-14 counts when it is no IHE XDM."""
    return content[:4] == b"PK\3\4" and bool(int.from_bytes(content[6:8], "little") & _ENCRYPTED)


def is_office(content: bytes) -> bool:
    """Whether a zip is a text, table or slides of an office program: OOXML, OpenDocument. Only for counting."""
    return b"[Content_Types].xml" in content or content[30:38] == b"mimetype"


def _directory(content: bytes, bounds: Bounds) -> tuple[int, list[_Listed]]:
    """Where the directory begins, and what it lists."""
    end = _end(content, bounds)
    if end < 0:
        raise Stopped(ZIP["structure"])
    mark, disk, first, here, entries, size, start, comment = _END.unpack_from(content, end)
    if mark != b"PK\5\6":
        # Cut short, or followed by something: only the second has an end record before its end.
        raise Stopped(ZIP["around" if b"PK\5\6" in content[-66_000:] else "structure"])
    if disk or first or here != entries or 0xFFFF in (here, entries) or _NO_SIZE in (size, start):
        raise Stopped(ZIP["zip64"])
    if entries > bounds.entries:
        raise Stopped(ZIP["entries"], found=str(entries))
    if end + _END.size + comment != len(content) or start + size != end:
        raise Stopped(ZIP["zip64" if content[end - 20 : end - 16] == b"PK\6\7" else "around"])
    listed = list(_lines(content, start, end, entries))
    if len(listed) != entries:
        raise Stopped(ZIP["structure"])
    return start, listed


def _end(content: bytes, bounds: Bounds) -> int:
    """Where the end record begins: the last octets, but for a comment where one may be."""
    last = len(content) - _END.size
    if not bounds.comment or content[last : last + 4] == b"PK\5\6":
        return last
    return content.rfind(b"PK\5\6", max(0, last - _LONGEST_COMMENT), last)


def _lines(content: bytes, at: int, end: int, entries: int) -> Iterator[_Listed]:
    number = 0
    while at < end:
        number += 1
        if number > entries or end - at < _CENTRAL.size:
            raise Stopped(ZIP["structure"])
        (mark, made, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, attributes, offset) = (
            _CENTRAL.unpack_from(content, at)
        )
        variable = at + _CENTRAL.size
        at = variable + name + extra + comment
        if mark != b"PK\1\2" or at > end:
            raise Stopped(ZIP["structure"])
        if disk or _NO_SIZE in (packed, size, offset):
            raise Stopped(ZIP["zip64"])
        raw = content[variable : variable + name]
        listed = _Listed(number, _path(raw, flags, number), raw, flags, method, crc, packed, size, offset)
        _check_kind(listed, made, attributes)
        _check_second_name(content[variable + name : variable + name + extra], listed)
        yield listed


def _stop(rule: str, listed: _Listed) -> Stopped:
    return Stopped(ZIP[rule], found=f"entrée {listed.number}")


def _check_kind(listed: _Listed, made: int, attributes: int) -> None:
    """A file or a folder, in clear, packed in a way that everybody unpacks."""
    if listed.flags & _ENCRYPTED:
        raise _stop("encrypted", listed)
    if listed.method not in (_STORED, _DEFLATED):
        raise _stop("method", listed)
    # Some write the system wrong: whatever could be a mode of Unix is taken for one.
    mode = stat.S_IFMT(attributes >> 16)
    folder = listed.path.endswith("/")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR) or (mode == stat.S_IFDIR and not folder):
        raise _stop("link", listed)
    if folder and (listed.size or listed.packed > 2):  # deflated, nothing takes two octets
        raise _stop("link", listed)


def _path(raw: bytes, flags: int, number: int) -> str:
    """The name of an entry, if it is a plain one."""
    path = decoded(raw, is_utf8=bool(flags & _UTF8))
    if not is_plain(path):
        raise Stopped(ZIP["name"], found=f"entrée {number}")
    return path


def _check_second_name(extra: bytes, listed: _Listed) -> None:
    """No other name in the extra fields: one reader would see the one, another the other."""
    at = 0
    while len(extra) - at >= 4:
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == _UNICODE_PATH and extra[at + 9 : at + 4 + size] != listed.path.encode():
            raise _stop("name", listed)
        at += 4 + size


def _check_sizes(listed: list[_Listed], bounds: Bounds) -> None:
    total = 0
    for each in listed:
        total += each.size
        if each.size > bounds.entry:
            raise _stop("entry-size", each)
        if total > bounds.total:
            raise _stop("total", each)
        if each.size > max(_SMALL, bounds.ratio * each.packed):
            raise _stop("ratio", each)


def _places(content: bytes, listed: list[_Listed], start: int) -> list[int]:
    """Where the data of each entry begins; all octets before the directory belong to one entry each."""
    if not listed and start:
        raise Stopped(ZIP["around"])
    places: dict[int, int] = {}
    at = 0
    ordered = sorted(listed, key=lambda each: each.offset)
    ends = [*(each.offset for each in ordered), start][1:]
    for each, next_ in zip(ordered, ends, strict=True):
        if each.offset != at:
            raise _stop("overlap" if each.offset < at else "around", each)
        place = _local(content, each)
        gap = next_ - (place + each.packed)
        if gap < 0:
            raise _stop("overlap", each)
        if not _is_descriptor(content[place + each.packed : next_], each):
            raise _stop("around", each)
        places[each.number], at = place, next_
    return [places[each.number] for each in listed]


def _local(content: bytes, each: _Listed) -> int:
    """Where the data begins, once the local header said what the directory says."""
    if len(content) - each.offset < _LOCAL.size:
        raise _stop("structure", each)
    mark, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(content, each.offset)
    at = each.offset + _LOCAL.size
    _check_second_name(content[at + name : at + name + extra], each)
    if mark != b"PK\3\4":
        raise _stop("structure", each)
    later = bool(each.flags & _DESCRIPTOR)  # crc and sizes follow the data
    told = [(crc, each.crc), (packed, each.packed), (size, each.size)]
    if not (
        (flags & (_ENCRYPTED | _DESCRIPTOR), method) == (each.flags & (_ENCRYPTED | _DESCRIPTOR), each.method)
        and content[at : at + name] == each.raw
        and all(here == there or (later and here in (0, _NO_SIZE)) for here, there in told)
    ):
        raise _stop("disagreement", each)
    return int(at + name + extra)


def _is_descriptor(gap: bytes, each: _Listed) -> bool:
    """Whether the octets after the data are what they may be: nothing, or crc and sizes (of 4 or 8 octets each)."""
    if not each.flags & _DESCRIPTOR:
        return not gap
    forms = [struct.pack(form, each.crc, each.packed, each.size) for form in ("<3L", "<LQQ")]
    return not gap or gap in forms or gap in [b"PK\7\10" + form for form in forms]


def _inflated(content: bytes, each: _Listed, place: int) -> bytes:
    """The octets of an entry. Never more than announced are made."""
    packed = content[place : place + each.packed]
    if each.method == _STORED:
        plain, whole = packed, True
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            plain = inflater.decompress(packed, each.size + 1)
        except zlib.error:
            raise _stop("content", each) from None
        whole = inflater.eof and not inflater.unused_data
    if not whole or len(plain) != each.size or zlib.crc32(plain) != each.crc:
        raise _stop("content", each)
    return plain


def _in_pieces(content: bytes, each: _Listed, place: int) -> Iterator[bytes]:
    """The same, piece by piece. Whether they are what was announced shows at the end."""
    made, crc = 0, 0
    try:
        for piece in _unpacked(content, each, place):
            made, crc = made + len(piece), zlib.crc32(piece, crc)
            if made > each.size:
                raise _stop("content", each)
            yield piece
    except zlib.error:
        raise _stop("content", each) from None
    if (made, crc) != (each.size, each.crc):
        raise _stop("content", each)


def _unpacked(content: bytes, each: _Listed, place: int) -> Iterator[bytes]:
    """Raises zlib.error, also when the stream ends before or after its entry."""
    packed = memoryview(content)[place : place + each.packed]
    if each.method == _STORED:
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
