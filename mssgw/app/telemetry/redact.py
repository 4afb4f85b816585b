"""The last line before the log: whatever looks like a matricule or an address goes, wherever it comes from.

Events are written not to hold such values at all; this is for the mistake that nobody saw, and for what libraries
put in their texts. It would rather hide a harmless number than show a harmful one.
"""

import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from types import TracebackType
from typing import Any

from mssgw.core.errors import GatewayError, MalformedMatricule
from mssgw.core.ins import Matricule

LONGEST = 2000  # characters of one value
_SHORT = 64  # characters of what is worth remembering
DEEPEST = 4
WIDEST = 50
FRAMES = 20

MATRICULE = "<matricule>"
ADDRESS = "<address>"

# Characters of a matricule may stand apart: spaces of any kind, dots, dashes.  req: INS-1, INS-2
_GAP = r"[\s.\-_/\u00a0\u2000-\u200f\u2010-\u2015\u202f\u205f\u2060\ufeff]{0,3}"
_DIGIT = f"[0-9]{_GAP}"
_THIRTEEN = f"{_DIGIT * 5}(?:{_DIGIT}[0-9]|2{_GAP}[ABab]){f'{_GAP}[0-9]' * 6}"
_KEYED = re.compile(f"(?=({_THIRTEEN}{f'{_GAP}[0-9]' * 2}))")  # a look-ahead: candidates overlap in a run of digits
_BARE = re.compile(f"(?<![0-9A-Za-z]){_THIRTEEN}(?:{f'{_GAP}[0-9]'}){{0,2}}(?![0-9A-Za-z])")
# An organisation in the DN of a certificate: 3 and its SIRET, or 0002 and its SIREN (WL-4). Whoever is refused must be
# found in the white list by what the log says; and no NIR begins with 3 or 0.
_ORGANISATION = re.compile("(?<![0-9A-Za-z])(OU=(?:3[0-9]{14}|0002 [0-9]{9})(?=,|$))")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SUSPECT = re.compile(f"(?:{_DIGIT}){{5}}")
_BETWEEN = re.compile(_GAP.removesuffix("{0,3}") + "+")

# Bounded, or a long text without an @ would be searched from each of its characters to its end.
_MAILBOX = re.compile(r"""(?:"[^"\r\n]{0,64}"|[^\s@<>()\[\],;:"\\]{1,64})@\[?[\w\u00a1-\uffff.:-]{1,255}\]?""")


def scrub(text: str) -> str:
    """The text without matricules (spaced, in lower case, inside other text), addresses and control characters.

    Cut to LONGEST, after the search: a cut through a matricule would hide it from the search.
    """
    return _scrubbed_before(text) if len(text) <= _SHORT else _scrubbed(text)


def _scrubbed(text: str) -> str:
    if len(text) > LONGEST:
        text = text[: LONGEST + 200]
    if not text.isprintable():
        text = _UNPRINTABLE.sub(" ", text)  # nor may a peer's text draw on an operator's terminal
    if "@" in text:
        text = _MAILBOX.sub(ADDRESS, text)
    if _SUSPECT.search(text):
        kept = _ORGANISATION.split(text)  # every second one is an organisation
        kept[::2] = (_BARE.sub(MATRICULE, _without_keyed(each)) for each in kept[::2])
        text = "".join(kept)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


_scrubbed_before = lru_cache(2_048)(_scrubbed)  # names, codes and addresses of peers come again and again


def _without_keyed(text: str) -> str:
    """Fifteen characters whose key is right go even in the middle of a word: chance alone seldom makes one."""
    kept, upto = [], 0
    for found in _KEYED.finditer(text):
        if found.start() >= upto and _is_matricule(found[1]):
            kept += [text[upto : found.start()], MATRICULE]
            upto = found.end(1)
    return "".join([*kept, text[upto:]])


def _is_matricule(candidate: str) -> bool:
    try:
        Matricule.parse(_BETWEEN.sub("", candidate))
    except MalformedMatricule:
        return False
    return True


def safe(value: Any, depth: int = 0) -> Any:
    """A value that JSON can hold and that names nobody; objects we do not know shrink to their type."""
    kind = type(value)
    if kind is str:  # nearly all values are text or small numbers
        return scrub(value)
    if (kind is int or kind is float) and -1e12 < value < 1e12:
        return value
    match value:
        case None | bool():
            return value
        case Enum():
            return safe(value.value, depth)
        case str():
            return scrub(value)
        case int() | float():
            return _large(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} octets>"
        case BaseException():
            return describe(value)
        case Mapping() if depth < DEEPEST:
            items = list(value.items())[:WIDEST]
            return {scrub(str(key)): safe(each, depth + 1) for key, each in items}
        case list() | tuple() | set() | frozenset() if depth < DEEPEST:
            return [safe(each, depth + 1) for each in list(value)[:WIDEST]]
        case _:
            return f"<{type(value).__name__}>"


def _large(number: float) -> Any:
    """Numbers wide enough to be a matricule, and those that JSON lacks."""
    text = scrub(str(number))
    return number if text == str(number) and math.isfinite(number) else text


def describe(error: BaseException) -> dict[str, Any]:
    """Class and ``file:line`` frames of an exception, and of what caused it; texts of our own errors only.

    A library's message may quote what it choked on: a name, an INS. Ours never do, by rule of core/errors.py.
    """
    return _described(error, seen=set())


def _described(error: BaseException, seen: set[int]) -> dict[str, Any]:
    seen.add(id(error))
    told: dict[str, Any] = {"class": type(error).__qualname__}
    if isinstance(error, GatewayError):
        told["message"] = scrub(str(error))
    if isinstance(error, OSError) and error.errno is not None:
        told["errno"] = error.errno  # its text would name a file
    told["frames"] = list(_frames(error.__traceback__))[-FRAMES:]
    if isinstance(error, BaseExceptionGroup):
        told["errors"] = [_described(each, seen) for each in error.exceptions[:10] if id(each) not in seen]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen and len(seen) < 20:
        told["cause"] = _described(cause, seen)
    return told


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    """Each frame without its local values."""
    while traceback is not None:
        yield f"{_short(traceback.tb_frame.f_code.co_filename)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next


def _short(filename: str) -> str:
    """A source file as its import path shows it: ``mssgw/flow/accept.py``, ``asyncio/tasks.py``."""
    roots = sorted((root for root in sys.path if root and filename.startswith(root + os.sep)), key=len)
    return filename[len(roots[-1]) + 1 :] if roots else os.path.basename(filename)
