"""What a log line may say of a peer's certificate: whose it is, when it is an organisation's, and how to find it again.

Certificates of people (CPS) come from the same roots, and somebody may try one: their names reach no log.
"""

from hashlib import sha256

from cryptography import x509

from mssgw.core.errors import GatewayError
from mssgw.core.names import Name
from mssgw.core.trust import Certificate, Chain
from mssgw.edges.certificates import LARGEST, name_of

_SHOWN = 300  # characters: whoever is refused may call himself what he likes
_OF_ORGANISATIONS = frozenset({"CN", "OU", "O", "L", "ST", "C", "DC", "ORGANIZATIONIDENTIFIER", "SERIALNUMBER"})
#: surname, given name, title, initials, generation, qualifier, pseudonym
_OF_PEOPLE = frozenset({"SN", "GIVENNAME", "TITLE", "2.5.4.43", "2.5.4.44", "2.5.4.46", "2.5.4.65"})
_OF_BOTH = frozenset({"UID", "EMAILADDRESS"})  # a person's, unless the CN is a host


def of(chain: Chain) -> dict[str, str]:
    """Fields for the log about a peer that shook hands; none when it showed no certificate."""
    if not chain:
        return {}
    leaf = chain[0]
    return {"dn": dn(leaf), "serial": f"{leaf.serial:x}", "fingerprint": leaf.fingerprint}


def of_refused(der: bytes) -> dict[str, str | int]:
    """The same of a leaf that the handshake refused: anybody can make one, so little is read of it and nothing kept."""
    if not der:
        return {}
    fingerprint = sha256(der).hexdigest()
    if len(der) > LARGEST:
        return {"octets": len(der), "fingerprint": fingerprint}
    try:
        read = x509.load_der_x509_certificate(der)
        serial = f"{read.serial_number:x}"
    except Exception:  # cryptography raises many kinds
        return {"dn": "the certificate cannot be read", "fingerprint": fingerprint}
    try:
        shown = _shown(name_of(read.subject))
    except GatewayError as error:  # which flaw, in words of ours
        shown = str(error)
    except Exception:
        shown = "a value that cannot be read as text"
    return {"dn": shown[:_SHOWN], "serial": serial, "fingerprint": fingerprint}


def dn(certificate: Certificate) -> str:
    """The DN of an organisation; of a person's certificate what is no name; why it has none that can be read."""
    return _shown(certificate.subject) if certificate.subject is not None else certificate.flaw[:_SHOWN]


def is_a_persons(certificate: Certificate) -> bool:
    """Whether it names a human being, so that no text about its subject may be logged."""
    return certificate.subject is not None and _is_a_persons(certificate.subject)


def detail(text: str, chain: Chain) -> str:
    """What a check found, for the log: it may quote the DN of any certificate of the chain."""
    return "" if any(is_a_persons(each) for each in chain) else text[:_SHOWN]


def _is_a_persons(name: Name) -> bool:
    kinds = {kind for kind, _ in name.key}
    host = "." in name.common_name and " " not in name.common_name
    return not kinds.isdisjoint(_OF_PEOPLE) or (not kinds.isdisjoint(_OF_BOTH) and not host)


def _shown(name: Name) -> str:
    """As it was written when all of it may be read, else what may be, in lower case."""
    may = _OF_ORGANISATIONS - {"CN", "SERIALNUMBER"} if _is_a_persons(name) else _OF_ORGANISATIONS
    if all(kind in may for kind, _ in name.key):
        return name.text[:_SHOWN]
    return ",".join(f"{kind}={value}" for kind, value in name.key if kind in may)[:_SHOWN]
