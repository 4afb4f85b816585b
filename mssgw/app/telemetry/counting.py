"""ports.Telemetry that counts: what the flow tells the log, it tells Prometheus by the same words."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mssgw.app.telemetry.labels import DOCUMENTS, OTHER, OUTCOMES, SWEEPS, TOLD
from mssgw.app.telemetry.metrics import Metrics
from mssgw.core.clinical import Verdict
from mssgw.flow.accept import STRIKES_BEFORE_HOLD

Fields = Mapping[str, Any]


class CountingTelemetry:
    """Turns events into metrics. Knows a few names; all others only count when they are alarms."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: dict[str, Callable[[Fields], None]] = {
            "letter.accepted": self._accepted,
            "letter.held": self._held,
            "letter.refused": self._refused,
            "letter.deferred_at_intake": lambda fields: metrics.deferred.add(_why(fields)),
            "letter.inspection_timed_out": partial(self._timed_out, "inspection"),
            "letter.documents_unverified": partial(self._timed_out, "documents"),
            "notice.sent": lambda fields: metrics.notices.inc(),
            "delivery.found_again": lambda fields: metrics.found_again.inc(),
            "receipts.written": lambda fields: metrics.receipts.inc(),
            "retention.purged": lambda fields: metrics.purged.inc(fields.get("count") or 0),
        }
        self._known |= {
            "collector.started": lambda fields: metrics.collecting(str(fields["collector"])),
            "collector.stopped": lambda fields: metrics.collects_no_more(str(fields["collector"])),
            "collector.looked": self._looked,
        }
        for outcome in OUTCOMES:
            self._known[f"delivery.{outcome}"] = partial(self._attempted, outcome)
        for result in TOLD:
            self._known[f"notification.{result}"] = partial(self._told, result)
        for sweep in SWEEPS:
            self._known[f"sweep.{sweep}"] = partial(self._swept, sweep)

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        if alarm:
            self._metrics.alarm(name)
        tell = self._known.get(name)
        if tell is not None:
            tell(fields)

    def _accepted(self, fields: Fields) -> None:
        self._metrics.accepted.inc()
        self._kept(fields)

    def _held(self, fields: Fields) -> None:
        self._metrics.held.add(_rule(fields.get("finding")))
        self._kept(fields)

    def _kept(self, fields: Fields) -> None:
        self._metrics.octets_in.inc(fields.get("size") or 0)
        for what in str(fields.get("carried") or "").split():
            self._metrics.carried.add(what)
        if fields.get("documents"):
            self._metrics.documents.add(fields["documents"])

    def _refused(self, fields: Fields) -> None:
        rule = _rule(fields.get("rule"))
        self._metrics.refused.add(rule)
        if rule == DOCUMENTS:
            self._metrics.documents.add(Verdict.REJECT.value)

    def _timed_out(self, what: str, fields: Fields) -> None:
        if (fields.get("strikes") or 1) < STRIKES_BEFORE_HOLD:  # the last time it is held, which counts as such
            self._metrics.deferred.add(what)

    def _attempted(self, outcome: str, fields: Fields) -> None:
        self._metrics.outcome(str(fields.get("route") or ""), outcome)
        if outcome == "delivered":
            self._metrics.octets_out.inc(fields.get("size") or 0)

    def _told(self, result: str, _fields: Fields) -> None:
        self._metrics.told.add(result)

    def _looked(self, fields: Fields) -> None:
        whole = not fields.get("broken_off")
        self._metrics.collected(str(fields["collector"]), fields, whole=whole)

    def _swept(self, sweep: str, _fields: Fields) -> None:
        self._metrics.swept(sweep)


def _rule(name: object) -> str:
    """A rule as it is counted: those about documents, CDA-HDR-001 and the like, together."""
    rule = str(name)
    return DOCUMENTS if rule[:3].isupper() else rule


def _why(fields: Fields) -> str:
    """Why a letter stays with its sender."""
    if fields.get("rule"):
        return "rule"
    return {"4.3.1": "disk", "4.4.2": "slow-sender", "4.3.0": "store"}.get(str(fields.get("status")), OTHER)
