"""Whose revocation lists are believed, and what of a file is read (TLS-5)."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509

from mssgw.edges.certificates import UnreadableCertificates, certificate
from mssgw.edges.crl_reading import CrlRefused, authorities, ders, read_crl
from tests.pki import Issuer, TrustSpace, operator_dn, pem_of
from tests.unit.edges.crls.node import DAY, NOW


def _read(space: TrustSpace, der: bytes) -> Any:
    known = authorities(pem_of(space.root.certificate, space.intermediate.certificate))
    return read_crl(der, known, now=NOW)


def test_a_list_says_what_it_holds(space):
    read = _read(space, space.intermediate.crl(5, 2**150, number=7, this_update=NOW, next_update=NOW + DAY))
    assert (read.number, read.this_update, read.next_update, read.serials) == (7, NOW, NOW + DAY, {5, 2**150})


def test_lists_that_are_not_believed(space):
    issuer, stranger = space.intermediate, TrustSpace().intermediate
    indirect = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
    partial = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    wrong = {
        "signature is not that": stranger.crl(),  # the same name, another key
        "its signature": issuer.crl(signer=space.root),
        "none of our authorities": Issuer((("CN", "AC AUTRE"),)).crl(),
        "delta": issuer.crl(extensions=(x509.DeltaCRLIndicator(1),)),
        "a part": issuer.crl(extensions=(partial,)),
        "other authorities": issuer.crl(extensions=(indirect,)),
        "critical extension": issuer.crl(extensions=(unknown,)),
        "to come": issuer.crl(this_update=NOW + DAY),
        "cannot be read": b"junk",
    }
    for why, der in wrong.items():
        with pytest.raises(CrlRefused, match=why):
            _read(space, der)


def test_an_end_certificate_signs_no_list(space):
    """A key of an operator must not be able to clear itself, whatever name it uses."""
    leaf = space.operator("a.exemple.fr")
    known = authorities(pem_of(space.root.certificate), leaf.chain_pem)
    forger = Issuer(operator_dn("a.exemple.fr"))
    forger.key = leaf.key
    with pytest.raises(CrlRefused, match="none of our authorities"):
        read_crl(forger.crl(), known, now=NOW)


def test_any_changed_or_cut_octet_is_refused(space):
    """But for the count of unused bits in the signature, which stands outside of what is signed and says nothing."""
    der = space.intermediate.crl(1, 2, 3)
    known = authorities(pem_of(space.root.certificate, space.intermediate.certificate))
    whole = read_crl(der, known, now=NOW)
    unused_bits = len(der) - len(x509.load_der_x509_crl(der).signature) - 1
    for at in range(len(der)):
        changed = bytearray(der)
        changed[at] ^= 0x01
        for hostile in (der[:at], bytes(changed), der + der[: at + 1]):
            try:
                read = read_crl(hostile, known, now=NOW)
            except CrlRefused:
                continue
            assert (at, len(hostile)) == (unused_bits, len(der))
            assert replace(read, fingerprint=whole.fingerprint, der=der) == whole


def test_several_lists_in_one_pem_file(space):
    both = space.root.crl(pem=True) + b"\n" + space.intermediate.crl(pem=True)
    assert [_read(space, der).text for der in ders(both)] == [
        one.certificate.subject.rfc4514_string() for one in (space.root, space.intermediate)
    ]
    for junk in (pem_of(space.root.certificate), space.root.crl(pem=True) * 65, both.replace(b"MII", b"!!!")):
        with pytest.raises(CrlRefused):
            ders(junk)


@pytest.mark.parametrize(
    "hostile",
    [
        b"-----BEGIN X509 CRL-----\n" * 200_000,  # five megabytes, and no end
        b"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n" * 200_000,
        b"-----BEGIN X509 CRL-----" + b"A" * 4_000_000,
    ],
)
def test_a_file_of_beginnings_without_an_end_is_read_once_and_refused(hostile):
    """Looking for an end from each beginning would take hours."""
    with pytest.raises(CrlRefused):
        ders(hostile)


def test_a_name_of_a_thousand_attributes_is_not_even_read(space):
    """A name of millions took minutes and gigabytes, before any signature was looked at."""
    long = Issuer(tuple(("OU", f"unit {number}") for number in range(1_000)))
    with pytest.raises(CrlRefused, match="more than 4 kB"):
        _read(space, long.crl())


def test_who_copies_name_and_key_identifier_of_an_authority_is_still_another(space):
    """Revocations are the issuer's own: those of its namesake say nothing of what it issued."""
    known = authorities(pem_of(space.root.certificate, space.intermediate.certificate))
    namesake = TrustSpace().intermediate
    assert known.issuer_of(certificate(space.intermediate.der)) is not None
    assert known.issuer_of(certificate(namesake.der)) is None


def test_authorities_are_what_an_anchor_signed(space):
    other = TrustSpace()
    known = authorities(pem_of(space.root.certificate), pem_of(other.intermediate.certificate))
    with pytest.raises(CrlRefused):
        read_crl(other.intermediate.crl(), known, now=NOW)
    for none in (pem_of(space.intermediate.certificate), space.operator("a").chain_pem, b"junk"):
        with pytest.raises(UnreadableCertificates):
            authorities(none)


def test_a_hundred_thousand_entries_are_read(space):
    """In the time that one takes, within reason: no step may be quadratic."""
    serials = range(2**100, 2**100 + 100_000)
    read = _read(space, space.intermediate.crl(*serials))
    assert len(read.serials) == 100_000
    assert 2**100 + 99_999 in read.serials
