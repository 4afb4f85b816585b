"""A trust space made on the spot: root, intermediate and operators as IGC-Sante has them (TLS-4), and what they sign.

For demo and tests. Keys are P-256: made in no time. What no authority should sign can be had as well.
"""

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)

Pairs = tuple[tuple[str, str], ...]

_OIDS = {
    "CN": NameOID.COMMON_NAME,
    "SN": NameOID.SURNAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
}
_PURPOSES = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
}
BOTH = ("serverAuth", "clientAuth")


def operator_dn(host: str, *, organisation: str = "GIP EXEMPLE", unit: str = "318310021300028") -> Pairs:
    """The DN of an operator as pairs, in the order in which the white list writes them."""
    return (("CN", host), ("OU", unit), ("O", organisation), ("ST", "Haute-Garonne (31)"), ("C", "FR"))


def dn_text(pairs: Pairs) -> str:
    """The DN as the real white list writes it; give it values without comma and quote."""
    return ",".join(f"{key}={value}" for key, value in pairs)


def dn_name(pairs: Pairs) -> x509.Name:
    """The same DN for a certificate: most general attribute first. Takes what no authority should sign, NUL and all."""
    return x509.Name([x509.NameAttribute(_OIDS[key], value, _validate=False) for key, value in reversed(pairs)])


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and the intermediates that a peer is shown with it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def serial(self) -> int:
        return self.certificate.serial_number

    def write(self, folder: Path, name: str = "") -> Path:
        """One PEM file: key, certificate, intermediates."""
        path = folder / f"{name or format(self.serial, 'x')}.pem"
        path.write_bytes(self.key_pem + self.chain_pem)
        return path

    def write_apart(self, folder: Path, name: str = "operator") -> tuple[Path, Path]:
        """Two PEM files: (certificate and intermediates, key)."""
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(self.chain_pem)
        key.write_bytes(self.key_pem)
        return chain, key

    @property
    def chain_pem(self) -> bytes:
        return pem_of(self.certificate, *self.intermediates)

    @property
    def key_pem(self) -> bytes:
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)


def pem_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


@dataclass(slots=True)
class Issuer:
    """An authority of the trust space: signs certificates and revocation lists. Without ``parent`` it is a root."""

    pairs: Pairs
    parent: "Issuer | None" = None
    not_after: datetime.datetime | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)
    certificate: x509.Certificate = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        until = self.not_after or _now() + 365 * _DAY
        builder = _certificate(self.pairs, self.key.public_key(), self.parent or self, _now() - 300 * _DAY, until)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        self.certificate = builder.sign((self.parent or self).key, hashes.SHA256())

    @property
    def serial(self) -> int:
        return self.certificate.serial_number

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def issue(
        self,
        pairs: Pairs,
        *hosts: str,
        purposes: tuple[str, ...] | None = BOTH,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        serial: int | None = None,
    ) -> Identity:
        """An end certificate. ``hosts``: its SAN, none by default; ``purposes`` None: no extended key usage at all."""
        key = ec.generate_private_key(ec.SECP256R1())
        begin, until = not_before or _now() - 2 * _DAY, not_after or _now() + 30 * _DAY
        builder = _certificate(pairs, key.public_key(), self, begin, until, serial)
        certificate = _end(builder, hosts, purposes).sign(self.key, hashes.SHA256())
        return Identity(key, certificate, () if self.parent is None else (self.certificate,))

    def crl(
        self,
        *revoked: int,
        this_update: datetime.datetime | None = None,
        next_update: datetime.datetime | None = None,
        number: int | None = None,
        signer: "Issuer | None" = None,
        pem: bool = False,
        extensions: tuple[x509.ExtensionType, ...] = (),
    ) -> bytes:
        """A revocation list of these serials. Each call counts ``number`` up; ``signer``: whose key signs it instead.

        ``extensions`` are added as critical: a DeltaCRLIndicator, an IssuingDistributionPoint.
        """
        self._number += 1
        updated = this_update or _now() - datetime.timedelta(minutes=1)
        entry = x509.RevokedCertificateBuilder().revocation_date(updated)
        entries = [entry.serial_number(serial).build() for serial in revoked]  # adding one by one is quadratic
        builder = (
            x509.CertificateRevocationListBuilder(revoked_certificates=entries)
            .issuer_name(dn_name(self.pairs))
            .last_update(updated)
            .next_update(next_update or updated + 7 * _DAY)
            .add_extension(x509.CRLNumber(self._number if number is None else number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        signed = builder.sign((signer or self).key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM if pem else serialization.Encoding.DER)


@dataclass(slots=True)
class TrustSpace:
    """Root and intermediate in the names of IGC-Sante; another TrustSpace() has the same names and other keys."""

    root: Issuer = field(init=False)
    intermediate: Issuer = field(init=False)

    def __post_init__(self) -> None:
        common = (("OU", "0002 187512751"), ("O", "ASIP-SANTE"), ("C", "FR"))
        self.root = Issuer((("CN", "AC RACINE TEST"), *common))
        self.intermediate = Issuer((("CN", "AC TEST ORGANISATIONS"), *common), self.root)

    def operator(self, host: str, **choices: Any) -> Identity:
        """The certificate of an operator whose host name is also in its SAN; ``choices`` as of Issuer.issue."""
        return self.intermediate.issue(operator_dn(host), host, **choices)

    def write_anchors(self, folder: Path) -> Path:
        """The root alone."""
        path = folder / "anchors.pem"
        path.write_bytes(pem_of(self.root.certificate))
        return path

    def write_crls(self, folder: Path, *revoked: int, **choices: Any) -> tuple[Path, Path]:
        """(root's, intermediate's): the serials in both, for a serial that is not its own harms nobody."""
        paths = folder / "root.crl", folder / "intermediate.crl"
        for path, issuer in zip(paths, (self.root, self.intermediate), strict=True):
            path.write_bytes(issuer.crl(*revoked, **choices))
        return paths


def self_signed(pairs: Pairs, *hosts: str, purposes: tuple[str, ...] | None = BOTH) -> Identity:
    """A certificate that nobody else signed."""
    nobody = Issuer(pairs)
    key = nobody.key
    builder = _certificate(pairs, key.public_key(), nobody, _now() - 2 * _DAY, _now() + 30 * _DAY)
    return Identity(key, _end(builder, hosts, purposes).sign(key, hashes.SHA256()))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _certificate(
    pairs: Pairs,
    key: ec.EllipticCurvePublicKey,
    issuer: Issuer,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(dn_name(pairs))
        .issuer_name(dn_name(issuer.pairs))
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(authority, critical=False)
    )


def _end(
    builder: x509.CertificateBuilder, hosts: tuple[str, ...], purposes: tuple[str, ...] | None
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([host_name(one) for one in hosts]), critical=False)
    if purposes is not None:
        usages = x509.ExtendedKeyUsage([_PURPOSES[one] for one in purposes])
        builder = builder.add_extension(usages, critical=False)
    return builder


def host_name(name: str) -> x509.GeneralName:
    """A host name or IP address, for a SAN."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
