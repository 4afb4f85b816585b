"""The context of a listener that asks its peers for a certificate, and what it can tell of one that it refused.

OpenSSL checks chain, dates and purpose in the handshake; everything else is checked after it (core.trust.Check).
"""

import asyncio
import contextlib
import ctypes
import ssl
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mssgw.edges.certificates import in_full
from mssgw.edges.tls import TlsMisconfigured, server_context

_ANY_PURPOSE, _TRUSTED_AS_CLIENT = 7, 2  # X509_PURPOSE_ANY, X509_TRUST_SSL_CLIENT (openssl/x509v3.h, x509.h)
_HANDSHAKE, _CERTIFICATE = 22, 11  # RFC 8446 sections 5.1 and 4

#: Under which the handshake that begins now takes place. asyncio closes it when the handshake fails and leaves the
#: alert unsent, so that a peer never learns what was wrong with its certificate: we write it.
ALERTED: ContextVar[asyncio.WriteTransport | None] = ContextVar("ALERTED", default=None)


class PeerSession(ssl.SSLObject):
    """A TLS connection that says why it failed: to its peer by an alert, to us by what the peer had presented."""

    presented: bytes = b""  # DER of the leaf
    alert: Callable[[], None] = staticmethod(lambda: None)

    def do_handshake(self) -> None:
        """Raises ssl.SSLError; with ``presented``, when it is about a certificate."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
            raise  # it goes on
        except ssl.SSLError as error:
            error.presented = self.presented  # type: ignore[attr-defined]
            self.alert()
            self.__dict__.pop("alert", None)
            raise
        self.presented = b""  # what was verified can be asked for
        self.__dict__.pop("alert", None)  # it holds the transport that holds us


class PeerContext(ssl.SSLContext):
    """Asks for a certificate."""

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **more: Any) -> ssl.SSLObject:
        connection = super().wrap_bio(incoming, outgoing, *args, **more)
        plain = ALERTED.get()
        if isinstance(connection, PeerSession) and plain is not None:
            connection.alert = lambda: plain.write(outgoing.read())
        return connection


def peer_context(
    certificate: Path, key: Path | None = None, *, anchors: Path, purposes: Collection[str] = ("clientAuth",)
) -> PeerContext:
    """As tls.server_context, and asks for a client certificate below ``anchors``, a PEM file, and no others (TLS-4).

    Who shows none may come in, to be told in SMTP (CERT_OPTIONAL); any other flaw ends the handshake by an alert.
    With other ``purposes`` than clientAuth alone, OpenSSL takes any and the caller has to look at them.
    Raises TlsMisconfigured, which names the file and what is wrong with it.
    """
    context = server_context(certificate, key, kind=PeerContext)
    assert isinstance(context, PeerContext)
    context.sslobject_class = PeerSession
    context.verify_mode = ssl.CERT_OPTIONAL
    in_full(context)
    _anchor(context, anchors)
    _listen_for_certificates(context)
    if set(purposes) != {"clientAuth"}:
        accept_any_purpose()
    return context


def _anchor(context: ssl.SSLContext, anchors: Path) -> None:
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in authorities(anchors))
    context.load_verify_locations(cadata=pem.decode("ascii"))


def authorities(anchors: Path) -> Sequence[x509.Certificate]:
    """The certificates of a PEM file of authorities. Raises TlsMisconfigured: it holds none, or another one."""
    try:
        found = x509.load_pem_x509_certificates(anchors.read_bytes())
    except OSError as error:
        raise TlsMisconfigured(f"{anchors}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise TlsMisconfigured(f"{anchors}: no usable PEM certificate in it") from None
    for each in found:
        if not _is_authority(each):
            raise TlsMisconfigured(
                f"{anchors}: holds a certificate of no authority (CA): serial {each.serial_number:x}"
            )
    if not any(each.subject == each.issuer for each in found):
        raise TlsMisconfigured(f"{anchors}: holds no root, only authorities below one")
    return found


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _listen_for_certificates(context: ssl.SSLContext) -> None:
    """Hear what a peer presents: OpenSSL forgets it when it refuses it, and then nobody could tell whose it was.

    The property of ssl.py would make three enumeration members for each record, so its C part is set.
    """

    def heard(peer: Any, direction: str, version: int, kind: int, message: int, data: bytes) -> None:
        if kind == _HANDSHAKE and message == _CERTIFICATE and direction == "read" and isinstance(peer, PeerSession):
            peer.presented = _first_certificate(data, with_context=version > ssl.TLSVersion.TLSv1_2)

    with contextlib.suppress(AttributeError):  # no documented part of Python: without it the log says less
        super(ssl.SSLContext, ssl.SSLContext)._msg_callback.__set__(context, heard)  # type: ignore[misc]


def _first_certificate(message: bytes, *, with_context: bool) -> bytes:
    """The leaf of a Certificate message (RFC 5246 section 7.4.2, RFC 8446 section 4.4.2); b"" when there is none."""
    at = 4 + (1 + message[4] if with_context and len(message) > 4 else 0) + 3
    length = int.from_bytes(message[at : at + 3], "big")
    leaf = message[at + 3 : at + 3 + length]
    return leaf if len(leaf) == length else b""


@cache  # to put the entry there anew frees the one that a handshake in another thread may be reading
def accept_any_purpose() -> None:
    """Have OpenSSL take client certificates of any extended key usage, in this process, from now on.

    For before the first connection: OpenSSL reads that table without a lock.

    Python's ssl has no setting for it. OpenSSL has: what its servers check of clients is the entry "ssl_client" of a
    table that programs may add to (X509_VERIFY_PARAM_add0_table(3)). Chain, dates and signatures are checked as ever,
    and so is what servers show to us. Raises TlsMisconfigured where Python's OpenSSL cannot be reached.
    """
    try:
        openssl = ctypes.CDLL(ssl._ssl.__file__)  # type: ignore[attr-defined]
        openssl.X509_VERIFY_PARAM_new.restype = ctypes.c_void_p
        entry = ctypes.c_void_p(openssl.X509_VERIFY_PARAM_new())
        done = (
            openssl.X509_VERIFY_PARAM_set1_name(entry, b"ssl_client")
            and openssl.X509_VERIFY_PARAM_set_purpose(entry, ctypes.c_int(_ANY_PURPOSE))
            and openssl.X509_VERIFY_PARAM_set_trust(entry, ctypes.c_int(_TRUSTED_AS_CLIENT))
            and openssl.X509_VERIFY_PARAM_add0_table(entry)
        )
    except (AttributeError, OSError):
        done = 0
    if not done:
        raise TlsMisconfigured('[trust] purposes: this Python cannot take others than "clientAuth", Debian\'s can')
