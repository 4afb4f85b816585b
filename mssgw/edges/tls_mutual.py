"""TLS contexts between operators: both sides show a certificate; and what can be told of one that was refused.

OpenSSL checks chain, dates and purpose in the handshake; everything else is checked after it (core.trust.Check).
"""

import asyncio
import contextlib
import ctypes
import os
import ssl
from collections.abc import Callable, Collection, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from mssgw.edges.anchors import Anchors
from mssgw.edges.certificates import in_full
from mssgw.edges.tls import TlsMisconfigured, server_context, showing_client_context

_ANY_PURPOSE, _TRUSTED_AS_CLIENT = 7, 2  # X509_PURPOSE_ANY, X509_TRUST_SSL_CLIENT (openssl/x509v3.h, x509.h)
MOST_SESSIONS = 1_000  # of TLS 1.2, in one context: 13 MB
_HANDSHAKE, _CERTIFICATE = 22, 11  # RFC 8446 sections 5.1 and 4
Made = TypeVar("Made", bound=ssl.SSLContext)

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
    """Asks for a certificate. Connections are made in one context after the other, all alike.

    OpenSSL keeps each session of TLS 1.2, 13 kB, and Python cannot forbid it; they go away with their context only.
    """

    another: Callable[[], ssl.SSLContext]
    _round: ssl.SSLContext | None = None
    _most = 0

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **more: Any) -> ssl.SSLObject:
        if self._round is None or self._round.session_stats()["number"] >= self._most:
            self._turn()
        wrap = super().wrap_bio if self._round is None else self._round.wrap_bio
        connection, plain = wrap(incoming, outgoing, *args, **more), ALERTED.get()
        if isinstance(connection, PeerSession) and plain is not None:
            connection.alert = lambda: plain.write(outgoing.read())
        return connection

    def _turn(self) -> None:
        try:
            self._round, self._most = self.another(), MOST_SESSIONS
        except (TlsMisconfigured, OSError):  # no memory, no descriptor: with the one that we have, for a while
            self._most += MOST_SESSIONS


def peer_context(
    certificate: Path, key: Path | None = None, *, anchors: Anchors, purposes: Collection[str] = ("clientAuth",)
) -> PeerContext:
    """As tls.server_context, and asks for a client certificate below ``anchors``, and no others (TLS-4).

    Who shows none may come in, to be told in SMTP (CERT_OPTIONAL); any other flaw ends the handshake by an alert.
    With other ``purposes`` than clientAuth alone, OpenSSL takes any and the caller has to look at them.
    The files are not read again. Raises TlsMisconfigured, which names the file and what is wrong with it.
    """
    context = _made(PeerContext, certificate, key or certificate, anchors)
    return _in_rounds(context, (octets_of(certificate), octets_of(key or certificate)), anchors, purposes)


def peer_context_of(
    pem: tuple[bytes, bytes], *, anchors: Anchors, purposes: Collection[str] = ("clientAuth",)
) -> PeerContext:
    """The same of what the files of certificate and key held once. Raises TlsMisconfigured, OSError."""
    return _in_rounds(_made_of_octets(PeerContext, *pem, anchors), pem, anchors, purposes)


def _in_rounds(
    context: PeerContext, pem: tuple[bytes, bytes], anchors: Anchors, purposes: Collection[str]
) -> PeerContext:
    context.another = lambda: _made_of_octets(ssl.SSLContext, *pem, anchors)
    if set(purposes) != {"clientAuth"}:
        accept_any_purpose()
    return context


def mutual_client_context(*, anchors: Anchors, certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of a connection to another operator: it shows our certificate, and believes ``anchors`` alone.

    Only a self-signed certificate in there ends a chain, so that what it issued can be revoked. No session is ever
    resumed. Raises TlsMisconfigured.  req: TLS-2, TLS-4, TLS-5, TLS-6
    """
    context = showing_client_context(certificate, key)
    anchors.trusted_by(context)
    return context


def _made(kind: type[Made], certificate: Path, key: Path, anchors: Anchors) -> Made:
    context = server_context(certificate, key, kind=kind)
    assert isinstance(context, kind)
    context.sslobject_class = PeerSession
    context.verify_mode = ssl.CERT_OPTIONAL
    in_full(context)
    anchors.trusted_by(context)
    _listen_for_certificates(context)
    return context


def _made_of_octets(kind: type[Made], certificate: bytes, key: bytes, anchors: Anchors) -> Made:
    """Python loads a key from a file only: these have no name and no disk."""
    with _unnamed_file(certificate) as chain, _unnamed_file(key) as secret:
        return _made(kind, chain, secret, anchors)


@contextlib.contextmanager
def _unnamed_file(octets: bytes) -> Iterator[Path]:
    with open(os.memfd_create("pem"), "wb") as file:
        file.write(octets)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")


def octets_of(file: Path) -> bytes:
    """Raises TlsMisconfigured."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsMisconfigured(f"{file}: cannot be read: {error.strerror}") from None


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
