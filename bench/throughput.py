"""Messages a second through bare Postfix, Postfix with a Python milter, and the gateway, in one run.

From a client's first byte to the last arrival at the next hop. The contestants take turns, so that a drift of the
machine touches all alike: quote the ratios of medians, never the rates. As root, for Postfix drops to its own user.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.bars import READING_MILTER
from bench.contestants import Contestant, gateway, postfix, postfix_with_milter
from bench.letters import real_shaped
from bench.part import PATIENT, SENDER, Figures, Missing, needs, parser, say, show

LIMIT = 120.0  # seconds for one run
OURS = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """``octets`` None: the real-shaped letter."""

    name: str
    letters: int
    sessions: int
    octets: int | None = None

    def cut(self) -> "Work":
        """For a quick run."""
        return replace(self, letters=max(8, self.letters // 5))


WORK = (
    Work(name="4 kB", letters=2_000, sessions=20, octets=4_000),
    Work(name="letter", letters=400, sessions=10),
    Work(name="300 kB", letters=400, sessions=10, octets=300_000),
    Work(name="9 MB", letters=40, sessions=4, octets=9_000_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    per_second: float
    cpu_ms: float


class Lost(Exception):
    """Not all letters arrived, or more than were sent."""


def figures(
    *, quick: bool = False, rounds: int | None = None, only: str | None = None, sessions: int | None = None
) -> Figures:
    """Every rate, the medians, and the gateway's ratios to the others."""
    needs("smtp-source", "smtp-sink", package="postfix")
    rounds = rounds or (1 if quick else 5)
    chosen = [work.cut() if quick else work for work in WORK if only in (None, work.name)]
    chosen = [replace(work, sessions=sessions or work.sessions) for work in chosen]
    with ExitStack() as stack:
        contestants, absent = _enter(stack)
        letter = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mssgw-bench-"))) / "letter"
        letter.write_bytes(real_shaped().replace(b"\r\n", b"\n"))  # smtp-source wants it so
        for each in contestants:
            run(each, Work(name="warm", letters=100, sessions=10, octets=4_000), letter)
        runs = {work.name: _in_turns(_fit_for(work, contestants), work, letter, rounds) for work in chosen}
        octets = letter.stat().st_size + letter.read_bytes().count(b"\n")
    rates = {name: {who: [run.per_second for run in all_] for who, all_ in of.items()} for name, of in runs.items()}
    used = {name: {who: [run.cpu_ms for run in all_] for who, all_ in of.items()} for name, of in runs.items()}
    medians = {name: _medians(of, 4) for name, of in rates.items()}
    return {
        "rounds": rounds,
        "absent": absent,
        "work": {
            work.name: {"letters": work.letters, "sessions": work.sessions, "octets": work.octets or octets}
            for work in chosen
        },
        "per_second": {name: _medians(of, 1) for name, of in rates.items()},
        "cpu_ms": {name: _medians(of, 2) for name, of in used.items()},  # for each letter; says more on a busy machine
        "runs": {
            name: {who: [round(rate, 1) for rate in all_] for who, all_ in of.items()} for name, of in rates.items()
        },
        "ratios": {
            name: {who: round(of[OURS] / rate, 2) for who, rate in of.items() if who != OURS}
            for name, of in medians.items()
        },
    }


def _enter(stack: ExitStack) -> tuple[list[Contestant], dict[str, str]]:
    """Those who can run here, and why the others cannot."""
    present, absent = [], {}
    entrants = (
        ("postfix", postfix),
        ("postfix+milter", postfix_with_milter),
        (READING_MILTER, partial(postfix_with_milter, documents=True)),
        (OURS, gateway),
    )
    for name, opened in entrants:
        try:
            present.append(stack.enter_context(opened()))
        except Missing as why:
            absent[name] = str(why)
            say(f"  without {name}: {why}")
    return present, absent


def _fit_for(work: Work, contestants: list[Contestant]) -> list[Contestant]:
    """Who reads documents differs from who does not only where there are some."""
    return [each for each in contestants if work.octets is None or each.name != READING_MILTER]


def _in_turns(contestants: list[Contestant], work: Work, letter: Path, rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {each.name: [] for each in contestants}
    for _ in range(rounds):
        for each in contestants:
            runs[each.name].append(run(each, work, letter))
    rates = _medians({name: [each.per_second for each in all_] for name, all_ in runs.items()}, 1)
    say(f"  {work.name}: " + ", ".join(f"{name} {rate}/s" for name, rate in rates.items()))
    return runs


def run(contestant: Contestant, work: Work, letter: Path) -> Run:
    """Send this work and wait until it has arrived. Raises Lost."""
    what = ["-F", str(letter)] if work.octets is None else ["-l", str(work.octets)]
    words = ["smtp-source", "-s", str(work.sessions), "-m", str(work.letters), *what, "-f", SENDER, "-t", PATIENT]
    return relayed(contestant, work.letters, [*words, f"127.0.0.1:{contestant.port}"])


def relayed(contestant: Contestant, letters: int, source: Sequence[str]) -> Run:
    """Run the command that sends it so many letters, and wait until they have arrived. Raises Lost."""
    before, used, begin = contestant.sink.count(), contestant.processor_seconds(), time.monotonic()
    subprocess.run(source, check=True, timeout=LIMIT)
    if not contestant.sink.wait_for(before + letters, LIMIT):
        raise Lost(f"{contestant.name}: {contestant.sink.count() - before} of {letters} arrived")
    took = time.monotonic() - begin
    time.sleep(0.3)  # a second copy would come now
    if (more := contestant.sink.count() - before - letters) > 0:
        raise Lost(f"{contestant.name}: {more} more than {letters} arrived")
    used = contestant.processor_seconds() - used
    return Run(per_second=letters / took, cpu_ms=1000 * used / letters)


def _medians(of: Mapping[str, Sequence[float]], digits: int) -> dict[str, float]:
    return {who: round(statistics.median(all_), digits) for who, all_ in of.items()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, help="how often each contestant has its turn (default 5; quick: 1)")
    arguments.add_argument("--only", choices=[work.name for work in WORK], help="one kind of letter")
    arguments.add_argument("--sessions", type=int, help="letters at a time (default: 20 small ones, 10, 4 large ones)")
    given = arguments.parse_args()
    show(figures(quick=given.quick, rounds=given.rounds, only=given.only, sessions=given.sessions))


if __name__ == "__main__":
    main()
