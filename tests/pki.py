"""Certificates of the tests: an authority made on the spot, and what it signs. Keys are P-256: made in no time."""

import datetime
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# The hierarchy of the trust space is the demo's.
from demo.pki import (
    BOTH,
    Identity,
    Issuer,
    Pairs,
    TrustSpace,
    dn_name,
    dn_text,
    host_name,
    operator_dn,
    pem_of,
    self_signed,
)

__all__ = [
    "BOTH",
    "Authority",
    "Identity",
    "Issuer",
    "Pairs",
    "TrustSpace",
    "dn_name",
    "dn_text",
    "operator_dn",
    "pem_of",
    "self_signed",
    "server_context",
]

_DAY = datetime.timedelta(days=1)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(slots=True)
class Authority:
    """A certificate authority that lives as long as the test."""

    common_name: str = "Autorite de test"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        builder = self._builder(_name(self.common_name), self.key.public_key(), days=30)
        ca = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(ca, critical=True).add_extension(usage, critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int, begins: int = -2
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name(self.common_name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * _DAY)
            .not_valid_after(now + days * _DAY)
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, folder: Path, *names: str, days: int = 10, begins: int = -2) -> Path:
        """Write key and certificate for these host names and IP addresses; the path of the one PEM file.

        ``days`` until it expires; -1 makes an expired one. ``begins``: days until it is valid.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(names[0]), key.public_key(), days=days, begins=begins)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName([host_name(one) for one in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        path = folder / f"{names[0]}-{certificate.serial_number:x}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path

    def trusting_context(self) -> ssl.SSLContext:
        """A client context that trusts this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pem)
        return context


def server_context(pem: Path) -> ssl.SSLContext:
    """A server context with the key and certificate of that file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
