"""ports.Trust in a few lines, over plain dictionaries: for tests of what stands in front of it."""

from dataclasses import dataclass, field

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.names import Name
from mssgw.core.trust import (
    BAD_SUBJECT,
    FOREIGN_DOMAIN,
    LIST_UNUSABLE,
    NO_CERTIFICATE,
    REVOCATION_UNKNOWN,
    REVOKED,
    UNLISTED_OPERATOR,
    Chain,
    Check,
    Distrust,
)

NO_LIST = Distrust(check=Check.WHITE_LIST, reply=LIST_UNUSABLE, detail="none")


@dataclass(slots=True)
class TrustTwin:
    """``listed_names``: domain to its DNs, None: no usable list. ``revoked``: serials, None: unknown."""

    listed_names: dict[str, set[Name]] | None = field(default_factory=dict)
    revoked: set[int] | None = field(default_factory=set)

    def admit(self, chain: Chain) -> Client | Distrust:
        distrust = self._doubt(chain)
        if distrust is not None:
            return distrust
        subject, names = chain[0].subject, self.listed_names
        assert subject is not None
        assert names is not None
        domains = frozenset(domain for domain, may in names.items() if subject in may)
        if not domains:
            return Distrust(check=Check.OPERATOR, reply=UNLISTED_OPERATOR, detail=subject.text)
        return Client(name=f"CN={subject.common_name}", role=Role.TRUST_SPACE, domains=domains)

    def vouch(self, chain: Chain, domain: str) -> Distrust | None:
        admitted = self.admit(chain)
        if isinstance(admitted, Distrust) or domain in admitted.domains:
            return admitted if isinstance(admitted, Distrust) else None
        return Distrust(check=Check.DOMAIN, reply=FOREIGN_DOMAIN, detail=domain)

    def listed(self, domain: str) -> bool | Distrust:
        return NO_LIST if self.listed_names is None else domain in self.listed_names

    def _doubt(self, chain: Chain) -> Distrust | None:
        if not chain:
            return Distrust(check=Check.CERTIFICATE, reply=NO_CERTIFICATE)
        if chain[0].subject is None:
            return Distrust(check=Check.SUBJECT, reply=BAD_SUBJECT, detail=chain[0].flaw)
        if self.revoked is None:
            return Distrust(check=Check.REVOCATION, reply=REVOCATION_UNKNOWN, detail="no list")
        if any(each.serial in self.revoked for each in chain[:-1]):
            return Distrust(check=Check.REVOCATION, reply=REVOKED, detail=f"serial {chain[0].serial:x}")
        return NO_LIST if self.listed_names is None else None
