"""Does a long queue cost? A short one beside a long one, each asked in turn, on SQLite and on PostgreSQL.

    python -m bench.queue [--few 1000] [--many 20000] [--rounds 20] [--json FILE]

The two figures that count: claims a second with many letters waiting, over those with few; and how long
``mssgw queue list --limit 50`` takes, start of the command included. Everything is made in a private temporary
directory and removed. PostgreSQL is Debian's package; without it only SQLite is measured.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.conversation import Event, Pair
from mssgw.core.delivery import Deferred, Lease
from mssgw.edges.clock import FixedClock
from mssgw.edges.spool_folders import found_spool
from mssgw.edges.sql import Opened, open_store
from mssgw.flow.deliver import CLAIM
from mssgw.ports import Settlement
from tests.contract.letters import BUSY, DOCTOR, acceptance, letter
from tests.peers.postgresql import PostgresServer, binaries

FEW, MANY, ROUNDS = 1_000, 20_000, 20
LISTS = 3  # times that the command is run
_AT_ONCE = 2_048  # letters that are filled in together
_LIMIT = 60.0  # seconds for one run of the command
_CONFIG = """
[gateway]
hostname = "mssgw.bench.example"
state_dir = "state"

[store]
url = "{url}"
master_key_file = "master.key"

[[listener]]
name = "bench"
role = "establishment"
address = "127.0.0.1:2529"
tls = "none"

[[establishment]]
name = "hospital"
domains = ["chu-exemple.mssante.fr"]
networks = ["127.0.0.1"]

[[trusted_domain]]
name = "mon-espace-sante"
domains = ["patient.mssante.fr"]
next_hop = "127.0.0.1:2530"
next_hop_tls = "none"
"""


@dataclass(slots=True)
class Queue:
    """An open store with so many letters waiting, and what was measured of it: seconds by question."""

    opened: Opened
    config: Path
    waiting: int
    server: int | None  # process of PostgreSQL
    last: datetime = datetime(1970, 1, 1, tzinfo=UTC)  # when the last of them is due
    took: dict[str, list[float]] = field(default_factory=dict)
    claimed: list[float] = field(default_factory=list)  # deliveries a second, round by round
    processor: float = 0.0  # seconds of all processes within claims
    listing: list[float] = field(default_factory=list)  # the same within each run of the command

    async def timed(self, name: str, asked: Awaitable[Any]) -> Any:
        begin = time.perf_counter()
        result = await asked
        self.took.setdefault(name, []).append(time.perf_counter() - begin)
        return result

    def used(self) -> float:
        """Processor seconds so far, of ourselves and of PostgreSQL."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        return own.ru_utime + own.ru_stime + (_used_by(self.server) if self.server else 0.0)


def measure(
    *, few: int = FEW, many: int = MANY, rounds: int = ROUNDS, say: Callable[[str], object] = lambda _: None
) -> dict[str, Any]:
    """Figures by database, ``sqlite`` and ``postgresql``; milliseconds are medians, ratios are many over few.

    ``few``, ``many``: letters that wait. ``rounds``: batches of claims in each. ``say`` hears how far it is.
    """
    figures: dict[str, Any] = {"few": few, "many": many, "rounds": rounds}
    with tempfile.TemporaryDirectory(prefix="mssgw-bench-") as made:
        place = Path(made)
        figures["sqlite"] = asyncio.run(_compare(place / "sqlite", None, (few, many), rounds, say))
        if binaries() is not None:
            with PostgresServer("shared_buffers=256MB", "max_wal_size=2GB") as server:
                figures["postgresql"] = asyncio.run(_compare(place / "postgresql", server, (few, many), rounds, say))
    return figures


async def _compare(
    place: Path, server: PostgresServer | None, sizes: tuple[int, int], rounds: int, say: Callable[[str], object]
) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        queues = [await stack.enter_async_context(_filled(place / str(size), server, size, say)) for size in sizes]
        say(f"{place.name}: {rounds} rounds of claims and questions")
        for number in range(rounds):
            for queue in queues if number % 2 else reversed(queues):  # in turns: other load on the machine hits both
                await _round(queue)
        for queue in queues:
            for _ in range(LISTS):
                queue.listing.append(await queue.timed("queue list --limit 50", asyncio.to_thread(_list, queue.config)))
        return _figures(*queues)


@asynccontextmanager
async def _filled(
    place: Path, server: PostgresServer | None, waiting: int, say: Callable[[str], object]
) -> AsyncIterator[Queue]:
    key = os.urandom(32)
    url = server.create(f"queue{waiting}") if server else f"sqlite:///{place}/state/mssgw.db"
    _install(place, key, url)
    async with open_store(url, key) as opened:
        queue = Queue(opened, place / "mssgw.toml", waiting, server.pid if server else None)
        say(f"{place.parent.name}: filling in {waiting} letters")
        await _fill(queue)
        if server:
            server.sql("VACUUM ANALYZE", f"queue{waiting}")  # what autovacuum does within a minute
        yield queue


def _install(place: Path, key: bytes, url: str) -> None:
    (place / "state").mkdir(mode=0o700, parents=True)
    found_spool(place / "state" / "spool")
    (place / "master.key").touch(mode=0o600)
    (place / "master.key").write_bytes(key)
    (place / "mssgw.toml").write_text(_CONFIG.format(url=url))


async def _fill(queue: Queue) -> None:
    """Letters of as many patients, due one after the other until now."""
    clock = FixedClock(datetime.now(UTC) - timedelta(milliseconds=queue.waiting))
    for start in range(0, queue.waiting, _AT_ONCE):
        letters = []
        for number in range(start, min(start + _AT_ONCE, queue.waiting)):
            clock.pass_(milliseconds=1)
            patient = f"{number:015d}@patient.mssante.fr"
            pair = Pair(Address(text=patient, key=patient, domain="patient.mssante.fr"), DOCTOR)
            remembered, moves = (letter(f"<{number}@bench>", pair=pair),), (Event.PROFESSIONAL_WROTE,)
            letters.append(
                acceptance(
                    f"Q{number:015d}", clock, recipients=(pair.patient,), pair=pair, letters=remembered, moves=moves
                )
            )
        await asyncio.gather(*map(queue.opened.store.accept, letters))
    queue.last = clock.now()


async def _round(queue: Queue) -> None:
    """As a gateway whose next hop is down: look, claim, put back behind all others; and what else is asked."""
    store, desk, now = queue.opened.store, queue.opened.desk, datetime.now(UTC) + timedelta(minutes=1)
    await queue.timed("next_due", store.next_due())
    lease = Lease(token="bench.1", until=now + timedelta(hours=1))
    before = queue.used()
    deliveries = await queue.timed("claim", store.claim(now=now, lease=lease, limit=CLAIM))
    queue.processor += queue.used() - before
    assert len(deliveries) == min(CLAIM, queue.waiting), "a claim found too little"
    queue.claimed.append(len(deliveries) / queue.took["claim"][-1])
    settled = []
    for delivery in deliveries:
        queue.last += timedelta(microseconds=1)
        after = replace(delivery, due_at=queue.last, attempts=delivery.attempts + 1, last_reply=BUSY)
        settled.append(Settlement(after=after, lease=lease, outcome=Deferred(reply=BUSY)))
    assert all(await queue.timed("settle", store.settle(settled)))
    await queue.timed("renew", store.renew([lease.token], now))
    await queue.timed("erase_finished", store.erase_finished(now=now))
    await queue.timed("queue", desk.queue(limit=50))
    await queue.timed("queue held", desk.queue(limit=50, state="held"))
    await queue.timed("queue of a domain without any", desk.queue(limit=50, domain="nobody.example"))
    await queue.timed("trace by queue id", desk.trace(spool_id=deliveries[0].spool_id, limit=50))
    await queue.timed("trace by Message-ID", desk.trace(message_id="<7@bench>", limit=50))
    await queue.timed("trace by address", desk.trace(address=deliveries[0].forward_path.address, limit=50))
    await queue.timed("conversations", desk.conversations(limit=50))
    await queue.timed("census", queue.opened.vitals.census(now=now, ages=(1.0, 60.0, 3600.0, 14_400.0)))


def _list(config: Path) -> float:
    """The command, as an operator types it; its processor seconds."""
    before = _of_children()
    command = [str(Path(sys.executable).with_name("mssgw")), "queue", "list", "--limit", "50"]
    shown = subprocess.run(
        [*command, "--config", str(config)], check=True, capture_output=True, text=True, timeout=_LIMIT
    )
    assert shown.stdout.count("patient.mssante.fr") == 50, "not 50 lines were shown"
    return _of_children() - before


def _of_children() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _figures(few: Queue, many: Queue) -> dict[str, Any]:
    def each(value: Callable[[Queue], float]) -> dict[str, float]:
        return {"few": round(value(few), 3), "many": round(value(many), 3)}

    claims = each(lambda queue: median(queue.claimed))
    processor = each(lambda queue: 1000 * queue.processor / (len(queue.claimed) * CLAIM))
    listing = each(lambda queue: min(queue.took["queue list --limit 50"]))
    listed = each(lambda queue: min(queue.listing))
    return {
        "claims_per_second": claims | {"ratio": round(claims["many"] / claims["few"], 3)},
        "claim_cpu_ms": processor | {"ratio": round(processor["many"] / max(processor["few"], 0.001), 3)},
        "queue_list_seconds": listing | {"ratio": round(listing["many"] / listing["few"], 3)},
        "queue_list_cpu_seconds": listed | {"ratio": round(listed["many"] / listed["few"], 3)},
        "milliseconds": {
            name: each(lambda queue, name=name: 1000 * median(queue.took[name]))  # type: ignore[misc]
            for name in few.took
        },
    }


def _used_by(root: int) -> float:
    """Processor seconds of PostgreSQL's processes; those of one connection end with it, and count to their parent."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    total = 0
    for process in [str(root), *children]:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def table(figures: dict[str, Any]) -> Iterator[str]:
    """The figures for people, line by line."""
    for name in ("sqlite", "postgresql"):
        if name not in figures:
            continue
        found = figures[name]
        yield f"{name:<32}{figures['few']:>10}{figures['many']:>10}     ratio"
        for key in ("claims_per_second", "claim_cpu_ms", "queue_list_seconds", "queue_list_cpu_seconds"):
            row = found[key]
            yield f"  {key:<30}{row['few']:>10}{row['many']:>10}{row['ratio']:>10}"
        for key, row in found["milliseconds"].items():
            yield f"  {key + ' (ms)':<30}{row['few']:>10}{row['many']:>10}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queue", description="what a long queue costs")
    parser.add_argument("--few", type=int, default=FEW, help="letters in the short queue")
    parser.add_argument("--many", type=int, default=MANY, help="letters in the long queue; 200000 is the promise")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="batches of claims in each")
    parser.add_argument("--json", type=Path, help="where to write the results")
    given = parser.parse_args()
    figures = measure(
        few=given.few, many=given.many, rounds=given.rounds, say=lambda text: print(text, file=sys.stderr, flush=True)
    )
    print("\n".join(table(figures)))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
