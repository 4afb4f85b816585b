"""Where a letter goes next: the route of a domain."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TlsPolicy(StrEnum):
    """How a connection to a next hop is protected. There is no fallback from ``require`` or ``implicit``."""

    NONE = "none"  # loopback, or a network that is protected otherwise
    REQUIRE = "require"  # STARTTLS, certificate and host name verified
    IMPLICIT = "implicit"  # TLS from the first byte, verified
    MUTUAL = "mutual"  # STARTTLS, verified, our certificate shown and the peer's DN listed for the domain (TLS-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A next hop. ``host`` is a host name or IP address, or the domain itself when ``mx``: its MX are looked up.

    ``inward``: leads to an establishment of ours. Operators of the trust space may use inward routes only, so that
    we never carry mail between strangers. ``domain``: whose operator the peer has to be (TLS-6), for ``mutual``.
    """

    name: str
    host: str
    port: int = 25
    mx: bool = False
    tls: TlsPolicy = TlsPolicy.REQUIRE
    inward: bool = False
    domain: str = ""
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Domain (A-labels, lower case) to route. What is not listed has none (WHO-9)."""

    by_domain: Mapping[str, Route]

    def find(self, domain: str) -> Route | None:
        return self.by_domain.get(domain)
