"""Memory of the gateway, all its processes together: a burst of large letters, a long run, a crowd of idle clients.

burst   20 letters of 10 Mo come in at once: the most memory above the idle gateway.
growth  letter after letter: by how much memory grows for each 1,000 of them, as a line through all samples.
crowd   500 idle TLS clients and 500 that stop in the middle of the handshake, at once, while honest letters come:
        their times and errors, beside the same load without the crowd.

Memory is the sum of PSS: resident, what several processes share counted once.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack

from bench.latency import measure, running
from bench.numbers import slope
from bench.part import PATIENT, SENDER, Figures, needs, parser, say, show
from bench.processes import Peak, memory
from bench.sinks import CountingSink, counting_sink, timing_sink
from tests.peers.gateway import GatewayProcess

TEN_MO = 10_000_000
LIMIT = 120.0  # seconds for one run
ROOM = 4_000  # connections: the crowd must get in, or it disturbs nobody


def figures(
    *, quick: bool = False, thousands: int | None = None, clients: int | None = None, only: str = ""
) -> Figures:
    """All three, or ``only`` one; ``thousands`` of letters in the long run, ``clients`` idle and as many half-open."""
    measures: dict[str, Callable[[], Figures]] = {
        "burst": lambda: burst(rounds=1 if quick else 3),
        "growth": lambda: growth(thousands=thousands or (2 if quick else 40), warm=1 if quick else 20),
        "crowd": lambda: asyncio.run(crowd(clients=clients or (100 if quick else 500), seconds=6.0 if quick else 30.0)),
    }
    needs("smtp-source", "smtp-sink", package="postfix")
    return {name: measure_it() for name, measure_it in measures.items() if only in ("", name)}


def burst(*, rounds: int, letters: int = 20, octets: int = TEN_MO) -> Figures:
    """The most memory above idle, in each round."""
    with ExitStack() as stack:
        sink, gateway = _started(stack)
        _send(gateway, sink, letters=200, sessions=10, octets=4_000)  # all that is loaded once
        idle, above = memory(gateway.pid), []
        for _ in range(rounds):
            with Peak(gateway.pid) as peak:
                _send(gateway, sink, letters=letters, sessions=letters, octets=octets)
            above.append(round(peak.mb - idle, 1))
    say(f"  {letters} x {octets:,} octets at once: {above} MB above {idle:.0f} MB")
    return {"letters": letters, "octets": octets, "idle_mb": round(idle, 1), "above_mb": max(above), "runs_mb": above}


def growth(*, thousands: int, warm: int, octets: int = 4_000) -> Figures:
    """MB for each 1,000 letters, after ``warm`` thousands that fill what is filled once."""
    with ExitStack() as stack:
        sink, gateway = _started(stack)
        samples = []
        for number in range(warm + thousands + 1):
            samples.append((number, round(memory(gateway.pid), 2)))
            if number < warm + thousands:
                _send(gateway, sink, letters=1_000, sessions=10, octets=octets)
    grows = slope(samples[warm:])
    say(f"  {grows:.2f} MB more for each 1,000 letters, over {thousands},000")
    return {
        "letters": 1_000 * thousands,
        "octets": octets,
        "mb_per_1000": round(grows, 3),
        "thousands_and_mb": samples,
    }


async def crowd(*, clients: int, seconds: float) -> Figures:
    """Honest letters without and with the crowd, and what memory the crowd takes."""
    limits = {"connections": ROOM, "connections_per_ip": 100}
    async with timing_sink() as arrivals:
        with running(arrivals.port, limits=limits) as gateway:
            alone = await measure(gateway, arrivals, seconds=seconds)
            before = memory(gateway.pid)
            words = [sys.executable, "-m", "bench.crowd", str(gateway.tls_port), str(clients)]
            process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
            try:
                assert process.stdout is not None
                async with asyncio.timeout(LIMIT):
                    said = await process.stdout.readline()
                if not said.startswith(b"in "):
                    raise RuntimeError("the crowd did not get in")
                taken = memory(gateway.pid) - before
                beside = await measure(gateway, arrivals, seconds=seconds)
            finally:
                process.terminate()
                await process.wait()
    say(f"  beside {clients} idle and {clients} half-open clients: +{taken:.0f} MB")
    return {
        "idle": clients,
        "half_open": clients,
        "crowd_mb": round(taken, 1),
        "alone": alone,
        "beside": beside,
    }


def _started(stack: ExitStack) -> tuple[CountingSink, GatewayProcess]:
    sink = stack.enter_context(counting_sink())
    return sink, stack.enter_context(running(sink.port))


def _send(gateway: GatewayProcess, sink: CountingSink, *, letters: int, sessions: int, octets: int) -> None:
    """Send them, and wait until they have arrived."""
    wanted = sink.count() + letters
    words = ["smtp-source", "-s", str(sessions), "-m", str(letters), "-l", str(octets), "-f", SENDER, "-t", PATIENT]
    subprocess.run([*words, f"127.0.0.1:{gateway.port}"], check=True, timeout=LIMIT)
    if not sink.wait_for(wanted, LIMIT):
        raise RuntimeError(f"{wanted - sink.count()} of {letters} letters did not arrive")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--thousands", type=int, help="of letters in the long run (default 40; quick: 2)")
    arguments.add_argument("--clients", type=int, help="idle, and as many half-open (default 500; quick: 100)")
    arguments.add_argument("--only", choices=("burst", "growth", "crowd"), default="", help="one of the three")
    given = arguments.parse_args()
    show(figures(quick=given.quick, thousands=given.thousands, clients=given.clients, only=given.only))


if __name__ == "__main__":
    main()
