"""What is told of the white list: what came of asking for it, and how old it is (WL-7)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mssgw.core.list_change import change
from mssgw.core.reminders import Reminders
from mssgw.core.trust import WhiteList
from mssgw.ports import Clock, Telemetry

ALARM_AFTER = timedelta(hours=24)  # req: WL-7
USABLE_FOR = timedelta(hours=72)  # req: WL-7
_HOUR = timedelta(hours=1)
_FIRST = timedelta(minutes=1)  # in which the first list may come before its absence is an alarm


class ListNews:
    """Tells of one source, by its name. What lasts is told again every hour."""

    def __init__(self, source: str, *, clock: Clock, telemetry: Telemetry, aloud: Telemetry) -> None:
        """``aloud``: what all workers see, one of them tells."""
        self._source, self._clock, self._telemetry, self._aloud = source, clock, telemetry, aloud
        self._began, self._told = clock.now(), Reminders()

    def taken(self, new: WhiteList, old: WhiteList | None) -> None:
        """It is in force from now on."""
        self._telemetry.event("trust.list_taken", **_about(new, old))

    def followed(self, new: WhiteList, old: WhiteList | None) -> None:
        """Another process took it."""
        self._aloud.event("trust.list_followed", **_about(new, old))

    def verified(self) -> None:
        """It is still the published one."""
        self._telemetry.event("trust.list_verified", count=0)

    def refused(self, why: str, detail: str, fingerprint: str) -> None:
        """The one in force stays."""
        self._telemetry.event(
            "trust.list_refused", alarm=True, reason=why, detail=detail, fingerprint=fingerprint, source=self._source
        )

    def unreachable(self, error: str) -> None:
        """No alarm: its age is one."""
        self._telemetry.event("trust.list_unreachable", source=self._source, error=error)

    def lost(self, error: Exception, fingerprint: str | None = None) -> None:
        """What was kept cannot be used."""
        self._telemetry.event("trust.list_lost", alarm=True, error=str(error), fingerprint=fingerprint)

    def not_kept(self, error: Exception) -> None:
        """It is in force, and only so."""
        self._last(self._telemetry, "trust.list_not_kept", error=str(error))

    def failed(self, error: Exception) -> None:
        """A defect of ours."""
        self._telemetry.event("trust.list_failed", alarm=True, failure=error)

    def age(self, age: timedelta | None) -> None:  # req: WL-7
        """Tell if it is too old; None: there is no list."""
        if age is None:
            now = self._clock.now()
            self._began = min(self._began, now)  # the clock may go back
            if now - self._began > _FIRST:
                self._last(self._aloud, "trust.list_missing")
        elif age > USABLE_FOR:
            self._last(self._aloud, "trust.list_expired", hours=age // _HOUR)
        elif age > ALARM_AFTER:
            self._last(self._aloud, "trust.list_stale", hours=age // _HOUR)

    def _last(self, telemetry: Telemetry, name: str, *, hours: int | None = None, error: str | None = None) -> None:
        if self._told.due(name, self._clock.now()):
            telemetry.event(name, alarm=True, source=self._source, hours=hours, error=error)


def _about(new: WhiteList, old: WhiteList | None) -> Mapping[str, Any]:
    changed = change(old, new) if old is not None else None
    return {
        "fingerprint": new.fingerprint,
        "generated_at": new.generated_at.isoformat(),
        "entries": new.entries,
        "unreadable": new.unreadable,
        "domains": len(new.operators),
        "operators": len(new.domains),
        "added": len(changed.added) if changed else None,
        "removed": len(changed.removed) if changed else None,
    }
