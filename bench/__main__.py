"""The whole suite, part by part: ``make bench``, or ``make bench QUICK=1`` to see that it runs.

Writes bench/results.json (machine, versions, commit, every figure) and bench/results.svg, and prints each figure beside
what it is held to; a quick run writes to var/bench/, for its figures are not worth keeping. A part that cannot run here
says why; with --only, the other parts keep what was measured before.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import attacks, collect, directory, documents, latency, machine, memory, nodes_throughput, throughput, trust
from bench.bars import BARS
from bench.part import Figures, Missing, parser, say
from bench.pictures import picture
from bench.queue import measure

HERE = Path(__file__).resolve().parent
MANY = 200_000


def queue(*, quick: bool) -> Figures:
    return measure(
        few=1_000, many=10_000 if quick else MANY, rounds=5 if quick else 20, say=lambda text: say(f"  {text}")
    )


PARTS: dict[str, Callable[..., Figures]] = {
    "throughput": throughput.figures,
    "latency": latency.figures,
    "memory": memory.figures,
    "queue": queue,
    "nodes": nodes_throughput.figures,
    "trust": trust.figures,
    "documents": documents.figures,
    "attacks": attacks.figures,
    "collect": collect.figures,
    "directory": directory.figures,
}


def measured(name: str, *, quick: bool) -> dict[str, Any]:
    """One part: its figures, or why there are none."""
    say(f"{name} ...")
    os.sync()  # gigabytes that an earlier part left to be written would make this one's fsync wait
    begin = time.monotonic()
    entry: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "quick": quick,
        "load_before": machine.load(),
    }
    try:
        entry["figures"] = PARTS[name](quick=quick)
    except Missing as why:
        entry["missing"] = str(why)
        say(f"  not measured: {why}")
    except Exception as error:  # the other parts are worth having
        traceback.print_exc()
        entry["failed"] = f"{type(error).__name__}: {error}"
    entry["took_seconds"] = round(time.monotonic() - begin, 1)
    return entry


def lines(parts: dict[str, Figures]) -> Iterable[str]:
    """Each figure beside its bar, for people."""
    for bar in BARS:
        value = bar.found(parts)
        shown = "not measured" if value is None else f"{value:g}{bar.unit}"
        verdict = "" if value is None else "holds" if bar.holds(value) else "MISSED"
        yield f"{bar.what:<58}{shown:>14}   {bar.promise():<12}{verdict}"


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--only", help=f"some parts, separated by commas: {','.join(PARTS)}")
    arguments.add_argument("--list", type=Path, help="part trust: a white list to read beside the one that is made")
    arguments.add_argument("--json", type=Path, help="where to write (default bench/results.json; quick: var/bench/)")
    given = arguments.parse_args()
    chosen = given.only.split(",") if given.only else list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        arguments.error(f"there is no part {', '.join(sorted(unknown))}")
    PARTS["trust"] = partial(trust.figures, white_list_file=given.list)
    file = given.json or (HERE.parent / "var/bench" if given.quick else HERE) / "results.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    results: dict[str, Any] = {"machine": machine.machine(), "versions": machine.versions(), "parts": {}}
    if given.only and file.exists():
        results["parts"] = json.loads(file.read_text())["parts"]
    for name in chosen:
        results["parts"][name] = measured(name, quick=given.quick)
        file.write_text(json.dumps(results, indent=1) + "\n")
    figures = {name: entry["figures"] for name, entry in results["parts"].items() if "figures" in entry}
    title = (
        f"mssgw {machine.commit()}, {results['machine']['cores']} cores{', QUICK: do not quote' if given.quick else ''}"
    )
    file.with_suffix(".svg").write_text(picture(figures, title))
    print("\n".join(lines(figures)))
    return 1 if any("failed" in results["parts"][name] for name in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
