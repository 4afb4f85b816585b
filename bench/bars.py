"""What the figures are held against, in one place: the console, the plot and docs/performance.md read it here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

READING_MILTER = "postfix+milter that reads documents"

Parts = Mapping[str, Any]  # name of a part to its figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One promise: the figure at ``path`` is at least ``limit``, or below it."""

    what: str
    path: tuple[str, ...]
    limit: float
    at_least: bool = False
    unit: str = ""

    @property
    def part(self) -> str:
        return self.path[0]

    def found(self, parts: Parts) -> float | None:
        """The figure, or None when it was not measured."""
        here: Any = parts
        for key in self.path:
            if not isinstance(here, Mapping) or key not in here:
                return None
            here = here[key]
        return float(here)

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value < self.limit

    def promise(self) -> str:
        return f"{'>=' if self.at_least else '<'} {self.limit:g}{self.unit}"


def _ratio(work: str, limit: float, other: str = "postfix") -> Bar:
    against = {"postfix": "bare Postfix", "postfix+milter": "Postfix + milter"}.get(other, "the same reading documents")
    what = f"gateway / {against}, {work}"
    return Bar(what=what, path=("throughput", "ratios", work, other), limit=limit, at_least=True, unit=" x")


def _queue(store: str, name: str) -> tuple[Bar, Bar]:
    return (
        Bar(
            what=f"queue list --limit 50, 200,000 waiting, {name}",
            path=("queue", store, "queue_list_seconds", "many"),
            limit=1.0,
            unit=" s",
        ),
        Bar(
            what=f"claims a second, 200,000 / 1,000 waiting, {name}",
            path=("queue", store, "claims_per_second", "ratio"),
            limit=0.8,
            at_least=True,
            unit=" x",
        ),
    )


def _white_list(form: str) -> tuple[Bar, Bar]:
    here = ("trust", "white_list", "made", form)
    return (
        Bar(what=f"white list of 6,554 entries read, {form}", path=(*here, "seconds"), limit=0.5, unit=" s"),
        Bar(
            what=f"white list beside the one in force, {form}, above idle",
            path=(*here, "next_above_mb"),
            limit=60,
            unit=" MB",
        ),
    )


BARS = (
    _ratio("4 kB", 1.0),
    _ratio("letter", 1.2),
    _ratio("300 kB", 1.2),
    _ratio("9 MB", 1.2),
    _ratio("letter", 1.5, READING_MILTER),
    *(_ratio(work, 2.0, "postfix+milter") for work in ("4 kB", "letter", "300 kB", "9 MB")),
    Bar(what="final dot to 250, p99", path=("latency", "to_250_ms", "p99"), limit=100, unit=" ms"),
    Bar(what="end to end, p99", path=("latency", "end_to_end_ms", "p99"), limit=500, unit=" ms"),
    Bar(what="event-loop lag, p99", path=("latency", "loop_lag_ms", "p99"), limit=50, unit=" ms"),
    Bar(what="20 x 10 Mo at once, above idle", path=("memory", "burst", "above_mb"), limit=150, unit=" MB"),
    Bar(what="growth for 1,000 letters", path=("memory", "growth", "mb_per_1000"), limit=1, unit=" MB"),
    Bar(what="errors beside the crowd", path=("memory", "crowd", "beside", "errors"), limit=1),
    Bar(
        what="final dot to 250 beside the crowd, p99",
        path=("memory", "crowd", "beside", "to_250_ms", "p99"),
        limit=100,
        unit=" ms",
    ),
    *_queue("sqlite", "SQLite"),
    *_queue("postgresql", "PostgreSQL"),
    Bar(
        what="2,000 waiting letters collected, a second",
        path=("collect", "per_second"),
        limit=50,
        at_least=True,
    ),
    Bar(
        what="200 mailboxes that only wait, above idle, one process",
        path=("collect", "mb_all"),
        limit=150,
        unit=" MB",
    ),
    *(
        Bar(
            what=f"import of the directory, 536,000 rows, {what}",
            path=("directory", "sqlite", "second", key),
            limit=limit,
            unit=unit,
        )
        for what, key, limit, unit in (("time", "seconds", 90, " s"), ("memory", "mb", 300, " MB"))
    ),
    Bar(
        what="gateway / Postfix, mutual TLS on both sides, 300 kB",
        path=("trust", "ratio"),
        limit=1.0,
        at_least=True,
        unit=" x",
    ),
    *_white_list("unsigned"),
    *_white_list("signed"),
    Bar(
        what="documents judged a second, ANS samples, 2 processes",
        path=("documents", "given", "per_second"),
        limit=400,
        at_least=True,
    ),
    Bar(what="judging one, ANS samples, p95", path=("documents", "given", "ms", "p95"), limit=15, unit=" ms"),
    Bar(what="judging a PDF of 7 MB in a document", path=("documents", "own", "pdf_ms"), limit=60, unit=" ms"),
    Bar(
        what="event-loop lag while documents are judged, p99",
        path=("documents", "dialogue", "loop_lag_ms", "p99"),
        limit=50,
        unit=" ms",
    ),
    Bar(what="attacks on documents not refused", path=("attacks", "not_refused"), limit=1),
    Bar(what="refusing the dearest attack", path=("attacks", "ms"), limit=100, unit=" ms"),
    Bar(what="refusing it by the guard alone", path=("attacks", "guard_ms"), limit=50, unit=" ms"),
    Bar(what="refusing the dearest attack, above idle", path=("attacks", "mb"), limit=50, unit=" MB"),
    Bar(what="memory of a validator", path=("documents", "given", "worker_mb"), limit=120, unit=" MB"),
)
