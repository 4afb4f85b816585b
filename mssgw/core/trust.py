"""Whom the trust space lets us exchange mail with: certificates, the white list, and why a peer is not trusted (§8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mssgw.core.names import Name
from mssgw.core.replies import Reply


class Check(StrEnum):
    """What is checked of a peer, in this order; a refusal, its log line, ``trust peer`` name the first to fail."""

    CERTIFICATE = "certificate"  # it presented one
    CHAIN = "chain"  # signed by an anchor, within its dates, for this purpose: the handshake did it  req: TLS-4, TLS-5
    SUBJECT = "subject"  # its DN can be read without doubt: one CN, no wildcard, no control character
    HOST = "host"  # it names the host that we called
    REVOCATION = "revocation"  # neither it nor what it was issued by was revoked  req: TLS-5
    WHITE_LIST = "white-list"  # we have a list that is not too old  req: WL-7
    OPERATOR = "operator"  # its DN is in the list  req: TLS-6
    DOMAIN = "domain"  # its DN is listed for this domain  req: TLS-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What we go by of an X.509 certificate. ``issuer``: DER of the issuer's name; ``fingerprint``: SHA-256 in hex.

    ``as_issuer``: SHA-256 in hex of its name and public key: who it is where it signs; key identifiers can be copied.
    ``subject`` None: the DN is not one to be trusted, and ``flaw`` says in a few words why.
    ``purposes``: extended key usages by their usual names (serverAuth, clientAuth) or dotted; empty: not limited.
    """

    subject: Name | None
    issuer: bytes = field(repr=False)
    serial: int
    not_before: datetime
    not_after: datetime
    fingerprint: str
    flaw: str = ""
    hosts: tuple[str, ...] = ()
    purposes: frozenset[str] = frozenset()
    as_issuer: str = ""


#: Leaf first, then the intermediates, the anchor last, as the handshake verified it. Empty: none was presented.
Chain = tuple[Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distrust:
    """Why a peer is not trusted. ``detail``: which certificate, DN, domain or list, for logs: no key material.

    ``reply`` is what an inbound peer is told: 5xx when it is about the peer, 4xx when it is about what we could not
    find out (WL-8). ``transient`` is the same for the way out, where everything waits at first.
    """

    check: Check
    reply: Reply
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhiteList:
    """The published list, indexed. Domains are keys (core.addresses.domain_key).

    ``operators``: domain to the DNs that may speak for it, a set (WL-4). ``domains``: the same the other way round.
    ``entries`` counts as published, duplicates included; ``unreadable`` of them list nothing. ``fingerprint``: SHA-256
    of the file, in hex.
    """

    generated_at: datetime
    entries: int
    fingerprint: str
    operators: Mapping[str, frozenset[Name]] = field(repr=False)
    domains: Mapping[Name, frozenset[str]] = field(repr=False)
    unreadable: int = 0


NO_CERTIFICATE = Reply(554, "5.7.1", "Certificat client IGC-Sante exige")
BAD_SUBJECT = Reply(554, "5.7.1", "Certificat refuse : son nom (DN) n'est pas lisible sans ambiguite")
REVOKED = Reply(554, "5.7.1", "Certificat revoque")
REVOCATION_UNKNOWN = Reply(451, "4.7.1", "Etat de revocation du certificat inconnu, reessayez plus tard")
LIST_UNUSABLE = Reply(451, "4.7.1", "Liste blanche MSSante indisponible, reessayez plus tard")
UNLISTED_OPERATOR = Reply(554, "5.7.1", "Ce certificat n'est celui d'aucun operateur de la liste blanche MSSante")
FOREIGN_DOMAIN = Reply(554, "5.7.1", "Ce certificat n'est pas celui d'un operateur de ce domaine (liste blanche)")
UNLISTED_DOMAIN = Reply(550, "5.7.1", "Domaine absent de la liste blanche MSSante")
UNFIT = Reply(554, "5.7.1", "Certificat refuse : il n'est pas fait pour cet usage")
OUT_OF_DATE = Reply(554, "5.7.1", "Certificat hors de ses dates de validite")


def unfit(chain: Chain, purposes: frozenset[str], now: datetime) -> Distrust | None:
    """What the handshake found in order and may not be any more, or checked more loosely than we ask: dates, purpose.

    Each certificate below the anchor must be for one of ``purposes``, the same one, unless it is not limited. One that
    cannot be read at all has no dates; its missing subject is what it is refused for.
    """
    left = purposes
    for each in chain:
        if each.issuer and not each.not_before <= now <= each.not_after:
            return Distrust(check=Check.CHAIN, reply=OUT_OF_DATE, detail=f"out of its dates: {named(each)}")
    for each in chain[:-1] or chain:
        left = left & each.purposes if each.purposes else left
        if not left:
            wanted = " or ".join(sorted(purposes))
            return Distrust(check=Check.CHAIN, reply=UNFIT, detail=f"not made for {wanted}: {named(each)}")
    return None


def named(certificate: Certificate) -> str:
    """A certificate in a log line."""
    who = certificate.subject.text if certificate.subject is not None else certificate.flaw
    return f"{who or 'no subject'} (serial {certificate.serial:x})"
