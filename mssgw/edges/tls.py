"""TLS contexts of our listeners and of our connections to next hops (TLS-2: 1.2 or later, ECDHE with AEAD only)."""

import ssl
from asyncio import sslproto
from pathlib import Path

from mssgw.core.errors import GatewayError

# asyncio gives each TLS connection a read buffer of this size before its first byte, 256 KiB as a rule: a thousand
# clients that say nothing would hold 256 MB. With 64 KiB, receiving 9 MB over TLS takes a tenth more CPU time.
TLS_BUFFER = 65_536
sslproto.SSLProtocol.max_size = TLS_BUFFER

# SSL_OP_NO_RX_CERTIFICATE_COMPRESSION of OpenSSL 3.2 (RFC 8879): a stranger's certificate is not unpacked, and can be
# told when it is refused (tls_mutual). Python has no name for it.
_PLAIN_CERTIFICATES = 1 << 33
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # TLS 1.2; those of 1.3 are all of this kind.  req: TLS-2


class TlsMisconfigured(GatewayError):
    """A certificate, key or CA file cannot be used."""


class KeyMisconfigured(TlsMisconfigured):
    """It is the file of the private key, whatever the certificate is."""


def server_context(
    certificate: Path, key: Path | None = None, *, kind: type[ssl.SSLContext] = ssl.SSLContext
) -> ssl.SSLContext:
    """The context of a listener: ``certificate`` is a PEM chain, leaf first; ``key`` None: it is in the same file.

    No client certificate is asked for. Raises TlsMisconfigured, which names the file and what is wrong with it.
    """
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    _load_pair(context, certificate, key or certificate)
    return context


def client_context(*, ca_file: Path | None = None, public: bool = True) -> ssl.SSLContext:
    """The context of a connection to a next hop: certificate and host name are verified.

    ``ca_file``: PEM with more trust anchors beside the system's (IGC-Santé: TLS-4); without ``public``, in their place.
    Raises TlsMisconfigured.

    The same on each Python: not ssl.create_default_context(), which from 3.13 on refuses what lacks a key identifier
    (mail servers below authorities made at home often do: their mail would stop with an upgrade of the system), and
    takes an intermediate authority for a root.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
    if public:
        context.load_default_certs()
    _harden(context)
    if ca_file is not None:
        _load_anchors(context, ca_file)
    return context


def showing_client_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of a connection that shows our certificate; it believes nobody yet (tls_mutual).

    Raises TlsMisconfigured.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
    _harden(context)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    _load_pair(context, certificate, key)
    return context


def _load_anchors(context: ssl.SSLContext, anchors: Path) -> None:
    try:
        context.load_verify_locations(cafile=anchors)
    except OSError as error:  # SSLError is one
        reason = "no PEM certificate in it" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise TlsMisconfigured(f"{anchors}: {reason}") from None


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """``certificate``: PEM, leaf first. Raises TlsMisconfigured, which names the file and what is wrong with it."""
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        if unreadable := _unreadable(certificate, key):
            raise TlsMisconfigured(unreadable) from None
        raise _what_is_wrong(error, certificate, key) from None


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    if ssl.OPENSSL_VERSION_INFO >= (3, 2):
        context.options |= _PLAIN_CERTIFICATES


def _no_passphrase() -> str:
    raise ValueError("passphrase")  # else OpenSSL would ask on the terminal and the daemon would hang


def _unreadable(*files: Path) -> str:
    """Which of the files cannot be read at all, and why in words of the system; "" when each can."""
    for each in files:
        try:
            with each.open("rb") as file:
                file.read(1)  # a broken disk says so only now
        except FileNotFoundError:
            return f"{each}: no such file"
        except PermissionError:
            return f"{each}: not readable by this user"
        except OSError as error:
            return f"{each}: cannot be read: {error.strerror}"
    return ""


def _what_is_wrong(error: Exception, certificate: Path, key: Path) -> TlsMisconfigured:
    reason = getattr(error, "reason", None) or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return TlsMisconfigured(f"{key}: is not the private key of {certificate}")
    if reason == "passphrase":
        told = "is protected by a passphrase; give the daemon a plain key as a credential"
        return KeyMisconfigured(f"{key}: {told}")
    if not _has(certificate, b"-----BEGIN CERTIFICATE"):
        return TlsMisconfigured(f"{certificate}: no PEM certificate in it")
    if not _has(key, b"PRIVATE KEY-----"):
        return KeyMisconfigured(f"{key}: no PEM private key in it")
    return TlsMisconfigured(f"{certificate} or {key}: not a usable PEM certificate and key ({reason})")


def _has(file: Path, mark: bytes) -> bool:
    try:
        return mark in file.read_bytes()
    except OSError:  # it has just been there
        return True
