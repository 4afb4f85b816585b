"""What a zip says that it holds: its directory, and the local header of each entry.

Others take what two readers would read in two ways: octets before, between and after the entries, a second directory,
names given twice, headers that contradict each other. What passes here has one reading only:

1. the end record is the last 22 octets, and the directory ends where it begins; no ZIP64, no second volume;
2. every entry has a plain relative name that no other has on any file system, and is a file or a folder;
3. entries follow each other from the first octet to the directory without a gap, as each local header says too.
"""

import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from mssgw.formats.archive_names import decoded, first_clash, is_plain
from mssgw.formats.guard import ZIP, Stopped

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
STORED, _DEFLATED = 0, 8
_LONGEST_COMMENT = 65_535
ENCRYPTED = 0x2041  # encrypted, strongly encrypted, masked headers
_DESCRIPTOR, _UTF8 = 0x8, 0x800
_NO_SIZE = 0xFFFFFFFF  # ZIP64 tells it elsewhere
_UNICODE_PATH = 0x7075  # a second name


class Listed(NamedTuple):
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


def directory(content: bytes, most: int, *, with_comment: bool) -> tuple[int, list[Listed]]:
    """Where the directory begins, and what it lists: ``most`` entries at the most. Raises guard.Stopped.

    ``with_comment``: one at the end of the zip is let pass.
    """
    end = _end(content, with_comment=with_comment)
    if end < 0:
        raise Stopped(ZIP["structure"])
    mark, disk, first, here, entries, size, start, comment = _END.unpack_from(content, end)
    if mark != b"PK\5\6":
        # Cut short, or followed by something: only the second has an end record before its end.
        raise Stopped(ZIP["around" if b"PK\5\6" in content[-66_000:] else "structure"])
    if disk or first or here != entries or 0xFFFF in (here, entries) or _NO_SIZE in (size, start):
        raise Stopped(ZIP["zip64"])
    if entries > most:
        raise Stopped(ZIP["entries"], found=str(entries))
    if end + _END.size + comment != len(content) or start + size != end:
        raise Stopped(ZIP["zip64" if content[end - 20 : end - 16] == b"PK\6\7" else "around"])
    listed = list(_lines(content, start, end, entries))
    if len(listed) != entries:
        raise Stopped(ZIP["structure"])
    if (twice := first_clash([each.path for each in listed])) is not None:
        raise stop("duplicate", listed[twice])
    return start, listed


def _end(content: bytes, *, with_comment: bool) -> int:
    """Where the end record begins: the last octets, but for a comment where one may be."""
    last = len(content) - _END.size
    if not with_comment or content[last : last + 4] == b"PK\5\6":
        return last
    return content.rfind(b"PK\5\6", max(0, last - _LONGEST_COMMENT), last)


def _lines(content: bytes, at: int, end: int, entries: int) -> Iterator[Listed]:
    number = 0
    while at < end:
        number += 1
        if number > entries or end - at < _CENTRAL.size:
            raise Stopped(ZIP["structure"])
        (mark, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, attributes, offset) = (
            _CENTRAL.unpack_from(content, at)
        )
        variable = at + _CENTRAL.size
        at = variable + name + extra + comment
        if mark != b"PK\1\2" or at > end:
            raise Stopped(ZIP["structure"])
        if disk or _NO_SIZE in (packed, size, offset):
            raise Stopped(ZIP["zip64"])
        raw = content[variable : variable + name]
        listed = Listed(number, _path(raw, flags, number), raw, flags, method, crc, packed, size, offset)
        _check_kind(listed, attributes)
        _check_second_name(content[variable + name : variable + name + extra], listed)
        yield listed


def stop(rule: str, listed: Listed) -> Stopped:
    """What is wrong with an entry, named by its number."""
    return Stopped(ZIP[rule], found=f"entrée {listed.number}")


def _check_kind(listed: Listed, attributes: int) -> None:
    """A file or a folder, in clear, packed in a way that everybody unpacks."""
    if listed.flags & ENCRYPTED:
        raise stop("encrypted", listed)
    if listed.method not in (STORED, _DEFLATED):
        raise stop("method", listed)
    # Some write the system wrong: whatever could be a mode of Unix is taken for one.
    mode = stat.S_IFMT(attributes >> 16)
    folder = listed.path.endswith("/")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR) or (mode == stat.S_IFDIR and not folder):
        raise stop("link", listed)
    if folder and (listed.size or listed.packed > 2):  # deflated, nothing takes two octets
        raise stop("link", listed)


def _path(raw: bytes, flags: int, number: int) -> str:
    """The name of an entry, if it is a plain one."""
    path = decoded(raw, is_utf8=bool(flags & _UTF8))
    if not is_plain(path):
        raise Stopped(ZIP["name"], found=f"entrée {number}")
    return path


def _check_second_name(extra: bytes, listed: Listed) -> None:
    """No other name in the extra fields: one reader would see the one, another the other."""
    at = 0
    while len(extra) - at >= 4:
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == _UNICODE_PATH and extra[at + 9 : at + 4 + size] != listed.path.encode():
            raise stop("name", listed)
        at += 4 + size


def places(content: bytes, listed: list[Listed], start: int) -> list[int]:
    """Where the data of each entry begins; all octets before the directory belong to one entry each.

    Raises guard.Stopped, also where a local header says something else than the directory.
    """
    if not listed and start:
        raise Stopped(ZIP["around"])
    found: dict[int, int] = {}
    at = 0
    ordered = sorted(listed, key=lambda each: each.offset)
    ends = [*(each.offset for each in ordered), start][1:]
    for each, next_ in zip(ordered, ends, strict=True):
        if each.offset != at:
            raise stop("overlap" if each.offset < at else "around", each)
        place = _local(content, each)
        gap = next_ - (place + each.packed)
        if gap < 0:
            raise stop("overlap", each)
        if not _is_descriptor(content[place + each.packed : next_], each):
            raise stop("around", each)
        found[each.number], at = place, next_
    return [found[each.number] for each in listed]


def _local(content: bytes, each: Listed) -> int:
    """Where the data begins, once the local header said what the directory says."""
    if len(content) - each.offset < _LOCAL.size:
        raise stop("structure", each)
    mark, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(content, each.offset)
    at = each.offset + _LOCAL.size
    _check_second_name(content[at + name : at + name + extra], each)
    if mark != b"PK\3\4":
        raise stop("structure", each)
    later = bool(each.flags & _DESCRIPTOR)  # crc and sizes follow the data
    told = [(crc, each.crc), (packed, each.packed), (size, each.size)]
    if not (
        (flags & (ENCRYPTED | _DESCRIPTOR), method) == (each.flags & (ENCRYPTED | _DESCRIPTOR), each.method)
        and content[at : at + name] == each.raw
        and all(here == there or (later and here in (0, _NO_SIZE)) for here, there in told)
    ):
        raise stop("disagreement", each)
    return int(at + name + extra)


def _is_descriptor(gap: bytes, each: Listed) -> bool:
    """Whether the octets after the data are what they may be: nothing, or crc and sizes (of 4 or 8 octets each)."""
    if not each.flags & _DESCRIPTOR:
        return not gap
    forms = [struct.pack(form, each.crc, each.packed, each.size) for form in ("<3L", "<LQQ")]
    return not gap or gap in forms or gap in [b"PK\7\10" + form for form in forms]
