"""Base64 without any fault, decoded fast: most octets of a clinical letter are in it, often twice over.

``binascii`` decodes 300 MB a second. OpenSSL, which is loaded anyway, does six times as much, but takes ``=`` for a
zero wherever it stands: that is looked for before. Where it cannot be reached, ``binascii`` does it.
"""

import _hashlib
import binascii
import ctypes
from collections.abc import Callable
from io import BytesIO

_SPACES = b" \t\r\n"
_SMALL = 1_024  # octets below which crossing over costs more than it saves


class NotBase64(ValueError):
    """There is a fault in it."""


def strictly(octets: bytes, *, padded: bool = True) -> bytes:
    """What these octets stand for: letters of the alphabet in fours, the last four padded; white space anywhere.

    ``padded`` False: the padding may be left out. Raises NotBase64.
    """
    spaced = any(space in octets for space in (b"\n", b"\r", b" ", b"\t"))
    letters = octets.translate(None, _SPACES) if spaced else octets
    if not padded and not letters.endswith(b"="):
        letters += b"=" * (-len(letters) % 4)
    first = letters.find(b"=")
    padding = len(letters) - first if first >= 0 else 0
    if len(letters) % 4 or padding > 2 or (padding == 2 and letters[-1:] != b"="):
        raise NotBase64
    return (_decoded if len(letters) > _SMALL else _by_python)(letters, len(letters) // 4 * 3 - padding)


def _by_openssl() -> Callable[[bytes, int], bytes]:
    """Raises OSError or AttributeError when it is not there, or does something else."""
    decode = ctypes.CDLL(_hashlib.__file__).EVP_DecodeBlock
    decode.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
    decode.restype = ctypes.c_int

    def decoded(letters: bytes, length: int) -> bytes:
        whole = len(letters) // 4 * 3
        room = BytesIO()  # gives its octets away without a copy
        room.seek(whole - 1)
        room.write(b"\0")
        with room.getbuffer() as buffer:
            if decode(ctypes.addressof(ctypes.c_char.from_buffer(buffer)), letters, len(letters)) != whole:
                raise NotBase64
        room.truncate(length)
        return room.getvalue()

    if decoded(b"bXNzZ3c+/w==", 7) != b"mssgw>\xff":
        raise OSError
    return decoded


def _by_python(letters: bytes, _length: int) -> bytes:
    try:
        return binascii.a2b_base64(letters, strict_mode=True)
    except binascii.Error:
        raise NotBase64 from None


try:
    _decoded = _by_openssl()
except (OSError, AttributeError):
    _decoded = _by_python
