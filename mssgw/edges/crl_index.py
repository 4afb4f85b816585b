"""The revocation lists in force, one for each issuer, and what they say of a chain."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from mssgw.core.trust import REVOCATION_UNKNOWN, REVOKED, Chain, Check, Distrust, named
from mssgw.edges.crl_reading import Authorities, Crl, CrlRefused, Issuer


class OlderCrl(CrlRefused):
    """A revocation list that is older than the one we have: a mirror that lags, as a rule."""


class CrlIndex:
    """What was revoked, in memory. Only newer lists get in; the answers cost a few look-ups."""

    def __init__(self, authorities: Authorities, *, grace: timedelta = timedelta(0)) -> None:
        """``grace``: how long a list that was not renewed in time is gone by."""
        self.authorities, self._grace = authorities, grace
        self._held: Mapping[Issuer, Crl] = {}  # replaced whole: any thread may read it
        self._anew: dict[Issuer, datetime] = {}  # the date of the list with which an authority began to count anew

    @property
    def held(self) -> Mapping[Issuer, Crl]:
        return self._held

    def take(self, crl: Crl, *, now: datetime) -> bool:
        """Put it in force; False when it is the one in force already. Raises OlderCrl, CrlRefused."""
        if (known := self._held.get(crl.issuer)) is not None:
            if known.fingerprint == crl.fingerprint:
                return False
            if not crl.newer_than(known) or crl.this_update < self._anew.get(crl.issuer, crl.this_update):
                raise OlderCrl(f"it is not newer than the one in force: {crl.text}")
            if crl.next_update < now <= known.next_update:
                raise CrlRefused(f"it has expired, and the one in force has not: {crl.text}")
            if known.counts_above(crl):
                self._anew[crl.issuer] = crl.this_update
        self._held = {**self._held, crl.issuer: crl}
        return True

    def usable_until(self, crl: Crl) -> datetime:
        return crl.next_update + self._grace

    def check(self, chain: Chain, *, now: datetime) -> tuple[Distrust | None, str]:
        """As ports.Revocation.check; and the DN of the issuer whose list we never had, "" when we have had them all.

        A certificate that an expired list has revoked is revoked still.
        """  # req: TLS-5
        if not chain or chain[-1].fingerprint not in self.authorities.anchors:
            return _unknown("the chain ends at none of our anchors"), ""
        unknown, missing = None, ""
        for certificate, signer in pairwise(chain):
            crl = self._held.get(self.authorities.issuer_of(signer) or "")
            if crl is None:
                missing = missing or named(signer)
                unknown = unknown or _unknown(
                    f"no revocation list of {named(signer)}, which issued {named(certificate)}"
                )
            elif certificate.serial in crl.serials:
                detail = f"revoked: {named(certificate)} by {_called(crl)}"
                return Distrust(check=Check.REVOCATION, reply=REVOKED, detail=detail), ""
            elif now > self.usable_until(crl):
                unknown = unknown or _unknown(f"expired at {crl.next_update:%Y-%m-%dT%H:%M:%SZ}: {_called(crl)}")
        return unknown, missing


def _unknown(detail: str) -> Distrust:
    return Distrust(check=Check.REVOCATION, reply=REVOCATION_UNKNOWN, detail=detail)


def _called(crl: Crl) -> str:
    return f"revocation list {'without number' if crl.number is None else crl.number} of {crl.text}"
