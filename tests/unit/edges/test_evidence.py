"""What a log says of a peer's certificate: an organisation's name, never a person's, and nothing that costs much."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mssgw.edges import certificates, evidence
from mssgw.edges.certificates import LARGEST, certificate
from tests.pki import Identity, TrustSpace, dn_text, operator_dn

HOST = "mta.operateur.fr"


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture(scope="module")
def crowded(space) -> Identity:
    """Of an organisation that has more names than anybody needs."""
    return space.intermediate.issue(operator_dn(HOST), *(f"{n:04}.operateur.fr" for n in range(1000)))


def of_a_person(*more: tuple[x509.ObjectIdentifier, str], cn: str = "899700012345") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    given = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "GIP"), *more, (NameOID.COMMON_NAME, cn)]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in given])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(77).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(certificates.Encoding.DER)


def test_an_organisation_is_shown_as_the_white_list_writes_it(space):
    leaf = space.operator(HOST)
    expected = {"dn": dn_text(operator_dn(HOST)), "serial": f"{leaf.serial:x}"}
    for shown in (evidence.of((certificate(leaf.der),)), evidence.of_refused(leaf.der)):
        assert shown.items() >= expected.items()
        assert len(str(shown["fingerprint"])) == 64
    assert evidence.detail("not listed", (certificate(leaf.der),)) == "not listed"


@pytest.mark.parametrize(
    "more",
    [
        [(NameOID.SURNAME, "DUPONT"), (NameOID.GIVEN_NAME, "ANNE")],
        [(NameOID.TITLE, "Dupont")],
        [(NameOID.INITIALS, "DUPONT")],
        [(NameOID.EMAIL_ADDRESS, "anne@dupont.fr")],
    ],
    ids=["names", "title", "initials", "address"],
)
def test_a_person_is_not_named(more):
    """Cards of professionals come from the same roots: serial and fingerprint find them, a log names nobody."""
    der = of_a_person(*more, cn="ANNE DUPONT 899700012345")
    chain = (certificate(der),)
    for shown in (evidence.of(chain), evidence.of_refused(der)):
        assert "dupont" not in str(shown).lower()
        assert "8997" not in str(shown)
        assert "o=gip" in str(shown["dn"]).lower()
        assert shown["serial"] == "4d"
    assert evidence.detail(f"{chain[0].subject} is not listed", chain) == ""


def test_an_address_of_an_operator_does_not_hide_its_host():
    shown = evidence.of_refused(of_a_person((NameOID.EMAIL_ADDRESS, "anne@dupont.fr"), cn=HOST))
    assert HOST in str(shown["dn"])
    assert "dupont" not in str(shown)


def test_a_long_name_is_cut(space):
    long = space.operator(f"{'a' * 60}.fr", purposes=None)
    pairs = (*operator_dn(HOST)[:1], *(("OU", "x" * 60) for _ in range(20)))
    for der in (long.der, space.intermediate.issue(pairs).der):
        assert len(evidence.dn(certificate(der))) <= 300
        assert len(str(evidence.of_refused(der)["dn"])) <= 300


def test_what_was_refused_is_not_kept(space):
    """Whoever shows certificates of his own making fills no memory."""
    kept = certificates._kept.cache_info()
    for n in range(3):
        evidence.of_refused(space.operator(f"{n}.fr").der)
    assert certificates._kept.cache_info() == kept


def test_a_huge_one_is_not_read_at_all(crowded, monkeypatch):
    """Neither the one that was refused, nor one that a chain led to: that one has a flaw, and is not admitted."""
    assert len(crowded.der) > LARGEST
    monkeypatch.setattr(x509, "load_der_x509_certificate", None)
    shown = evidence.of_refused(crowded.der)
    assert (shown["octets"], sorted(shown)) == (len(crowded.der), ["fingerprint", "octets"])
    read = certificate(crowded.der)
    assert (read.subject, read.hosts, read.fingerprint) == (None, (), shown["fingerprint"])
    assert str(LARGEST) in read.flaw


@pytest.mark.parametrize("junk", [b"x", b"\x30\x03\x02\x01\x01", b"\x00" * 200])
def test_what_is_no_certificate_is_a_line_all_the_same(junk):
    assert evidence.of_refused(junk)["dn"] == "the certificate cannot be read"
    assert evidence.of_refused(b"") == {} == evidence.of(())


@pytest.mark.parametrize(("cn", "flaw"), [("a\0b.fr", "NUL"), ("*.fr", "wildcard")])
def test_a_doubtful_name_is_told_by_its_flaw(space, cn, flaw):
    assert flaw in str(evidence.of_refused(space.intermediate.issue((("CN", cn),)).der)["dn"])
