"""Where a letter goes next: the route of a domain, or of one mailbox."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from mssgw.core.addresses import Address
from mssgw.core.delivery import Delivery
from mssgw.core.errors import GatewayError
from mssgw.core.trust import LIST_UNUSABLE, Distrust

PATIENTS_HEAR = "notifications:patients"  # in place of a domain, which holds no colon: to their ordinary addresses
BY_THE_LIST = "trust-space:mx"  # how the names of routes begin that the white list alone gives


class TlsPolicy(StrEnum):
    """How a connection to a next hop is protected. There is no fallback from ``require`` or ``implicit``."""

    NONE = "none"  # loopback, or a network that is protected otherwise
    REQUIRE = "require"  # STARTTLS, certificate and host name verified
    IMPLICIT = "implicit"  # TLS from the first byte, verified
    MUTUAL = "mutual"  # STARTTLS, verified, our certificate shown and the peer's DN listed for the domain (TLS-6)


class RouteKind(StrEnum):
    """How letters are handed over."""

    SMTP = "smtp"
    IMAP = "imap"  # put into the mailbox itself
    LMTP = "lmtp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A next hop. ``host`` is a host name or IP address, or the domain itself when ``mx``: its MX are looked up.

    ``inward``: leads to an establishment of ours. Operators of the trust space may use inward routes only, so that
    we never carry mail between strangers. ``patients``: to mailboxes that we keep for patients; their registry says
    first what becomes of a letter. ``domain``: whose operator the peer has to be (TLS-6), for ``mutual``.

    For LMTP, ``host`` may be the path of a unix socket. For IMAP, letters go into the first of ``folders`` and may have
    been moved to the others since; with ``master``, ``login`` opens the mailbox of any login: see mailbox_of().
    ``marks_subject``: a patient's copy of a letter that ends an exchange says so in its subject.
    """

    name: str
    kind: RouteKind = RouteKind.SMTP
    host: str
    port: int = 25
    mx: bool = False
    tls: TlsPolicy = TlsPolicy.REQUIRE
    inward: bool = False
    patients: bool = False
    domain: str = ""
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    folders: tuple[str, ...] = field(default=(), repr=False)
    master: bool = False
    mailbox: str = field(default="", repr=False)
    marks_subject: bool = False

    def mailbox_of(self, recipient: Address) -> str:
        """The login of a recipient's mailbox: ``mailbox``, else the address.

        To patients, {address} and {matricule} in it stand for the address and its local part, in lower case: one
        patient has one mailbox, however he is written (INS-3).
        """
        local, _, domain = recipient.key.rpartition("@")
        if self.patients:
            return self.mailbox.replace("{address}", f"{local}@{domain}").replace("{matricule}", local)
        return self.mailbox or recipient.text


class SpaceUnknown(GatewayError):
    """There is no white list to tell whether a domain is of the trust space."""

    reply = LIST_UNUSABLE


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Which route leads where. What is not in it has none (WHO-9).

    ``by_domain``: by domain, in A-labels and lower case. ``by_address``: of mailboxes of their own, by Address key.
    ``listed`` is ports.Trust.listed where the white list decides: then each domain that it names has a route, by MX,
    besides those configured; and a route configured as ``mutual`` is one as long as the list names its domain.
    ``ours``: domains of our establishments, which lead inward or nowhere, whatever the list says of them.
    """

    by_domain: Mapping[str, Route]
    listed: Callable[[str], bool | Distrust] | None = field(default=None, repr=False, compare=False)
    ours: frozenset[str] = frozenset()
    by_address: Mapping[str, Route] = field(default_factory=dict)

    def of(self, delivery: Delivery) -> Route | None:
        """The route of a delivery: that of its mailbox, unless its domain is not the mailbox's; see find()."""
        mailbox = delivery.forward_path.address
        return self.to(mailbox) if delivery.domain == mailbox.domain else self.find(delivery.domain)

    def to(self, mailbox: Address) -> Route | None:
        """The route to a mailbox: its own, or that of its domain; see find()."""
        own = self.by_address.get(mailbox.key) if self.by_address else None
        return own or self.find(mailbox.domain)

    def find(self, domain: str, *, sure: bool = False) -> Route | None:  # req: WHO-9, WL-8
        """The route of a domain. Without a usable white list what it should tell is taken as listed: it decides again
        before anything is sent. ``sure``: raises SpaceUnknown instead.
        """
        route = self.by_domain.get(domain)
        if self.listed is None or domain in self.ours or (route is not None and route.tls is not TlsPolicy.MUTUAL):
            return route
        known = self.listed(domain)
        if known is False:
            return None
        if sure and known is not True:
            raise SpaceUnknown
        return route or _by_the_list(domain)


@lru_cache(4_096)  # the list holds thousands of domains; few are written to
def _by_the_list(domain: str) -> Route:
    return Route(name=f"{BY_THE_LIST}:{domain}", host=domain, mx=True, tls=TlsPolicy.MUTUAL, domain=domain)
