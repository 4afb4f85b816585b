"""Base64 without any fault, decoded fast: most octets of a clinical letter are in it, often twice over.

``binascii`` decodes 300 MB a second. OpenSSL, which is loaded anyway, does six times as much, but takes ``=`` for a
zero wherever it stands: it only gets what was seen to be faultless. Where it cannot be reached, ``binascii`` does it.
"""

import _hashlib
import binascii
import ctypes
from collections.abc import Callable

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SPACES = b" \t\r\n"
_SMALL = 1_024  # octets below which crossing over costs more than it saves


class NotBase64(ValueError):
    """There is a fault in it."""


def strictly(octets: bytes, *, padded: bool = True) -> bytes:
    """What these octets stand for: letters of the alphabet in fours, the last four padded; white space anywhere.

    ``padded`` False: the padding may be left out. Raises NotBase64.
    """
    others = octets.translate(None, _ALPHABET)
    padding = others.translate(None, _SPACES) if others else b""
    letters = octets if len(padding) == len(others) else octets.translate(None, _SPACES)
    if not padded and not padding:
        padding = b"=" * (-len(letters) % 4)
        letters += padding
    if len(letters) % 4 or padding not in (b"", b"=", b"==") or not letters.endswith(padding):
        raise NotBase64
    if len(letters) < _SMALL:
        return binascii.a2b_base64(letters)
    return _decoded(letters, len(letters) // 4 * 3 - len(padding))


def _by_openssl() -> Callable[[bytes, int], bytes]:
    """Raises OSError or AttributeError when it is not there, or does something else."""
    decode = ctypes.CDLL(_hashlib.__file__).EVP_DecodeBlock
    decode.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
    decode.restype = ctypes.c_int

    def decoded(letters: bytes, length: int) -> bytes:
        room = ctypes.create_string_buffer(len(letters) // 4 * 3)
        if decode(room, letters, len(letters)) != len(room):
            raise NotBase64
        return memoryview(room)[:length].tobytes()

    if decoded(b"bXNzZ3c+/w==", 7) != b"mssgw>\xff":
        raise OSError
    return decoded


def _by_python(letters: bytes, _length: int) -> bytes:
    return binascii.a2b_base64(letters)


try:
    _decoded = _by_openssl()
except (OSError, AttributeError):
    _decoded = _by_python
