"""The real trust space, over a white list and revocation lists that the test changes by the word."""

import datetime
from collections.abc import Mapping

from mssgw.core.clients import Client
from mssgw.core.names import Name
from mssgw.core.trust import Chain, Distrust, WhiteList
from mssgw.edges.crl_index import CrlIndex
from mssgw.edges.crl_reading import authorities, read_crl
from mssgw.flow.trust import TrustSpace
from tests import pki


class RealTrust:
    """ports.Trust. ``listed_names``: domain to DNs, None: no usable list. ``revoked``: serials, None: no CRL at all."""

    def __init__(self, space: pki.TrustSpace, names: Mapping[str, set[Name]]) -> None:
        self.listed_names: dict[str, set[Name]] | None = dict(names)
        self._pki, self._known = (
            space,
            authorities(pki.pem_of(space.root.certificate), pki.pem_of(space.intermediate.certificate)),
        )
        self._space = TrustSpace(usable=self._list, revocation=self, ours=lambda: set())
        self.grace = datetime.timedelta(0)
        self.revoked: set[int] | None = set()

    @property
    def revoked(self) -> set[int] | None:
        return self._revoked

    @revoked.setter
    def revoked(self, serials: set[int] | None) -> None:
        self._revoked = serials
        self.publish(*(serials or ()), which=() if serials is None else None)

    def publish(self, *serials: int, which: tuple[pki.Issuer, ...] | None = None, **choices: datetime.datetime) -> None:
        """New lists of these authorities (default: both), and no others."""
        now = _now()
        self._index = CrlIndex(self._known, grace=self.grace)
        for issuer in (self._pki.root, self._pki.intermediate) if which is None else which:
            self._index.take(read_crl(issuer.crl(*serials, **choices), self._known, now=now), now=now)

    def check(self, chain: Chain) -> Distrust | None:
        return self._index.check(chain, now=_now())[0]

    def admit(self, chain: Chain) -> Client | Distrust:
        return self._space.admit(chain)

    def vouch(self, chain: Chain, domain: str) -> Distrust | None:
        return self._space.vouch(chain, domain)

    def listed(self, domain: str) -> bool | Distrust:
        return self._space.listed(domain)

    def _list(self) -> WhiteList | None:
        names = self.listed_names
        if names is None:
            return None
        everybody = {name for may in names.values() for name in may}
        return WhiteList(
            generated_at=_now(),
            entries=len(names),
            fingerprint="ab",
            operators={domain: frozenset(may) for domain, may in names.items()},
            domains={name: frozenset(domain for domain, may in names.items() if name in may) for name in everybody},
        )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
