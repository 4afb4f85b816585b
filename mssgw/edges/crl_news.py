"""What is told of revocation lists: each thing once, and an alarm again every hour for as long as it holds."""

from datetime import datetime, timedelta
from typing import Any

from mssgw.core.errors import GatewayError
from mssgw.core.reminders import Reminders
from mssgw.edges.crl_reading import Crl
from mssgw.ports import Clock, Telemetry

SOON = timedelta(hours=24)  # before the end of a list, or a quarter of its time when that is less
SILENT = timedelta(minutes=15)  # that a source may be out of reach before it is an alarm


class CrlNews:
    """Tells of lists (by their issuer) and of sources (by their name)."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock, self._telemetry = clock, telemetry
        self._told = Reminders()
        self._silent_since: dict[str, datetime] = {}

    def taken(self, crl: Crl, source: str) -> None:
        self._telemetry.event(
            "trust.crl_taken",
            issuer=crl.text,
            number=None if crl.number is None else str(crl.number),
            entries=len(crl.serials),
            this_update=crl.this_update.isoformat(),
            next_update=crl.next_update.isoformat(),
            source=source,
        )

    def believed(self, source: str) -> None:
        """What it gave is in order now: the next refusal is news again."""
        self._told.over(("trust.crl_refused", source))

    def refused(self, source: str, error: GatewayError) -> None:
        self._tell("trust.crl_refused", source, str(error), alarm=True, source=source, error=str(error))

    def overtaken(self, source: str, error: GatewayError) -> None:
        self._tell("trust.crl_overtaken", source, str(error), source=source, error=str(error))

    def missing(self, issuer: str) -> None:
        self._tell("trust.crl_missing", issuer, "", alarm=True, issuer=issuer)

    def failed(self, error: Exception) -> None:
        """It is not the list or its source: the disk, or a defect of ours."""
        known = isinstance(error, GatewayError)
        text = str(error) if known else type(error).__name__
        self._tell("trust.crl_failed", "", text, alarm=True, error=text, failure=None if known else error)

    def unreadable(self, path: str, error: GatewayError) -> None:
        """One file of those that were kept."""
        self._tell("trust.crl_failed", path, str(error), alarm=True, error=str(error), failure=None)

    def out_of_reach(self, source: str, error: GatewayError) -> None:
        now = self._clock.now()
        since = self._silent_since[source] = min(now, self._silent_since.get(source, now))  # the clock may go back
        alarm = now - since >= SILENT
        # Not by its text: servers fail in many ways, in turn, and it is one failure all the same.
        self._tell("trust.crl_unreachable", source, f"{alarm}", alarm=alarm, source=source, error=str(error))

    def in_reach(self, source: str) -> None:
        if self._silent_since.pop(source, None) is not None:
            self._told.over(("trust.crl_unreachable", source))
            self._telemetry.event("trust.crl_reached", source=source)

    def ending(self, crl: Crl, *, usable_until: datetime) -> None:
        """Tell when it ends soon, or has ended; nothing when there is time."""
        now, ends = self._clock.now(), crl.next_update.isoformat()
        if now >= crl.next_update:
            grace = usable_until.isoformat() if usable_until > now else ""
            about = {"issuer": crl.text, "next_update": ends, "usable_until": grace}
            self._tell("trust.crl_expired", crl.issuer, crl.fingerprint + grace, alarm=True, **about)
        elif crl.next_update - now < min(SOON, (crl.next_update - crl.this_update) / 4):
            about = {"issuer": crl.text, "next_update": ends}
            self._tell("trust.crl_expiring", crl.issuer, crl.fingerprint, alarm=True, **about)

    def _tell(self, event: str, about: str, text: str, *, alarm: bool = False, **fields: Any) -> None:
        if self._told.due((event, about), self._clock.now(), saying=text, again=alarm):
            self._telemetry.event(event, alarm=alarm, **fields)
