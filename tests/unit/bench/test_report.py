"""The plot and the page say what results.json says, and nothing else."""

import copy
import json
from xml.etree import ElementTree

import pytest

from bench.bars import BARS, Bar
from bench.pictures import picture
from bench.report import BLOCKS, ROOT, filled
from bench.svg import Panel, Row, plot

_TIMES = {key: {"p50": 4.0, "p99": 40.0, "max": 90.0} for key in ("late_ms", "to_250_ms", "end_to_end_ms")}
_RUN = {"letters": 400, "errors": 0, **_TIMES, "loop_lag_ms": {"p50": 1.0, "p99": 20.0}}
_CLAIMS = {"few": 900.0, "many": 600.0, "ratio": 0.667}
_READ = {"seconds": 0.25, "idle_mb": 80.0, "above_mb": 30.0, "stays_mb": 25.0, "next_above_mb": 35.0}
_LIST = {"octets": 3_700_000, "entries": 6_554, "domains": 5_002, "operators": 392, "unsigned": _READ, "signed": _READ}
_QUESTIONS = ("claims_per_second", "claim_cpu_ms", "queue_list_seconds", "queue_list_cpu_seconds")
_JUDGED = {
    "letters": 2_000,
    "documents": 2_000,
    "mean_kb": 300,
    "per_second": 450.0,
    "ms": {"p50": 4.0, "p95": 14.0, "max": 30.0},
    "pdf_ms": 50.0,
    "worker_mb": 60.0,
    "worker_after_pdf_mb": 80.0,
}
_IMPORT = {"seconds": 45.0, "mb": 210, "waited_ms": {"median": 1.0, "p99": 20.0, "max": 90.0}}
FIGURES = {
    "throughput": {
        "absent": {"postfix+milter": "needs <python3-milter>"},
        "per_second": {"4 kB": {"postfix": 800.0, "gateway": 1_000.0}, "9 MB": {"postfix": 18.0, "gateway": 18.0}},
        "cpu_ms": {"4 kB": {"postfix": 1.5, "gateway": 1.2}, "9 MB": {"postfix": 70.0, "gateway": 45.0}},
        "ratios": {"4 kB": {"postfix": 1.25}, "9 MB": {"postfix": 1.0}},
    },
    "latency": _RUN,
    "memory": {
        "burst": {"letters": 20, "idle_mb": 120.0, "above_mb": 101.5},
        "growth": {"letters": 12_000, "mb_per_1000": 0.25},
        "crowd": {"idle": 500, "half_open": 500, "crowd_mb": 90.0, "alone": _RUN, "beside": _RUN},
    },
    "queue": {
        "few": 1_000,
        "many": 200_000,
        "sqlite": dict.fromkeys(_QUESTIONS, _CLAIMS),
    },
    "nodes": {
        "settings": [
            {
                "setting": "1 node, SQLite",
                "octets": 4_000,
                "delivered_per_second": 500.0,
                "gateway_cpu_ms": 1.0,
                "postgres_cpu_ms": 1.0,
            }
        ]
    },
    "trust": {
        "per_second": {"postfix": 100.0, "postfix+reuse": 110.0, "gateway": 125.0},
        "cpu_ms": {"postfix": 8.0, "gateway": 7.5},
        "ratio": 1.25,
        "ratio_reuse": 1.14,
        "handshakes": {
            "per_second": {"s_server": 400.0, "gateway": 420.0},
            "cpu_ms": {"s_server": 1.5, "gateway": 2.0},
            "ratio": 1.05,
        },
        "white_list": {"made": _LIST},
    },
    "documents": {"xsd": True, "own": _JUDGED, "given": _JUDGED, "dialogue": {**_RUN, "rate": 30.0, "octets": 300_000}},
    "collect": {
        "letters": 2_000,
        "seconds": 8.0,
        "per_second": 250.0,
        "mailboxes": 200,
        "mb_all": 30.0,
        "mb_each": 0.15,
    },
    "directory": {"rows": 536_000, "sqlite": {"first": _IMPORT, "second": _IMPORT}},
}
_ENTRY = {
    "at": "2026-11-21T22:00:00+00:00",
    "commit": "0123456789ab",
    "quick": False,
    "load_before": [0.1, 0.1, 0.1],
    "took_seconds": 9.0,
}
RESULTS = {
    "machine": {"cores": 2, "processor": "Example", "memory_gb": 8.0, "kernel": "6.1"},
    "versions": {"python": "3.11.2", "postfix": "3.7.11"},
    "parts": {name: {**_ENTRY, "figures": figures} for name, figures in FIGURES.items()},
}
PAGE = "# Title\n\n" + "".join(f"<!-- figures: {name} -->\nold\n<!-- end -->\n\nkept\n\n" for name in BLOCKS)


def test_a_bar_knows_its_figure_and_on_which_side_it_must_be():
    least = Bar(what="x", path=("throughput", "ratios", "4 kB", "postfix"), limit=1.25, at_least=True)
    assert least.found(FIGURES) == 1.25
    assert (least.holds(1.25), least.holds(1.24)) == (True, False)
    below = Bar(what="y", path=("latency", "nowhere", "p99"), limit=100)
    assert below.found(FIGURES) is None
    assert (below.holds(99.9), below.holds(100.0)) == (True, False)


def test_the_bars_are_those_that_were_promised():
    """Each with its own path: a typing error in one would read as not measured for ever."""
    paths = [bar.path for bar in BARS]
    assert len(set(paths)) == len(paths)
    named = {path[0] for path in paths}
    assert named == {
        "throughput",
        "latency",
        "memory",
        "queue",
        "trust",
        "documents",
        "attacks",
        "directory",
        "collect",
    }


def test_every_block_is_written_and_what_stands_between_them_is_kept():
    page = filled(PAGE, RESULTS)
    assert "\nold\n" not in page
    assert page.count("kept") == len(BLOCKS)
    assert page == filled(page, RESULTS), "a second time changes nothing"
    for row in (
        "| gateway / bare Postfix, 4 kB | >= 1 x | 1.25 x | holds |",
        "| gateway / bare Postfix, 9 MB | >= 1.2 x | 1 x | **missed** |",
        "| gateway / bare Postfix, 300 kB | >= 1.2 x | not measured |  |",
        "| 4 kB | 800.0 | 1000.0 | 1.25 |",
        "| 20 letters of 10 Mo at once, above idle, worst round | 101.5 MB |",
        "| claims a second, sqlite | 900.0 | 600.0 | 0.667 |",
        "| 1 node, SQLite | 4,000 | 500.0 | 1.0 | 1.0 | 50% |",
        "| gateway / Postfix, mutual TLS on both sides, 300 kB | >= 1 x | 1.25 x | holds |",
        "| letters of 300 kB a second | 100.0 | 110.0 |  | 125.0 |",
        "| gateway / this one | 1.25 | 1.14 |  |  |",
        "| documents judged a second, ANS samples, 2 processes | >= 400 | 450 | holds |",
        "| documents a second | 450.0 | 450.0 |",
        "| judging a letter, p95 (ms) | 14.0 | 14.0 |",
        "| white list of 6,554 entries read, signed | < 0.5 s | 0.25 s | holds |",
        "| white list | made, unsigned | made, signed |",
        "| above it, at most (MB) | 30.0 | 30.0 |",
        "| 2,000 waiting letters collected, a second | >= 50 | 250 | holds |",
        "| 200 mailboxes that only wait, above idle, one process | < 150 MB | 30 MB | holds |",
        "| collected and delivered a second | 250.0 |",
        "| import of the directory, 536,000 rows, memory | < 300 MB | 210 MB | holds |",
        "| import (s) | 45.0 | 45.0 |",
        "| a commit beside it, p99 (ms) | 20.0 | 20.0 |",
    ):
        assert row in page


def test_what_was_not_measured_says_so_and_why():
    results = copy.deepcopy(RESULTS)
    results["parts"] = {"nodes": {**_ENTRY, "missing": "needs smtp-source: apt-get install postfix"}}
    page = filled(PAGE, results)
    assert page.count("Not measured yet.") == 9
    assert "apt-get install postfix" in page
    assert "not measured" in page


def test_a_block_that_nobody_writes_is_an_error():
    with pytest.raises(KeyError, match="unknown"):
        filled("<!-- figures: unknown -->\n<!-- end -->\n", RESULTS)


def test_docs_performance_has_each_block_once():
    page = (ROOT / "docs/performance.md").read_text()
    for name in BLOCKS:
        assert page.count(f"<!-- figures: {name} -->\n") == 1
    assert page.count("<!-- end -->") == len(BLOCKS)


def test_docs_performance_tells_what_was_measured():
    """Run: python -m bench.report"""
    measured = ROOT / "bench/results.json"
    if not measured.exists():
        pytest.skip("nothing was measured in this tree: make bench")
    page = (ROOT / "docs/performance.md").read_text()
    assert page == filled(page, json.loads(measured.read_text()))


def test_the_picture_is_well_formed_and_marks_what_missed_its_bar():
    drawn = picture(FIGURES, "mssgw <test> & co")
    root = ElementTree.fromstring(drawn)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "mssgw <test> & co" in texts
    assert "1.25 x (1000/s)" in texts
    assert drawn.count("#d9822b") == 3, "9 MB, claims at 0.667, claims again as the other databases' figure"


def test_bars_share_the_scale_of_their_panel_and_an_empty_panel_is_left_out():
    rows = [Row(label="a", value=50, text="50", limit=100), Row(label="b", value=0, text="0")]
    root = ElementTree.fromstring(plot("t", [Panel(title="p", rows=rows), Panel(title="empty", rows=[])]))
    bars = [float(each.attrib["width"]) for each in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars == [210.0, 0.0]
    assert "empty" not in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert picture({}, "nothing").endswith("</svg>\n")
