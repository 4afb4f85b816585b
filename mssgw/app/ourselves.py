"""How other operators see us: they go by the same lists, and refuse our letters where those are against us.

req: TLS-5, TLS-6
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mssgw.app.reloading import Ready
from mssgw.app.telemetry.metrics import Metrics
from mssgw.app.trust import TrustAtWork
from mssgw.core.names import Name
from mssgw.core.reminders import Reminders
from mssgw.core.trust import Chain, WhiteList, named
from mssgw.ports import Clock, Telemetry

_SHOWN = 20  # domains in one log line


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is against us. ``revoked``: a certificate of our chain, and by whom; "" when no list that we hold says so.

    ``unlisted``: our own domains that the white list does not give to our certificate; none where there is no list.
    """

    revoked: str = ""
    unlisted: tuple[str, ...] = ()


def standing(chain: Chain, domains: Iterable[str], work: TrustAtWork) -> Standing:
    """Of our own chain and our own domains (keys), as the lists in hand have it, be they too old or not."""
    found, held = work.crls.revoked(chain), work.white_list.held
    return Standing(
        revoked=found.detail if found is not None else "",
        unlisted=unlisted(held.list, chain[0].subject, domains) if held is not None else (),
    )


def unlisted(white_list: WhiteList, us: Name | None, domains: Iterable[str]) -> tuple[str, ...]:
    """Those of the domains that the list gives to others, or to nobody."""
    return tuple(sorted(domain for domain in domains if us not in white_list.operators.get(domain, ())))


class Ourselves:
    """Tells when our standing changes, and of what is wrong with it again each hour. One a process."""

    def __init__(self, ready: Callable[[], Ready], work: TrustAtWork, *, clock: Clock, aloud: Telemetry) -> None:
        """``ready``: what is in force. ``aloud``: where it is told; one process of several is enough."""
        self._ready, self._work, self._clock, self._telemetry = ready, work, clock, aloud
        self._told = Reminders()
        self.standing = Standing()

    def shown_by(self, metrics: Metrics) -> None:
        """Two gauges of our standing as it was taken last."""
        revoked, unlisted = "mssgw_trust_own_certificate_revoked", "mssgw_trust_own_domains_unlisted"
        metrics.watch(revoked, "1 while a CRL revokes our own certificate.", lambda: bool(self.standing.revoked))
        metrics.watch(
            unlisted,
            "Our domains that the white list does not give to our certificate.",
            lambda: len(self.standing.unlisted),
        )

    def look(self) -> None:
        """Take our standing anew; from memory, so that it may be done every few seconds."""
        ready = self._ready()
        assert ready.identity is not None, "it goes with [trust]"
        chain, domains = ready.identity.pair.chain, ready.settings.owners.keys()
        self.standing = found = standing(chain, domains, self._work)
        us, names = named(chain[0]), ", ".join(found.unlisted[:_SHOWN])
        if not found.revoked:
            self._over("trust.own_certificate_revoked", "trust.own_certificate_in_order", us)
        elif self._due("trust.own_certificate_revoked", chain[0].fingerprint):  # not by detail: lists come every hour
            self._telemetry.event("trust.own_certificate_revoked", alarm=True, subject=us, detail=found.revoked)
        if not found.unlisted:
            self._over("trust.own_domains_unlisted", "trust.own_domains_listed", us)
        elif self._due("trust.own_domains_unlisted", f"{chain[0].fingerprint} {found.unlisted}"):
            missing, of = len(found.unlisted), len(domains)
            self._telemetry.event(
                "trust.own_domains_unlisted", alarm=True, subject=us, domains=names, unlisted=missing, of=of
            )

    def _due(self, event: str, saying: str) -> bool:
        return self._told.due(event, self._clock.now(), saying=saying)

    def _over(self, event: str, after: str, us: str) -> None:
        if self._told.over(event):
            self._telemetry.event(after, subject=us)
