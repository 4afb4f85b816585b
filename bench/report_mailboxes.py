"""The blocks of docs/performance.md about mailboxes and the directory."""

from bench.markdown import NOT_MEASURED, Results, figures_of, table


def collect(results: Results) -> str:
    figures = figures_of(results, "collect")
    if not figures:
        return NOT_MEASURED
    many = f"{figures['mailboxes']} mailboxes that only wait (IDLE)"
    rows = (
        ["letters of 20 kB that waited in one mailbox", f"{figures['letters']:,}"],
        ["collected and delivered a second", figures["per_second"]],
        ["from the first to the last (s)", figures["seconds"]],
        [f"{many}, above a gateway without", f"{figures['mb_all']} MB"],
        ["each of them", f"{figures['mb_each']} MB"],
    )
    return table(("collecting", ""), rows)


def directory(results: Results) -> str:
    figures = figures_of(results, "directory")
    if not figures:
        return NOT_MEASURED
    stores = [name for name in ("sqlite", "postgresql") if name in figures]
    runs = [figures[store][each] for store in stores for each in ("first", "second")]
    head = [f"{figures['rows']:,} rows", *(f"{store}, {each}" for store in stores for each in ("first", "second"))]
    rows = [
        ["import (s)", *(run["seconds"] for run in runs)],
        ["memory of the command, at most (MB)", *(run["mb"] for run in runs)],
        *(
            [f"a commit beside it, {share} (ms)", *(run["waited_ms"][share] for run in runs)]
            for share in ("median", "p99", "max")
        ),
    ]
    return table(head, rows)
