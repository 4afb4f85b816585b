"""X.509 certificates as core.trust knows them, and the chain that a handshake verified.

A session that was resumed verified nothing, and OpenSSL keeps no verified chain with it; yet whoever was revoked since
must not come back on it (threats finding 5). ``in_full`` makes a server issue no tickets. That leaves the session ids
of TLS 1.2, which OpenSSL keeps in its context and Python cannot turn off: for them the chain of the full handshake is
remembered with the same context, and a resumed session is judged by it as if the handshake had been made again.
asyncio's clients offer no session, so there is nothing to resume on the way out.
"""

import ssl
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from mssgw.core.errors import GatewayError
from mssgw.core.names import Name
from mssgw.core.trust import Certificate, Chain

_PURPOSES = {Usage.SERVER_AUTH: "serverAuth", Usage.CLIENT_AUTH: "clientAuth"}
#: Octets of a certificate; those of operators have some 2,000. Names make one large, and each is read and kept.
LARGEST = 16_384
_REMEMBERED = 2_000  # chains for each context; no context is used for that many sessions of TLS 1.2 (vigil)
_DER = 2  # _ssl.ENCODING_DER
_NEVER = datetime(1, 1, 1, tzinfo=UTC)

# By context, since OpenSSL resumes a session only in the context that made it; it goes away with the context.
_verified: WeakKeyDictionary[ssl.SSLContext, OrderedDict[bytes, Chain]] = WeakKeyDictionary()


class UnreadableCertificates(GatewayError):
    """There is no certificate in it that can be read."""


def in_full(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have each connection to this server context shake hands in full, as far as OpenSSL lets us; returns it.

    Tickets (TLS 1.3, and 1.2) would outlive the process in the hands of peers, and say nothing of their chain.
    """
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def chain_of(connection: ssl.SSLObject | ssl.SSLSocket) -> Chain:
    """The chain that the handshake verified, leaf first, the anchor last. Empty: the peer presented no certificate.

    Of a resumed session: the chain of the full handshake. When that is not known, the leaf alone: no revocation can be
    told of it, so that it is not admitted (451). Never raises; what cannot be read has a ``flaw`` and no subject.
    """  # req: TLS-5
    leaf = connection.getpeercert(binary_form=True)
    if not leaf:
        return ()
    known = _verified.setdefault(connection.context, OrderedDict())
    if not connection.session_reused:
        if ders := verified_ders(connection):
            chain = known[leaf] = tuple(certificate(der) for der in ders)
            known.move_to_end(leaf)
            if len(known) > _REMEMBERED:
                known.popitem(last=False)
            return chain
    elif leaf in known:
        return known[leaf]
    return (certificate(leaf),)


def verified_ders(connection: Any) -> list[bytes]:
    """The certificates of the chain that this handshake verified, in DER."""
    if hasattr(connection, "get_verified_chain"):  # Python 3.13
        return list(connection.get_verified_chain())
    return [each.public_bytes(_DER) for each in connection._sslobj.get_verified_chain() or ()]


def presented_ders(connection: Any) -> list[bytes]:
    """What the server showed, in DER, be it true or not: to look at, never to go by."""
    if hasattr(connection, "get_unverified_chain"):  # Python 3.13
        return list(connection.get_unverified_chain())
    return [each.public_bytes(_DER) for each in connection._sslobj.get_unverified_chain() or ()]


def certificate(der: bytes) -> Certificate:
    """What we go by of it. Never raises: what cannot be read has a ``flaw`` and no subject, and is not admitted.

    It is kept, up to ``LARGEST``: for what a handshake verified, not for what anybody may show (edges.evidence).
    """
    if len(der) > LARGEST:
        return _unreadable(sha256(der).hexdigest(), f"the certificate has more than {LARGEST} octets")
    return _kept(der)


@lru_cache(1024)  # a peer shows the same one at each connection
def _kept(der: bytes) -> Certificate:
    fingerprint = sha256(der).hexdigest()
    try:
        return _read(x509.load_der_x509_certificate(der), fingerprint)
    except Exception:  # cryptography reads parts late, and raises many kinds; OpenSSL may have let them pass
        return _unreadable(fingerprint, "the certificate cannot be read")


def _unreadable(fingerprint: str, flaw: str) -> Certificate:
    return Certificate(
        subject=None,
        issuer=b"",
        serial=0,
        not_before=_NEVER,
        not_after=_NEVER,
        fingerprint=fingerprint,
        flaw=flaw,
    )


def certificates(pem: bytes) -> Chain:
    """The certificates of a PEM file, in its order. Raises UnreadableCertificates."""
    return tuple(certificate(each.public_bytes(Encoding.DER)) for each in loaded(pem))


def loaded(pem: bytes) -> list[x509.Certificate]:
    """The same for who needs their keys. Raises UnreadableCertificates."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise UnreadableCertificates("no PEM certificate in it, or one that cannot be read") from None


def signed_by(one: x509.Certificate, signer: x509.Certificate) -> bool:
    """Whether ``signer`` is named as its issuer, and its key made the signature."""
    try:
        one.verify_directly_issued_by(signer)
    except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm):
        return False
    return True


def name_of(name: x509.Name) -> Name:
    """Raises MalformedName, and ValueError for a value that is no text."""
    return Name.of(_pairs(name))


def _pairs(name: x509.Name) -> Iterable[tuple[str, str]]:
    """In the order of the white list: a certificate begins with the country."""
    for attribute in reversed(list(name)):
        if not isinstance(attribute.value, str):
            raise ValueError("a value that is no text")
        yield attribute.oid.dotted_string, attribute.value


def _read(read: x509.Certificate, fingerprint: str) -> Certificate:
    subject, flaw = None, ""
    try:
        subject = name_of(read.subject)
    except GatewayError as error:
        flaw = str(error)
    except ValueError:
        flaw = "a value that cannot be read as text"
    extensions = {type(each.value): each.value for each in read.extensions}
    return Certificate(
        subject=subject,
        flaw=flaw,
        issuer=read.issuer.public_bytes(),
        serial=read.serial_number,
        not_before=read.not_valid_before_utc,
        not_after=read.not_valid_after_utc,
        fingerprint=fingerprint,
        hosts=_hosts(extensions.get(x509.SubjectAlternativeName)),
        purposes=_purposes(extensions.get(x509.ExtendedKeyUsage)),
        as_issuer=as_issuer(read),
    )


def as_issuer(read: x509.Certificate) -> str:
    """Who it is where it signs: see core.trust.Certificate. Raises for a key of an unknown kind."""
    key = read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(read.subject.public_bytes() + key).hexdigest()


def _purposes(usages: x509.ExtendedKeyUsage | None) -> frozenset[str]:
    """Empty only for a certificate that is not limited; one that is limited to nothing is for "nothing"."""
    if usages is None:
        return frozenset()
    return frozenset(_PURPOSES.get(each, each.dotted_string) for each in usages) or frozenset({"nothing"})


def _hosts(names: x509.SubjectAlternativeName | None) -> tuple[str, ...]:
    if names is None:
        return ()
    addresses = (str(each) for each in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)
