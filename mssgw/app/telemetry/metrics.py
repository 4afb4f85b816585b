"""What the gateway counts and measures, in Prometheus' terms.

Every label has a fixed set of values (labels.py) that stand at 0 from the start: an alert on a series that does not
exist yet never fires. One registry a process: ``Metrics`` owns it. Several workers: app/eyes/family.py.
"""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import mssgw
from mssgw.app.telemetry.labels import (
    ALARMS,
    CARRIED,
    COLLECTED,
    COMMITS,
    DEFERRALS,
    OTHER,
    OUTCOMES,
    RULES,
    SMTP_REFUSALS,
    SPOOL_STEPS,
    SWEEPS,
    TOLD,
    VERDICTS,
    short_route,
)
from mssgw.ports import Census

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
AGES = (5.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0)  # seconds in the queue
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds: disk and loop
_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Labelled:
    """A counter with one label of known values; what is not known counts as ``other``."""

    def __init__(self, registry: CollectorRegistry, name: str, what: str, label: str, values: Iterable[str]) -> None:
        self._counter = Counter(name, what, (label,), registry=registry)
        self._children = {value: self._counter.labels(value) for value in dict.fromkeys((*values, OTHER))}

    def add(self, value: str | int | float | None, amount: float = 1) -> None:
        child = self._children.get(str(value))
        (child or self._children[OTHER]).inc(amount)


class Metrics:
    """The registry and its instruments; ports.Meter for edges. Safe from any thread."""

    def __init__(self, *, housekeeping: bool = True) -> None:
        """``housekeeping``: this process sweeps and counts the queue, for all."""
        self.registry = registry = CollectorRegistry()
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for
        self._watched: dict[str, Gauge] = {}
        self._letters(registry)
        self._deliveries(registry)
        self._collectors(registry)
        self._mailboxes(registry)
        self._machine(registry)
        self._alarms(registry)
        self._swept = dict.fromkeys(SWEEPS, time.time())
        self.census = CensusCollector()
        if housekeeping:
            self._housekeeping(registry)
        ProcessCollector(registry=registry)  # process_resident_memory_bytes, _cpu_seconds_total, _open_fds

    def _letters(self, registry: CollectorRegistry) -> None:
        self.accepted = Counter(
            "mssgw_letters_accepted", "Letters answered with 250 and on their way.", registry=registry
        )
        self.held = Labelled(registry, "mssgw_letters_held", "Letters accepted and kept for a person.", "rule", RULES)
        self.refused = Labelled(
            registry, "mssgw_letters_refused", "Letters or recipients refused (5xx).", "rule", RULES
        )
        self.deferred = Labelled(
            registry, "mssgw_letters_deferred", "Letters left with their sender (4xx) at DATA.", "reason", DEFERRALS
        )
        self.documents = Labelled(
            registry,
            "mssgw_documents_letters",
            "Letters with clinical documents, by what became of these.",
            "verdict",
            VERDICTS,
        )
        self.carried = Labelled(
            registry,
            "mssgw_documents_carried",
            "Accepted letters by what they carry; what nobody could check is told as well.",
            "what",
            CARRIED,
        )
        self.octets_in = Counter("mssgw_octets_accepted", "Octets of accepted letters.", registry=registry)
        self.smtp_refused = Labelled(
            registry,
            "mssgw_smtp_refusals",
            "Replies 4xx and 5xx of the listeners that no rule decided.",
            "reason",
            SMTP_REFUSALS.values(),
        )
        self.smtp_errors = Counter("mssgw_smtp_errors", "Defects met during dialogues.", registry=registry)

    def _deliveries(self, registry: CollectorRegistry) -> None:
        self._outcomes = Counter(
            "mssgw_deliveries", "Attempts by outcome, one for each recipient.", ("route", "outcome"), registry=registry
        )
        self._routes: set[str] = set()
        self.routes(("", OTHER))
        self.octets_out = Counter("mssgw_octets_delivered", "Octets of delivered letters.", registry=registry)
        self.notices = Counter(
            "mssgw_notices_sent",
            "Notices to senders: of failure, of delay, and of relaying on request.",
            registry=registry,
        )
        self.told = Labelled(
            registry, "mssgw_notifications", "Attempts to say that letters wait in a mailbox.", "result", TOLD
        )

    def _collectors(self, registry: CollectorRegistry) -> None:
        self._collected = Counter(
            "mssgw_collector_letters",
            "Messages of a mailbox, by what became of them.",
            ("collector", "fate"),
            registry=registry,
        )
        self._looked = Gauge(
            "mssgw_collector_age_seconds",
            "Time since this mailbox was last looked through; of those that this node collects from.",
            ("collector",),
            registry=registry,
        )

    def _mailboxes(self, registry: CollectorRegistry) -> None:
        self.found_again = Counter(
            "mssgw_deliveries_found_again",
            "Letters that lay in their mailbox already, and were not put there twice.",
            registry=registry,
        )
        self.receipts = Counter(
            "mssgw_receipts_sent", "Read receipts written when readers or programs gave their sign.", registry=registry
        )
        self.purged = Counter(
            "mssgw_letters_purged", "Letters deleted from mailboxes, as announced.", registry=registry
        )

    def _machine(self, registry: CollectorRegistry) -> None:
        commit = Histogram("mssgw_commit_seconds", "One transaction of the writer.", buckets=_FAST, registry=registry)
        units = Histogram("mssgw_commit_units", "What shared one transaction.", buckets=_UNITS, registry=registry)
        spool = Histogram(
            "mssgw_spool_write_seconds",
            "Writing to a spool file; sync: the last write with fsync of file and directory.",
            ("step",),
            buckets=_FAST,
            registry=registry,
        )
        lag = Histogram("mssgw_event_loop_lag_seconds", "How late a timer fires.", buckets=_FAST, registry=registry)
        self._distributions = {"commit.seconds": commit, "commit.units": units, "loop.lag": lag}
        self._distributions |= {f"spool.{step}": spool.labels(step) for step in SPOOL_STEPS}
        self.commits = Labelled(registry, "mssgw_commits", "Transactions of the writer.", "result", COMMITS)
        build = Gauge(
            "mssgw_build_info", "Version of the gateway and of Python.", ("version", "python"), registry=registry
        )
        build.labels(mssgw.__version__, ".".join(map(str, sys.version_info[:3]))).set(1)
        Gauge("mssgw_start_time_seconds", "When this process started.", registry=registry).set(time.time())
        self.ready = Gauge("mssgw_ready", "1 while /readyz says yes.", registry=registry)
        self.disk_free = Gauge("mssgw_disk_free_bytes", "Free space where the state lies.", registry=registry)

    def _housekeeping(self, registry: CollectorRegistry) -> None:
        registry.register(self.census)
        self.receipts_waiting = Gauge(
            "mssgw_receipts_waiting",
            "Letters in mailboxes of patients of ours whose senders wait for a read receipt.",
            registry=registry,
        )
        self.unread = Gauge(
            "mssgw_letters_unread",
            "Letters that asked for a read receipt and have none after [reports] unread_after.",
            registry=registry,
        )
        age = Gauge("mssgw_sweep_age_seconds", "Time since this sweep last ended well.", ("sweep",), registry=registry)
        for step in SWEEPS:
            age.labels(step).set_function(lambda step=step: time.time() - self._swept[step])  # type: ignore[misc]

    def _alarms(self, registry: CollectorRegistry) -> None:
        self._alarm_at = Gauge(
            "mssgw_alarm", "Unix time of the last alarm of this event; 0: none.", ("event",), registry=registry
        )
        self._alarm_count = Counter("mssgw_alarms", "Alarms since the start.", ("event",), registry=registry)
        for event in ALARMS:
            self._alarm_at.labels(event), self._alarm_count.labels(event)

    # --- ports.Meter -------------------------------------------------------------------------------------------

    def observe(self, name: str, value: float) -> None:
        distribution = self._distributions.get(name)
        if distribution is not None:
            distribution.observe(value)

    def count(self, name: str, kind: str) -> None:
        if name == "commit":
            self.commits.add(kind)
        elif name == "smtp.refused":
            self.smtp_refused.add(SMTP_REFUSALS.get(kind, OTHER))
        elif name == "smtp.error":
            self.smtp_errors.inc()

    # --- what events tell --------------------------------------------------------------------------------------

    def alarm(self, event: str) -> None:
        """Event names are words of our own source: one that ALARMS forgot is shown all the same."""
        self._alarm_at.labels(event).set_to_current_time()
        self._alarm_count.labels(event).inc()

    def outcome(self, route: str, outcome: str) -> None:
        known = short_route(route)
        known = known if known in self._routes else OTHER
        self._outcomes.labels(known, outcome if outcome in OUTCOMES else OTHER).inc()

    def collecting(self, collector: str) -> None:
        """This node collects from that mailbox, beginning now."""
        for fate in COLLECTED:
            self._collected.labels(collector, fate)
        self._looked_now(collector)

    def collects_no_more(self, collector: str) -> None:
        """Another node does, or nobody."""
        with contextlib.suppress(KeyError):
            self._looked.remove(collector)

    def collected(self, collector: str, fates: Mapping[str, int], *, whole: bool) -> None:
        """What a look through that mailbox brought; ``whole``: it came to the end."""
        for fate in COLLECTED:
            self._collected.labels(collector, fate).inc(fates.get(fate, 0))
        if whole:
            self._looked_now(collector)

    def _looked_now(self, collector: str) -> None:
        now = time.monotonic()
        self._looked.labels(collector).set_function(lambda: time.monotonic() - now)

    def swept(self, sweep: str) -> None:
        if sweep in self._swept:
            self._swept[sweep] = time.time()

    # --- what the configuration tells ----------------------------------------------------------------------------

    def routes(self, names: Iterable[str]) -> None:
        """Let the series of these routes stand; after a reload again, old ones stay."""
        for route in {short_route(name) for name in names} - self._routes:
            self._routes.add(route)
            for outcome in OUTCOMES:
                self._outcomes.labels(route, outcome)

    def watch(self, name: str, what: str, value: Callable[[], float], **labels: str) -> None:
        """A gauge whose value is asked for at each scrape, on the event loop."""
        gauge = self._watched.get(name)
        if gauge is None:
            gauge = self._watched[name] = Gauge(name, what, tuple(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(value)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)


class CensusCollector(Collector):
    """The queue as it was counted last. Depths and ages come and go, so they are gauges, the histogram too."""

    def __init__(self) -> None:
        self.latest = Census(younger=(0,) * len(AGES))

    def collect(self) -> Iterator[prometheus_client.Metric]:
        census = self.latest
        depth = GaugeMetricFamily(
            "mssgw_queue_deliveries", "Open deliveries, one for each recipient.", labels=("state",)
        )
        for state in ("waiting", "sending", "held"):
            depth.add_metric((state,), getattr(census, state))
        yield depth
        yield GaugeMetricFamily("mssgw_queue_oldest_seconds", "Age of the oldest open delivery.", census.oldest)
        yield GaugeHistogramMetricFamily(
            "mssgw_queue_age_seconds",
            "Ages of the open deliveries.",
            buckets=_buckets(census.younger, census.open),
            gsum_value=census.total_age,
        )


def _buckets(younger: Sequence[int], everything: int) -> list[tuple[str, float]]:
    limits = (*AGES[: len(younger)], math.inf)
    return [
        ("+Inf" if math.isinf(each) else str(each), n) for each, n in zip(limits, (*younger, everything), strict=True)
    ]
