"""White lists as they are published, made on the spot, and somebody who signs them. For demo and tests."""

import datetime
from collections.abc import Iterable
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner

from demo.pki import pem_of

SPACE = "https://listeblanche.mssante.fr/schema"

Entry = tuple[str, str]  # domain, DN


def entry(domain: str, name: str) -> str:
    """One ``Domaine``."""
    return (
        f"<Domaine><Nom>{escape(domain)}</Nom><Description>Exemple</Description>"
        f"<DNCertificatOperateur>{escape(name)}</DNCertificatOperateur><ResponsableContact>x</ResponsableContact>"
        "<SupportContact>x</SupportContact><DateMAJ>2025-03-13T14:54:10Z</DateMAJ></Domaine>"
    )


def white_list(
    entries: Iterable[Entry], *, generated: str = "2026-01-05T08:00:00Z", space: str = SPACE, after: str = ""
) -> bytes:
    """A list as it is published. ``after``: more elements below the root."""
    domains = "".join(entry(domain, name) for domain, name in entries)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ListeBlancheMSSante xmlns="{space}">'
        f"<DateDeGeneration>{generated}</DateDeGeneration><ListeDomaines>{domains}</ListeDomaines>{after}"
        "</ListeBlancheMSSante>"
    ).encode()


class Signer:
    """Somebody who signs lists. ``days`` until the certificate ends."""

    def __init__(self, *, days: int = 30, now: datetime.datetime | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signataire de test")])
        start = now or datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(start - datetime.timedelta(days=60))
        self.certificate = builder.not_valid_after(start + datetime.timedelta(days=days)).sign(
            self.key, hashes.SHA256()
        )

    @property
    def pem(self) -> bytes:
        return pem_of(self.certificate)

    def sign(self, document: bytes, *, reference: str | None = None) -> bytes:
        """The document with an enveloped signature at its end. ``reference``: "#id" to sign that element only."""
        signer = XMLSigner(
            method=SignatureConstructionMethod.enveloped, signature_algorithm=SignatureMethod.ECDSA_SHA256
        )
        root = etree.fromstring(document)
        signed = signer.sign(root, key=self.key, cert=[self.certificate], reference_uri=reference)
        return bytes(etree.tostring(signed, xml_declaration=True, encoding="UTF-8"))
