"""Write the figures of bench/results.json into docs/performance.md, between its markers.

    python -m bench.report            after a run
    python -m bench.report --check    say whether the page tells what was measured (exit code 1 when it does not)

What stands between ``<!-- figures: NAME -->`` and ``<!-- end -->`` is written here and nowhere else.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.bars import BARS, Bar
from bench.markdown import NOT_MEASURED, Results, figures_of, table
from bench.report_mailboxes import collect, directory

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, results: Results) -> str:
    """The page with its blocks written anew. Raises KeyError for a block that nobody writes."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]](results) + found[3], page)


def _machine(results: Results) -> str:
    if not results["parts"]:
        return NOT_MEASURED
    machine, versions = results["machine"], results["versions"]
    listed = ", ".join(f"{name} {each}" for name, each in versions.items())
    words = f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, Linux {machine['kernel']}"
    rows = [
        [name, entry["at"], f"`{entry['commit']}`", entry["load_before"][0], entry["took_seconds"], _form(entry)]
        for name, entry in results["parts"].items()
    ]
    head = ("part", "begun (UTC)", "commit", "load before", "took (s)", "form")
    return f"{words}. {listed}.\n\n" + table(head, rows)


def _form(entry: Mapping[str, Any]) -> str:
    why = entry.get("missing") or entry.get("failed")
    return str(why) if why else "quick: not to be quoted" if entry["quick"] else "whole"


def _bars(results: Results) -> str:
    parts = {name: figures_of(results, name) for name in results["parts"]}
    return table(("what", "promised", "measured", ""), (_held(bar, bar.found(parts)) for bar in BARS))


def _held(bar: Bar, value: float | None) -> Sequence[str]:
    if value is None:
        return bar.what, bar.promise(), "not measured", ""
    return bar.what, bar.promise(), f"{value:g}{bar.unit}", "holds" if bar.holds(value) else "**missed**"


def _throughput(results: Results) -> str:
    figures = figures_of(results, "throughput")
    if not figures:
        return NOT_MEASURED
    rates, used = figures["per_second"], figures["cpu_ms"]
    names = max(map(list, rates.values()), key=len)  # who reads documents takes part only where there are some
    others = [name for name in names if name != "gateway"]
    head = ["letters a second", *names, *(f"gateway / {name}" for name in others)]
    rows = [
        [work, *(of.get(name, "") for name in names), *(figures["ratios"][work].get(name, "") for name in others)]
        for work, of in rates.items()
    ]
    spent = [[work, *(of.get(name, "") for name in names)] for work, of in used.items()]
    absent = "".join(f"\nWithout {name}: {why}.\n" for name, why in figures["absent"].items())
    return table(head, rows) + "\n" + table(["processor time a letter (ms)", *names], spent) + absent


def _latency(results: Results) -> str:
    figures = figures_of(results, "latency")
    if not figures:
        return NOT_MEASURED
    return _times({"": figures}) + (f"\n{disk}\n" if (disk := _disk(figures)) else "")


def _disk(figures: Mapping[str, Any]) -> str:
    spent = ", ".join(f"{share} {time}" for share, time in figures.get("disk_ms", {}).items())
    return f"The disk alone, just before: {spent}." if spent else ""


def _times(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Rows of percentiles; runs beside each other as pairs of columns."""
    names = {
        "late_ms": "begun late by (the client's own delay)",
        "to_250_ms": "final dot to 250",
        "end_to_end_ms": "due to final dot at the next hop",
        "loop_lag_ms": "event-loop lag of the gateway",
    }
    shares = ("p50", "p99", "max")
    head = ["milliseconds", *(f"{run} {share}".strip() for run in runs for share in shares)]
    rows = [
        [name, *(of[key].get(share, "") for of in runs.values() for share in shares)] for key, name in names.items()
    ]
    counted = "; ".join(
        f"{run + ': ' if run else ''}{of['letters']:,} letters, {of['errors']} errors" for run, of in runs.items()
    )
    return table(head, rows) + f"\n{counted}.\n"


def _memory(results: Results) -> str:
    figures = figures_of(results, "memory")
    if not figures:
        return NOT_MEASURED
    rows = []
    if "burst" in figures:
        burst, growth = figures["burst"], figures["growth"]
        rows += [
            ["idle, after 200 letters", f"{burst['idle_mb']} MB"],
            [f"{burst['letters']} letters of 10 Mo at once, above idle, worst round", f"{burst['above_mb']} MB"],
            [f"growth for each 1,000 letters, over {growth['letters']:,}", f"{growth['mb_per_1000']} MB"],
        ]
    crowd = figures["crowd"]
    rows.append([f"{crowd['idle']} idle and {crowd['half_open']} half-open TLS clients", f"{crowd['crowd_mb']} MB"])
    runs = {"alone": crowd["alone"], "beside the crowd": crowd["beside"]}
    return table(("memory of all processes", ""), rows) + "\n" + _times(runs)


def _queue(results: Results) -> str:
    figures = figures_of(results, "queue")
    if not figures:
        return NOT_MEASURED
    names = {
        "claims_per_second": "claims a second",
        "claim_cpu_ms": "processor time of a claim (ms)",
        "queue_list_seconds": "`queue list --limit 50` (s)",
        "queue_list_cpu_seconds": "its processor time (s)",
    }
    rows = []
    for store in ("sqlite", "postgresql"):
        for key, name in names.items() if store in figures else ():
            found = figures[store][key]
            rows.append([f"{name}, {store}", found["few"], found["many"], found["ratio"]])
    return table(("", f"{figures['few']:,} waiting", f"{figures['many']:,} waiting", "ratio"), rows)


def _nodes(results: Results) -> str:
    figures = figures_of(results, "nodes")
    if not figures:
        return NOT_MEASURED
    head = (
        "setting",
        "octets",
        "letters a second",
        "gateway, ms a letter",
        "PostgreSQL, ms a letter",
        "both of all cores",
    )
    cores = results["machine"]["cores"]
    rows = []
    for each in figures["settings"]:
        rate, ours, theirs = (each[key] for key in ("delivered_per_second", "gateway_cpu_ms", "postgres_cpu_ms"))
        share = f"{rate * (ours + theirs) / 1000 / cores:.0%}"
        rows.append((each["setting"], f"{each['octets']:,}", rate, ours, theirs, share))
    return table(head, rows)


def _trust(results: Results) -> str:
    figures = figures_of(results, "trust")
    if not figures:
        return NOT_MEASURED
    shakes, others = figures["handshakes"], ("postfix", "postfix+reuse", "s_server", "gateway")
    measured = {
        "letters of 300 kB a second": figures["per_second"],
        "gateway / this one": {"postfix": figures["ratio"], "postfix+reuse": figures["ratio_reuse"]},
        "processor time a letter (ms)": figures["cpu_ms"],
        "full handshakes a second": shakes["per_second"],
        "processor time a handshake (ms)": shakes["cpu_ms"],
    }
    head = ("mutual TLS", "Postfix", "Postfix, connections reused", "`openssl s_server`", "gateway")
    compared = table(head, ([name, *(of.get(each, "") for each in others)] for name, of in measured.items()))
    return compared + "\n" + _white_list(figures["white_list"])


def _white_list(figures: Mapping[str, Any]) -> str:
    names = {
        "seconds": "read and indexed (s), median",
        "idle_mb": "resident before (MB)",
        "above_mb": "above it, at most (MB)",
        "stays_mb": "above it, afterwards (MB)",
        "next_above_mb": "above it, at most, when the next list is read (MB)",
    }
    lists = {name: figures[name] for name in ("made", "given") if name in figures}
    forms = [(f"{name}, {form}", of[form]) for name, of in lists.items() for form in ("unsigned", "signed")]
    rows = ([name, *(of[key] for _, of in forms)] for key, name in names.items())
    held = "".join(
        f"\nThe list {name}: {of['octets']:,} octets, {of['entries']:,} entries, {of['domains']:,} domains, "
        f"{of['operators']} operators.\n"
        for name, of in lists.items()
    )
    return table(("white list", *(name for name, _ in forms)), rows) + held


def _documents(results: Results) -> str:
    figures = figures_of(results, "documents")
    if not figures:
        return NOT_MEASURED
    names = {
        "letters": "letters judged",
        "mean_kb": "octets of a letter, mean (kB)",
        "per_second": "documents a second",
        "bare_per_second": "parsing, XSD and 45 XPaths alone, documents a second",
        "worker_mb": "resident, the larger process (MB)",
        "pdf_ms": "a PDF of 7 MB in a document (ms)",
        "worker_after_pdf_mb": "resident, after several of these (MB)",
    }
    runs = [figures[name] for name in ("own", "given") if name in figures]
    rows = [[name, *(f"{run[key]:,}" if key in run else "" for run in runs)] for key, name in names.items()]
    times = (
        [f"judging a letter, {share} (ms)", *(run["ms"][share] for run in runs)] for share in ("p50", "p95", "max")
    )
    schema = "with" if figures["xsd"] else "without"
    judged = table((f"documents, {schema} XSD", "own samples", "given")[: 1 + len(runs)], [*rows, *times])
    through = figures["dialogue"]
    named = {"to_250_ms": "final dot to 250", "end_to_end_ms": "due to final dot at the next hop"}
    lines = [[what, *(through[key][share] for share in ("p50", "p99", "max"))] for key, what in named.items()]
    lag = through["loop_lag_ms"]
    lines.append(["event-loop lag of the gateway", lag["p50"], lag["p99"], ""])
    head = (f"{through['rate']:g} letters of {through['octets'] // 1000} kB a second (ms)", "p50", "p99", "max")
    told = f"{through['letters']:,} letters, {through['errors']} errors. {_disk(through)}".rstrip()
    return f"{judged}\n\n{table(head, lines)}\n\n{told}"


BLOCKS: Mapping[str, Callable[[Results], str]] = {
    "machine": _machine,
    "bars": _bars,
    "throughput": _throughput,
    "latency": _latency,
    "memory": _memory,
    "queue": _queue,
    "nodes": _nodes,
    "trust": _trust,
    "documents": _documents,
    "collect": collect,
    "directory": directory,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results.json", help="what was measured")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/performance.md", help="where to write it")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    given = parser.parse_args()
    if not given.results.exists():
        print(f"there is no {given.results}: run make bench first", file=sys.stderr)
        return 1
    before = given.page.read_text()
    after = filled(before, json.loads(given.results.read_text()))
    if given.check:
        print("the page tells what was measured" if before == after else "run: python -m bench.report")
        return int(before != after)
    given.page.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
