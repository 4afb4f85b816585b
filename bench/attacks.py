"""What bad input costs: time and memory to refuse each attack on the judging of documents, in a fresh process each.

    .venv/bin/python -m bench.attacks            those that the project promises to refuse
    .venv/bin/python -m bench.attacks --all      all of tests/attacks.py

One line each, the worst of three: processor time, and memory above what the process took before (the attack itself was
read already). The bars are 100 ms and 50 MB, 50 ms for what the guard alone refuses; for floods, documents as dear as
the caps let through, 500 ms and 100 MB. Exit code 1 when one is over, or was not refused by its rule. In the suite, the
promised ones are held to the same.
"""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.part import Figures, parser
from mssgw.core.clinical import Severity
from tests import attacks
from tests.attacks import Attack
from tests.xdm_variants import right
from tests.zips import zipped

BAR, GUARD_BAR, FLOOD_BAR = (100.0, 50.0), (50.0, 50.0), (500.0, 100.0)  # ms, MB
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one refusal. ``octets``: of what was judged."""

    ms: float
    mb: float
    octets: int
    refused: bool

    def holds(self, bar: tuple[float, float]) -> bool:
        return self.refused and self.ms < bar[0] and self.mb < bar[1]


def cost_of(attack: Attack) -> Cost:
    """In a child of this process, which judged a right archive only, so that what is loaded late is there.

    Another child makes the attack, for memory that was used once costs nothing the second time.
    """
    content = _in_child(attack.make)
    return Cost(**json.loads(_in_child(lambda: json.dumps(_measured(attack, content)).encode())))


def _in_child(work: Callable[[], bytes]) -> bytes:
    descriptor = os.memfd_create("bench")
    with os.fdopen(descriptor, "r+b", buffering=0) as shared:
        if not (child := os.fork()):
            shared.write(work())
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit("a child failed")
        shared.seek(0)
        return shared.read()


def _measured(attack: Attack, content: bytes) -> dict[str, object]:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the most that was ever resident is forgotten
    before, begin = _resident("VmHWM:"), time.process_time()
    report = attacks.judged(attack, content)
    took = time.process_time() - begin
    refused = {finding.rule for finding in report.findings if finding.severity is Severity.REJECT}
    grown = (_resident("VmHWM:") - before) / 1024
    return {"ms": took * 1000, "mb": grown, "octets": len(content), "refused": attack.rule in refused}


def _resident(name: str) -> int:
    """kB, libxml2's own included."""
    return int(Path("/proc/self/status").read_text("ascii").partition(name)[2].split()[0])


def worst(costs: Iterable[Cost]) -> Cost:
    each = list(costs)
    return Cost(
        ms=max(cost.ms for cost in each),
        mb=max(cost.mb for cost in each),
        octets=each[0].octets,
        refused=all(cost.refused for cost in each),
    )


def figures(*, quick: bool) -> Figures:
    """The part of the suite, in a process of its own: it forks, and must hold nothing that does not survive that."""
    command = [sys.executable, "-m", "bench.attacks", "--json", *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    return dict(json.loads(done.stdout))


def _summed_up(costs: dict[Attack, Cost]) -> Figures:
    by_the_guard = [cost.ms for attack, cost in costs.items() if attack.rule.startswith("GRD-")]
    return {
        "attacks": len(costs),
        "not_refused": sum(not cost.refused for cost in costs.values()),
        "ms": round(max(cost.ms for cost in costs.values()), 1),
        "guard_ms": round(max(by_the_guard), 1),
        "mb": round(max(cost.mb for cost in costs.values()), 1),
    }


def _bar(attack: Attack) -> tuple[float, float]:
    if attack.name.startswith("flood"):
        return FLOOD_BAR
    return GUARD_BAR if attack.rule.startswith("GRD-") else BAR


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--all", action="store_true", help="all attacks, not only the promised ones")
    arguments.add_argument("--only", default="", metavar="WORDS", help="those whose name holds these words")
    arguments.add_argument("--json", action="store_true", help="the figures of the suite, and no table")
    given = arguments.parse_args()
    warm = Attack(name="", file="A.ZIP", make=lambda: zipped(right()), rule="")
    attacks.judged(warm, warm.make())
    found: dict[Attack, Cost] = {}
    if not given.json:
        print(f"{'attack':<48}{'octets':>12}{'ms':>9}{'MB':>8}")
    for attack in attacks.attacks():
        if given.only not in attack.name or not (attack.named or given.all or given.only):
            continue
        found[attack] = cost = worst(cost_of(attack) for _ in range(1 if given.quick else _ROUNDS))
        if not given.json:
            verdict = "" if cost.holds(_bar(attack)) else "OVER" if cost.refused else "NOT REFUSED"
            print(f"{attack.name:<48}{cost.octets:>12,}{cost.ms:>9.1f}{cost.mb:>8.1f}   {attack.rule:<12} {verdict}")
    over = sum(not cost.holds(_bar(attack)) for attack, cost in found.items())
    print(json.dumps(_summed_up(found)) if given.json else f"over or not refused: {over}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
