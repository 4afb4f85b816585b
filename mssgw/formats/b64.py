"""Base64: without any fault decoded fast, for most octets of a clinical letter are in it, often twice over; and with
faults, as programs read it that go on."""

import binascii
import contextlib
import re

import pybase64  # many times as fast as binascii, and passes over white space on the way

_SPACES = b" \t\r\n"
_MOST_RUNS = 10_000  # of base64, each ended by its padding
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_LETTERS = bytes(set(range(256)) - set(_ALPHABET + b"="))
_LONG_LINE = 8_192  # octets, for which nobody waits; RFC 2045 says 76


class NotBase64(ValueError):
    """There is a fault in it."""


def strictly(octets: bytes, *, padded: bool = True) -> bytes:
    """What these octets stand for: letters of the alphabet in fours, the last four padded; white space anywhere.

    ``padded`` False: the padding may be left out. Raises NotBase64.
    """
    try:
        return pybase64.b64decode(octets, validate=True, ignorechars=_SPACES)
    except binascii.Error:
        letters = b"" if padded else octets.translate(None, _SPACES)
        if not len(letters) % 4 or letters.endswith(b"="):
            raise NotBase64 from None
    return strictly(letters + b"=" * (-len(letters) % 4))


class Stream:
    """strictly() for what comes in pieces, cut anywhere; padding may be left out, and nothing comes behind it."""

    def __init__(self) -> None:
        self._waiting = b""
        self._ended = False

    def feed(self, octets: bytes) -> bytes:
        """What is certain of it so far: by whole lines, which most programs fill with fours. Raises NotBase64."""
        octets = self._waiting + octets
        end = octets.rfind(b"\n") + 1 or (len(octets) if len(octets) > _LONG_LINE else 0)
        lines, self._waiting = octets[:end], octets[end:]
        if self._ended:
            return self._nothing_in(lines)
        try:
            plain = pybase64.b64decode(lines, validate=True, ignorechars=_SPACES)
        except binascii.Error:
            letters = lines.translate(None, _SPACES)
            whole = len(letters) // 4 * 4
            lines, self._waiting = letters[:whole], letters[whole:] + self._waiting
            plain = strictly(lines)
        self._ended = lines.rstrip(_SPACES).endswith(b"=")
        return plain

    def end(self) -> bytes:
        """There is no more: the rest. Raises NotBase64."""
        rest, self._waiting = self._waiting, b""
        return self._nothing_in(rest) if self._ended else strictly(rest, padded=False)

    def _nothing_in(self, octets: bytes) -> bytes:
        if octets.strip(_SPACES):
            raise NotBase64
        return b""


def readings(octets: bytes) -> tuple[bytes, ...]:
    """One reading when it is without fault, but for the padding that some leave out.

    Else programs end at the first octet that does not belong, or pass over it; end at padding, go on after it, or
    pass over that too.
    """
    with contextlib.suppress(NotBase64):
        return (strictly(octets, padded=False),)
    compact = octets.translate(None, _SPACES)
    stray = re.search(rb"[^A-Za-z0-9+/]", compact)
    runs = [run for run in re.split(rb"=+", compact.translate(None, _NO_LETTERS), maxsplit=_MOST_RUNS) if run]
    if len(runs) > _MOST_RUNS:
        return ()
    pieces = [_lenient(run) for run in runs]
    cut, joined = compact[: stray.start() if stray else None], b"".join(runs)
    return tuple(dict.fromkeys((b"".join(pieces), *pieces, _lenient(cut), _lenient(joined), _as_python_does(octets))))


def _as_python_does(octets: bytes) -> bytes:
    """It passes over padding in the middle of four, and undoes nothing where there is a letter too many."""
    for padding in (b"", b"=="):
        with contextlib.suppress(binascii.Error):
            return binascii.a2b_base64(octets + padding)
    return octets.translate(None, b"\r\n")


def _lenient(letters: bytes) -> bytes:
    """Letters of base64 without padding; one too many is left out."""
    letters = letters[:-1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def is_all(octets: bytes) -> bool:
    """Whether there is nothing else, and so no document even as it stands: in UTF-7 one would begin with a plus."""
    return not octets.translate(None, _ALPHABET + b"=" + _SPACES) and not octets.lstrip().startswith(b"+")
