"""What one inbound SMTP listener is: its role, its TLS and its limits."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mssgw.core.envelope import Role
from mssgw.edges.smtpd_flood import Flood

# A connection that does more than this of one command is not sending mail. Messages are not scarce: a relay may keep
# one connection open all day.
COMMANDS: Mapping[str, int] = MappingProxyType(
    {"*": 50, "AUTH": 10, "EHLO": 20, "HELO": 20, "NOOP": 200, "RSET": 10_000, "MAIL": 10_000, "DATA": 10_000}
    | {"RCPT": 1_000_000}
)


class TlsMode(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"  # TLS from the first byte (RFC 8314)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One listener. Times in seconds, sizes in octets. Raises ValueError when the fields contradict each other.

    ``size_limit``: the message size that is advertised and taken, exactly (SD-1). ``require_tls``: nothing but
    EHLO, HELO, NOOP, QUIT and STARTTLS before TLS. ``auth``: offer PLAIN and LOGIN, over TLS, to establishments, and
    to patients, who are known by nothing else.
    ``peers``: operators are known by their certificates, which ``context`` asks for (TLS-6).
    ``data_rate``: octets a second that a sender must reach over every ``idle`` period of DATA.
    ``data_total``: how long DATA may last in all: a trickle above that rate would hold its place for hours.
    ``handshake``: how long TLS may take to begin, and a stranger its place when all are taken.
    ``login_within``: how long a stranger's connection may last before AUTH, where it is offered.
    ``max_refusals``: 5xx in one connection since its last accepted message; each may be a line in the journal.
    ``end_within``: how long the decision and the commit may take after the final dot.
    """

    name: str
    role: Role
    hostname: str
    size_limit: int
    tls: TlsMode = TlsMode.NONE
    context: ssl.SSLContext | None = field(default=None, repr=False)
    require_tls: bool = False
    auth: bool = False
    peers: bool = False
    idle: float = 60.0
    handshake: float = 10.0
    login_within: float = 60.0
    data_rate: int = 500  # Postfix smtpd_min_data_rate
    data_total: float = 1_800.0
    end_within: float = 300.0  # RFC 5321 section 4.5.3.2.6: clients wait 10 minutes
    max_recipients: int = 100  # RFC 5321 section 4.5.3.1.8
    max_auth_failures: int = 3
    max_refusals: int = 500
    max_connections: int = 1_000
    max_connections_per_ip: int = 100
    commands: Mapping[str, int] = field(default_factory=lambda: COMMANDS, repr=False)
    flood: Flood = field(default_factory=Flood, repr=False, compare=False)  # of lines, by whoever connects

    def __post_init__(self) -> None:
        if (self.tls is TlsMode.NONE) is not (self.context is None):
            raise ValueError(f"listener {self.name}: a TLS mode needs a certificate, and no TLS has none")
        if self.require_tls and self.tls is TlsMode.NONE:
            raise ValueError(f"listener {self.name}: require_tls needs a TLS mode")
        if self.peers and (self.role is not Role.TRUST_SPACE or not self.require_tls):
            raise ValueError(f"listener {self.name}: certificates are asked of operators, over TLS that is required")
        if self.auth and (self.role is Role.TRUST_SPACE or self.tls is TlsMode.NONE):
            raise ValueError(f"listener {self.name}: AUTH is for establishments and patients, over TLS")
        if self.role is Role.PATIENT_SPACE and not (self.auth and self.require_tls):
            raise ValueError(f"listener {self.name}: patients log in, over TLS that is required")
