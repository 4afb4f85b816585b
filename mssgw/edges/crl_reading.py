"""What a certificate revocation list says, once it is known to come from one of our authorities.

Authorities are the self-signed certificates of the anchors file, and the intermediates that one of them signed and
that stand in the anchors file or in the chain of our own certificate. Those that peers send are not taken in: which
lists we believe is thereby the administrator's word alone, and the same after a restart. A peer under an intermediate
that we lack waits (451), and the alarm names it.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mssgw.core.errors import GatewayError
from mssgw.core.trust import Certificate
from mssgw.edges.certificates import UnreadableCertificates, as_issuer, certificate, loaded, signed_by

SKEW = timedelta(hours=2)  # by which our clock may be behind an authority's: a list of its is no worse for that
_BEGIN, _END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
_LONGEST_NAME = 4096  # octets of DER; a name of millions of attributes would take minutes to compare
_INTEGER = 0x02  # tag of DER
_SHOWN = 200  # characters of a name that somebody claims
_MOST = 64  # lists in one file
_UNDERSTOOD = (x509.CRLNumber, x509.AuthorityKeyIdentifier)  # of critical extensions

#: SHA-256 of name and public key: an authority with a new key is another issuer, one with two certificates is one.
Issuer = str


class CrlRefused(GatewayError):
    """A revocation list that is not believed. The text says why and whose it says it is."""


class CrlUnreadable(CrlRefused):
    """It is none: a page that somebody put in its place, or half of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who may sign a list. ``text``: its DN for people."""

    issuer: Issuer
    text: str
    certificate: x509.Certificate = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """``anchors``: fingerprints (SHA-256, hex) of the self-signed ones of the anchors file.

    ``by_name``: as a list names its issuer. ``issuers``: all of them.
    """

    anchors: frozenset[str]
    by_name: Mapping[Hashable, Sequence[Authority]] = field(repr=False)
    issuers: frozenset[Issuer] = field(repr=False)

    def issuer_of(self, signer: Certificate) -> Issuer | None:
        """Which of ours a certificate is that signed another in a verified chain; None: none of ours.

        By name and key together: an authority may have several certificates, another may bear its name.
        """
        return signer.as_issuer if signer.as_issuer in self.issuers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """A verified list. ``number``: None when it carries none. ``fingerprint``: SHA-256 of its DER, in hex."""

    issuer: Issuer = field(repr=False)
    text: str
    number: int | None
    this_update: datetime
    next_update: datetime
    serials: frozenset[int] = field(repr=False)
    fingerprint: str
    der: bytes = field(repr=False)

    def newer_than(self, other: "Crl") -> bool:
        """By number or by date: an authority that was restored, or moved, may count anew from a lower number.

        Then the lists from before have higher numbers and are older all the same. One that follows a list is dated
        before it at most by as much as the authority's clock was ahead, and none is taken that is ahead by over SKEW.
        """
        if self.counts_above(other) and self.this_update > other.this_update - SKEW:
            return True
        return self.this_update > other.this_update

    def counts_above(self, other: "Crl") -> bool:
        return self.number is not None and other.number is not None and self.number > other.number


def authorities(anchors: bytes, *chains: bytes) -> Authorities:
    """From the PEM anchors file, and from PEM chains that may hold intermediates. Raises UnreadableCertificates."""
    given = loaded(anchors)
    trusted = [one for one in given if _may_issue(one) and signed_by(one, one)]
    if not trusted:
        raise UnreadableCertificates("no self-signed certificate of an authority in it")
    roots = frozenset(_fingerprint(one) for one in trusted)
    others = [one for each in (given, *map(loaded, chains)) for one in each if _may_issue(one) and one not in trusted]
    while found := [one for one in others if any(signed_by(one, signer) for signer in trusted)]:
        trusted += found
        others = [one for one in others if one not in trusted]
    by_name: dict[Hashable, list[Authority]] = {}
    for one in dict.fromkeys(trusted):
        known = Authority(issuer=as_issuer(one), text=one.subject.rfc4514_string(), certificate=one)
        by_name.setdefault(_comparable(one.subject), []).append(known)
    issuers = frozenset(known.issuer for named in by_name.values() for known in named)
    return Authorities(anchors=roots, by_name=by_name, issuers=issuers)


def ders(content: bytes) -> list[bytes]:
    """The lists of a file, each in DER: one in DER, or one or several in PEM. Raises CrlRefused."""
    if b"-----BEGIN" not in content[:4096]:
        return [content]
    parts = content.split(_BEGIN, _MOST + 1)[1:]
    blocks = [_BEGIN + part[: part.find(_END)] + _END + b"\n" for part in parts if _END in part]
    if not 0 < len(blocks) == len(parts) <= _MOST:
        raise CrlUnreadable("no revocation list in it, or far too many")
    try:
        return [x509.load_pem_x509_crl(block).public_bytes(Encoding.DER) for block in blocks]
    except ValueError:
        raise CrlUnreadable("a revocation list in it cannot be read") from None


def read_crl(der: bytes, trusted: Authorities, *, now: datetime) -> Crl:
    """The list, its signature verified. Takes 0.1 s for 100,000 entries: not for the event loop.

    Expired lists are read too. Raises CrlRefused.
    """  # req: TLS-5
    try:
        if _length_of_the_name(der) > _LONGEST_NAME:
            raise CrlRefused("its issuer has a name of more than 4 kB")
        return _verified(x509.load_der_x509_crl(der), der, trusted, now)
    except GatewayError:
        raise
    except Exception:  # cryptography reads parts late, and raises many kinds for what is malformed
        raise CrlUnreadable("it cannot be read as a revocation list") from None


def _length_of_the_name(der: bytes) -> int:
    """Octets of the issuer's name, looked up before anything is made of it (RFC 5280 section 5.1).

    Raises IndexError for what is cut off.
    """
    at, _ = _inside(der, 0)  # CertificateList
    at, _ = _inside(der, at)  # TBSCertList
    if der[at] == _INTEGER:  # version
        at = sum(_inside(der, at))
    at = sum(_inside(der, at))  # signature
    return _inside(der, at)[1]


def _inside(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the DER value at ``at`` begins, and how many octets it has."""
    length = der[at + 1]
    if length < 0x80:
        return at + 2, length
    octets = length & 0x7F
    return at + 2 + octets, int.from_bytes(der[at + 2 : at + 2 + octets], "big")


def _verified(read: x509.CertificateRevocationList, der: bytes, trusted: Authorities, now: datetime) -> Crl:
    claimed = read.issuer.rfc4514_string()[:_SHOWN]
    signer = _signer(read, trusted.by_name.get(_comparable(read.issuer), ()), claimed)
    _refuse_partial(read, claimed)
    this_update, next_update = read.last_update_utc, read.next_update_utc
    if next_update is None or next_update <= this_update:
        raise CrlRefused(f"it does not say until when it holds: {claimed}")
    if this_update > now + SKEW:
        raise CrlRefused(
            f"it is dated {this_update:%Y-%m-%dT%H:%M:%SZ}, which is to come (is our clock right?): {claimed}"
        )
    return Crl(
        issuer=signer.issuer,
        text=signer.text,
        number=next(
            (each.value.crl_number for each in read.extensions if isinstance(each.value, x509.CRLNumber)), None
        ),
        this_update=this_update,
        next_update=next_update,
        serials=frozenset(entry.serial_number for entry in read),
        fingerprint=sha256(der).hexdigest(),
        der=der,
    )


def _signer(read: x509.CertificateRevocationList, named: Iterable[Authority], claimed: str) -> Authority:
    candidates = list(named)
    if not candidates:
        raise CrlRefused(f"its issuer is none of our authorities: {claimed}")
    if isinstance(read.signature_hash_algorithm, hashes.MD5 | hashes.SHA1):
        raise CrlRefused(f"its signature is of a kind that can be forged: {claimed}")
    for one in candidates:
        if _signs(one.certificate, read):
            return one
    raise CrlRefused(f"its signature is not that of {claimed}")


def _signs(authority: x509.Certificate, read: x509.CertificateRevocationList) -> bool:
    try:
        return _may(authority, "crl_sign") and read.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):  # a key of another kind
        return False


def _refuse_partial(read: x509.CertificateRevocationList, claimed: str) -> None:
    """A list that covers a part only would show others as not revoked (RFC 5280 5.2.4, 5.2.5)."""
    for each in read.extensions:
        if isinstance(each.value, x509.DeltaCRLIndicator):
            raise CrlRefused(f"it is a delta list, not a whole one: {claimed}")
        if isinstance(each.value, x509.IssuingDistributionPoint):
            raise CrlRefused(f"it covers a part of the certificates only, or other authorities' too: {claimed}")
        if each.critical and not isinstance(each.value, _UNDERSTOOD):
            raise CrlRefused(f"it has a critical extension that we do not know ({each.oid.dotted_string}): {claimed}")


def _may_issue(one: x509.Certificate) -> bool:
    try:
        basic = one.extensions.get_extension_for_class(x509.BasicConstraints).value
        return basic.ca and _may(one, "key_cert_sign")
    except (x509.ExtensionNotFound, ValueError):
        return False


def _may(one: x509.Certificate, usage: str) -> bool:
    try:
        return bool(getattr(one.extensions.get_extension_for_class(x509.KeyUsage).value, usage))
    except x509.ExtensionNotFound:  # no limits
        return True


def _comparable(name: x509.Name) -> Hashable:
    """Whatever string type, case and spacing an authority writes its name in; who signed is told by the signature."""
    return tuple((each.oid.dotted_string, " ".join(str(each.value).split()).casefold()) for each in name)


def _fingerprint(one: x509.Certificate) -> str:
    return certificate(one.public_bytes(Encoding.DER)).fingerprint
