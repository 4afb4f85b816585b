"""White lists of the tests: the real one where it is at hand, and small ones made on the spot, signed or not."""

import datetime
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner

from tests.pki import pem_of

SPACE = "https://listeblanche.mssante.fr/schema"
_DATA = Path(__file__).parents[2] / "shared" / "data" / "trust"
REAL, TRUNCATED = _DATA / "listeblanchemssante.xml", _DATA / "listeblanchemssante-truncated.xml"
with_the_real_list = pytest.mark.skipif(not REAL.exists(), reason="the published list is not at hand")

Entry = tuple[str, str]  # domain, DN


def dn(host: str) -> str:
    """The DN of an operator, as the real list writes it."""
    return f"CN={host},OU=318310021300028,O=GIP EXEMPLE,ST=Haute-Garonne (31),C=FR"


def entry(domain: str, name: str) -> str:
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
