"""bench/results.svg: what was measured, beside what it is held to (the red lines)."""

from collections.abc import Iterator
from typing import Any

from bench.bars import BARS, Bar, Parts
from bench.svg import Panel, Row, plot

_PANELS = {
    "Latency: 50 letters a second of 50 kB over STARTTLS": "latency",
    "Memory, and letters beside a crowd of idle TLS clients (share of the limit)": "memory",
    "Queue of 200,000 (share of the limit)": "queue",
    "Trust: mutual TLS on both sides, and the white list (share of the limit)": "trust",
    "Clinical documents (share of the limit)": "documents",
    "Mailboxes that are collected from (share of the limit)": "collect",
    "Import of the national directory (share of the limit)": "directory",
}


def picture(parts: Parts, title: str) -> str:
    """SVG of all parts that were measured."""
    panels = [Panel(title="Throughput: times bare Postfix, in one run", rows=list(_throughput(parts)))]
    for name, part in _PANELS.items():
        share = part != "latency"  # of one unit already
        panels.append(Panel(title=name, rows=list(_held(parts, part, share=share))))
    for octets, name in ((4_000, "4 kB"), (300_000, "300 kB")):
        rows = list(_nodes(parts.get("nodes", {}), octets))
        panels.append(Panel(title=f"Nodes on this one machine: letters of {name} delivered a second", rows=rows))
    return plot(title, panels)


def _throughput(parts: Parts) -> Iterator[Row]:
    limits = {bar.path[2]: bar for bar in BARS if bar.part == "throughput" and bar.path[3] == "postfix"}
    for work, rates in parts.get("throughput", {}).get("per_second", {}).items():
        base = rates.get("postfix")
        for who, rate in rates.items() if base else ():
            value, bar = rate / base, limits[work]
            ours = who == "gateway"
            kind = "other" if not ours else "ours" if bar.holds(value) else "missed"
            text = f"{value:.2f} x ({rate:g}/s)"
            limit = bar.limit if ours else None
            yield Row(label=f"{work}: {who}", value=value, text=text, limit=limit, kind=kind)


def _held(parts: Parts, part: str, *, share: bool) -> Iterator[Row]:
    for bar in BARS:
        if bar.part == part and (value := bar.found(parts)) is not None:
            yield _row(bar, value, bar.limit if share else 1.0)


def _row(bar: Bar, value: float, unit: float) -> Row:
    kind = "ours" if bar.holds(value) else "missed"
    text = f"{value:g}{bar.unit} ({bar.promise()})"
    return Row(label=bar.what, value=value / unit, text=text, limit=bar.limit / unit, kind=kind)


def _nodes(figures: dict[str, Any], octets: int) -> Iterator[Row]:
    for each in figures.get("settings", ()):
        if each["octets"] == octets:
            rate = each["delivered_per_second"]
            kind = "other" if "SQLite" in each["setting"] else "ours"
            yield Row(label=each["setting"], value=rate, text=f"{rate:g}/s", kind=kind)
