"""The certificate authorities that operators are trusted by: read once, the same for all that asks until a restart.

Listeners, next hops and revocation lists have to agree: whoever passes a handshake below a root that revocation lists
do not know of waits for nothing. So contexts are made anew from these octets, whatever the file says by then.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mssgw.edges.tls import TlsMisconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """``file``: where they were read, for messages; ``certificates``: authorities all, a root among them."""

    file: Path
    certificates: Sequence[x509.Certificate] = field(repr=False)

    @classmethod
    def read(cls, file: Path) -> "Anchors":
        """A PEM file. Raises TlsMisconfigured: it holds none, or one of no authority, or no root."""
        try:
            data = file.read_bytes()
        except OSError as error:
            raise TlsMisconfigured(f"{file}: cannot be read: {error.strerror}") from None
        if data.count(b"-----BEGIN") != data.count(b"-----END"):
            raise TlsMisconfigured(f"{file}: is cut off")
        try:
            found = x509.load_pem_x509_certificates(data)
        except ValueError:
            raise TlsMisconfigured(f"{file}: no usable PEM certificate in it") from None
        for each in found:
            if not _is_authority(each):
                raise TlsMisconfigured(
                    f"{file}: holds a certificate of no authority (CA): serial {each.serial_number:x}"
                )
        if not any(each.subject == each.issuer for each in found):
            raise TlsMisconfigured(f"{file}: holds no root, only authorities below one")
        return cls(file=file, certificates=found)

    def trusted_by(self, context: ssl.SSLContext) -> None:
        """Have the context believe them, beside whom it believes already."""
        pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.certificates)
        context.load_verify_locations(cadata=pem.decode("ascii"))

    def same_as(self, other: "Anchors") -> bool:
        """Whether it is the same certificates, in whatever order."""
        return set(self.certificates) == set(other.certificates)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
