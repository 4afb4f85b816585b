"""Quoted-printable as its readers undo it, who differ where it is written wrongly (RFC 2045 section 6.7)."""

import binascii
import re

WHITE_AFTER_SOFT_BREAK = re.compile(rb"=[ \t]++\r\n")
_SOFT_BREAK = re.compile(rb"=[ \t]*+\r\n")
_CLOSE = re.compile(rb"=[^\r\n]?=")  # the first of them encodes nothing
_STRAY = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+\r\n)")
_PIECE = 65_536  # octets: to replace in more at once takes up to 90 times the memory of these
_THREE = re.compile(rb"(=(?:[0-9A-Fa-f]{2}|\r\n))|=..", re.S)
_THREES = re.compile(rb"(?:[^=]*+=..){1,10000}", re.S)


def readings(octets: bytes) -> tuple[bytes, ...]:
    """What programs read, the usual one first.

    White space after the ``=`` that ends a line does not count, but for some programs it does. Of an ``=`` that encodes
    nothing, with another one near, Python passes over ``==``; PHP and JavaMail take the first for itself, and
    Thunderbird all three octets. JavaScript's readers join lines first, so that an encoded octet may be cut by a soft
    break.
    """
    plain = binascii.a2b_qp(octets)
    forms = [_replaced(WHITE_AFTER_SOFT_BREAK, b"=\r\n", octets)]
    if is_doubtful(octets, plain):
        forms += [*map(_as_itself, dict.fromkeys((forms[0], octets))), _in_threes(octets)]
        forms.append(_as_itself(_replaced(_SOFT_BREAK, b"", octets)))
    return tuple(dict.fromkeys((*map(binascii.a2b_qp, forms), plain)))


def is_doubtful(encoded: bytes, plain: bytes) -> bool:
    """Whether an ``=`` that encodes nothing has another one so near that programs differ in which of them they heed.

    ``plain``: what a2b_qp makes of it, which is shorter than this where each encodes something: seldom has one to look.
    """
    whole = len(encoded) - 2 * encoded.count(b"=") - encoded.count(b"=\r\n")
    return len(plain) != whole and _CLOSE.search(encoded) is not None


def _as_itself(octets: bytes) -> bytes:
    return _replaced(_STRAY, b"=3D", octets)


def _replaced(sign: re.Pattern[bytes], by: bytes, octets: bytes) -> bytes:
    pieces, at = [], 0
    while at < len(octets):
        end = octets.find(b"=", at + _PIECE)  # before one, nothing is cut in two
        end = end if end >= 0 else len(octets)
        pieces.append(sign.sub(by, octets[at:end]))
        at = end
    return b"".join(pieces)


def _in_threes(octets: bytes) -> bytes:
    pieces, at = [], 0
    while found := _THREES.match(octets, at):
        pieces.append(_THREE.sub(_as_three, found[0]))
        at = found.end()
    return b"".join([*pieces, octets[at:]])


def _as_three(found: re.Match[bytes]) -> bytes:
    return found[1] or found[0].replace(b"=", b"=3D")
