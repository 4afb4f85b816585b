"""What we say to an IMAP server: names, sets, dates and search keys as RFC 3501 writes them."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from mssgw.core.errors import GatewayError

BATCH = 200  # UIDs in one command

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SPOKEN_OTHERWISE = re.compile(r"&|[^\x20-\x7e]+")
_FLAG = re.compile(r"\\?[A-Za-z0-9$._-]{1,64}")


class Unwritable(GatewayError):
    """A folder name, login or flag that IMAP has no way to write."""


def quoted(text: str) -> str:
    """A quoted string; ASCII without control characters. Raises Unwritable."""
    if not text.isascii() or _CONTROL.search(text):
        raise Unwritable
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def folder(name: str) -> str:
    """The name of a folder, in modified UTF-7 (RFC 3501 section 5.1.3) and quoted. Raises Unwritable."""
    if not name or _CONTROL.search(name):
        raise Unwritable
    return quoted(_SPOKEN_OTHERWISE.sub(_modified_base64, name))


def _modified_base64(found: "re.Match[str]") -> str:
    if found[0] == "&":
        return "&-"
    try:
        octets = found[0].encode("utf-16-be")
    except UnicodeError:  # a lone surrogate is no character
        raise Unwritable from None
    return "&" + base64.b64encode(octets, altchars=b"+,").decode().rstrip("=") + "-"


_ENCODED = re.compile(rb"&([A-Za-z0-9+,]*)-")


def folder_name(written: bytes) -> str | None:
    """The name that folder() writes so, without quotation marks; None for what it never writes."""

    def plain(found: "re.Match[bytes]") -> bytes:
        text = found[1].replace(b",", b"/")
        return base64.b64decode(text + b"=" * (-len(text) % 4)).decode("utf-16-be").encode() if text else b"&"

    try:
        name = _ENCODED.sub(plain, written).decode()
        return name if folder(name) == quoted(written.decode("ascii")) else None
    except (ValueError, Unwritable):
        return None


def flag_list(flags: Iterable[str]) -> str:
    r"""``(\Seen $MDNSent)``. Raises Unwritable."""
    names = sorted(flags)
    if not all(map(_FLAG.fullmatch, names)):
        raise Unwritable
    return f"({' '.join(names)})"


def batches(uids: Iterable[int]) -> Iterator[Sequence[int]]:
    """The UIDs in ascending order, at most BATCH at once."""
    ordered = sorted(set(uids))
    yield from (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))


def uid_set(uids: Sequence[int]) -> str:
    """``4:6,9`` of ascending UIDs, at least one."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def read_uid_set(text: str) -> frozenset[int]:
    """The UIDs of what uid_set() wrote."""
    runs = (run.partition(":") for run in text.split(","))
    return frozenset(uid for first, _, last in runs for uid in range(int(first), int(last or first) + 1))


def day(when: date) -> str:
    """``7-Feb-2026``, as SINCE and BEFORE take it."""
    return f"{when.day}-{_MONTHS[when.month - 1]}-{when.year:04}"


def moment(when: datetime) -> str:
    """``" 7-Feb-2026 10:00:00 +0000"``, as APPEND takes it, quotation marks included. ``when`` is aware."""
    return f'"{when.day:2}-{_MONTHS[when.month - 1]}-{when.year:04} {when:%H:%M:%S %z}"'


_MOMENT = re.compile(r" ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9:]{8} [+-][0-9]{4})")


def read_moment(text: str) -> datetime | None:
    """The time of an INTERNALDATE; None when it is none."""
    found = _MOMENT.fullmatch(text)
    if not found or found[2].title() not in _MONTHS:
        return None
    month = _MONTHS.index(found[2].title()) + 1
    try:
        return datetime.strptime(f"{found[3]}-{month:02}-{found[1]:0>2} {found[4]}", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
