"""The keys, and all cryptography at rest.

master key (file or systemd credential)
  wraps one data key a message (AES-SIV, bound to the spool id): erase the wrapped key and the letter is gone for good
  wraps the store secret, from which come keyed hashes (look-up without plaintext) and the sealing of small values
"""

import base64
import binascii
import itertools
import os
import stat
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mssgw.core.errors import Undecryptable

KEY_SIZE = 32
DIGEST_SIZE = 16  # 128 bits of HMAC-SHA256: too many to collide by chance, half the index
SEGMENT_OVERHEAD = 16  # the tag of AES-GCM
_NONCE = 12
_CACHED = 8_192  # addresses recur; each entry saves an HMAC or an AES-SIV


def _nonces_of_this_process() -> "itertools.count[int]":
    """Above every index of a segment. Counted, not drawn each time: urandom lets go of the interpreter lock."""
    return itertools.count(1 << 90 | int.from_bytes(os.urandom(_NONCE - 1)) << 1)


_nonces = _nonces_of_this_process()


def _begin_elsewhere() -> None:
    """A fork must not count on from where its parent stood: both could seal with one message's key."""
    global _nonces
    _nonces = _nonces_of_this_process()


os.register_at_fork(after_in_child=_begin_elsewhere)


class UnusableKey(Exception):
    """The master key file cannot be used; the text tells the administrator why, never the key."""


def read_master_key(path: Path) -> bytes:
    """The 32 bytes in a file: raw, or as hex or base64 text. Raises UnusableKey.

    A file that everybody may read is refused: whoever reads it reads every letter in the spool.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4_096)
    except FileNotFoundError as error:  # chained: only who knows whether there is a store can say what to do
        raise UnusableKey(f"{path}: no master key there") from error
    except OSError as error:  # chained: who is not allowed to is told what to do about that
        raise UnusableKey(f"{path}: {error.strerror}") from error
    if mode & stat.S_IRWXO:
        raise UnusableKey(f"{path}: everybody may read or change it; chmod 0400 it")
    key = content if len(content) == KEY_SIZE else _from_text(content.strip())
    if len(key) != KEY_SIZE:
        raise UnusableKey(f"{path}: expected {KEY_SIZE} bytes, raw or as hex or base64 text")
    return key


def _from_text(text: bytes) -> bytes:
    try:
        if len(text) == 2 * KEY_SIZE:
            return bytes.fromhex(text.decode("ascii"))
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


class MessageCipher:
    """AES-256-GCM under the data key of one message. Everything is bound to the spool id and to its place."""

    def __init__(self, key: bytes, spool_id: str) -> None:
        self._gcm = AESGCM(key)
        self._id = spool_id.encode()

    def seal(self, part: bytes, plain: bytes) -> bytes:
        """Encrypt a value of the row.

        No nonce comes twice: an accept that is decided again seals a part again.
        """
        nonce = next(_nonces).to_bytes(_NONCE)
        return nonce + self._gcm.encrypt(nonce, plain, part + b"\0" + self._id)

    def unseal(self, part: bytes, sealed: bytes) -> bytes:
        """The value. Raises Undecryptable."""
        try:
            return self._gcm.decrypt(sealed[:_NONCE], sealed[_NONCE:], part + b"\0" + self._id)
        except (InvalidTag, ValueError):
            raise Undecryptable("a stored value of the message does not decrypt") from None

    def seal_segment(self, index: int, last: bool, plain: bytes | bytearray) -> bytes:
        """Encrypt one segment of the body. The nonce is the index: a segment is written once under its key."""
        return self._gcm.encrypt(index.to_bytes(_NONCE), plain, self._place(index, last))

    def unseal_segment(self, index: int, last: bool, sealed: bytes) -> bytes:
        """The segment. Raises Undecryptable: changed, moved, or cut off (the last one says that it is the last)."""
        try:
            return self._gcm.decrypt(index.to_bytes(_NONCE), sealed, self._place(index, last))
        except (InvalidTag, ValueError):
            raise Undecryptable("a spool file does not decrypt: it was changed") from None

    def _place(self, index: int, last: bool) -> bytes:
        return b"segment\0%d\0%d\0" % (index, last) + self._id


class Vault:
    """Holds the master key. ``open_secret`` or ``new_secret`` comes before digest and seal."""

    #: digest(kind, text): keyed hash for look-ups; ``kind`` keeps hashes of different things apart.
    digest: Callable[[str, str], bytes]
    #: seal_recurring(kind, text): as ``seal``, remembered for values that come again and again, such as addresses.
    seal_recurring: Callable[[str, str], bytes]

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_SIZE:
            raise ValueError(f"a master key has {KEY_SIZE} bytes")
        # AES-SIV (RFC 5297), not AES-GCM: one key wraps for years, and past 2**32 random nonces, seven weeks of a busy
        # relay, GCM is no longer safe. SIV needs no nonce, and that equal inputs give equal outputs tells nothing
        # about random keys.
        self._wrapping = AESSIV(_derive(master_key, b"mssgw wrap", 64))
        #: Names the master key without telling anything about it: stored beside what it wraps.
        self.key_id = _derive(master_key, b"mssgw key id", 8)
        self._secret = b""

    def __repr__(self) -> str:
        return "<Vault>"

    def new_secret(self) -> bytes:
        """Make the secret of a new store and return it wrapped."""
        self._use(os.urandom(KEY_SIZE))
        return self.wrapped_secret()

    def open_secret(self, wrapped: bytes) -> None:
        """Take the secret of an existing store. Raises Undecryptable when this is not its master key."""
        try:
            self._use(self._wrapping.decrypt(wrapped, [b"store secret"]))
        except (InvalidTag, ValueError):
            raise Undecryptable(
                "the master key is not the one that this store is sealed with: after `mssgw key rotate` the new file "
                "belongs here, else give back the earlier one"
            ) from None

    def wrapped_secret(self) -> bytes:
        """The store secret under this master key."""
        return self._wrapping.encrypt(self._secret, [b"store secret"])

    def rekeyed(self, new_master_key: bytes) -> "Vault":
        """A vault of the same store under another master key."""
        vault = Vault(new_master_key)
        vault._use(self._secret)
        return vault

    def wrap(self, data_key: bytes, spool_id: str) -> bytes:
        """The data key of a message as it is stored."""
        return self._wrapping.encrypt(data_key, [b"data key", spool_id.encode()])

    def unwrap(self, wrapped: bytes, spool_id: str) -> bytes:
        """The data key. Raises Undecryptable: another master key, another message, or changed bytes."""
        try:
            return self._wrapping.decrypt(wrapped, [b"data key", spool_id.encode()])
        except (InvalidTag, ValueError):
            raise Undecryptable("the data key of the message does not unwrap") from None

    def seal(self, kind: str, text: str) -> bytes:
        """A small value encrypted under the store secret; ``kind`` keeps values of different things apart."""
        return self._sealing.encrypt(text.encode(errors="surrogatepass"), [kind.encode()])

    def unseal(self, kind: str, sealed: bytes) -> str:
        """The text that ``seal`` took. Raises Undecryptable."""
        try:
            return self._sealing.decrypt(sealed, [kind.encode()]).decode(errors="surrogatepass")
        except (InvalidTag, ValueError):
            raise Undecryptable(f"a stored {kind} does not decrypt") from None

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        hashing = _derive(secret, b"mssgw digest", 32).ljust(sha256().block_size, b"\0")
        self._inner, self._outer = (sha256(bytes(octet ^ pad for octet in hashing)) for pad in (0x36, 0x5C))
        # Deterministic too: addresses are looked up by keyed hash anyway, so equality is no further secret.
        self._sealing = AESSIV(_derive(secret, b"mssgw seal", 64))
        self.digest = lru_cache(_CACHED)(self._digest)
        self.seal_recurring = lru_cache(_CACHED)(self.seal)

    def _digest(self, kind: str, text: str) -> bytes:
        """HMAC-SHA256 (RFC 2104) with its pads hashed once: ``hmac`` lets go of the interpreter lock every time."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{kind}\0{text}".encode(errors="surrogatepass"))
        outer.update(inner.digest())
        return outer.digest()[:DIGEST_SIZE]


def _derive(secret: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA512(), length, salt=None, info=purpose).derive(secret)
