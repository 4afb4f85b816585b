"""Throughput of one to three nodes; see bench/nodes. Needs Debian's postfix (its load programs) and postgresql.

The rate is that of letters whose delivery is recorded, from the first connection to the last record.
"""

import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.part import PATIENT, SENDER, Figures, needs, parser, say, show
from bench.processes import processor_seconds, tree
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.ports import free_port, wait_until_it_listens
from tests.peers.postgresql import PostgresServer, binaries

SIZES = {4_000: 3_000, 300_000: 400}  # octets of a letter: how many of them
SESSIONS = 20  # in all
DELIVERED = "SELECT count(*) FROM journal WHERE event = 'delivered'"
_LIMIT = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Running nodes and how to count what they delivered."""

    name: str
    nodes: list[GatewayProcess]
    delivered: Callable[[], int]
    server: PostgresServer | None = None

    def processor_seconds(self) -> tuple[float, float]:
        """What gateway and PostgreSQL have used so far, of those of its processes that live."""
        nodes = sum(processor_seconds(pid) for node in self.nodes for pid in tree(node.pid))
        return nodes, sum(map(processor_seconds, tree(self.server.pid))) if self.server else 0.0


@contextmanager
def sink() -> Iterator[int]:
    port, as_user = free_port(), ["-u", "postfix"] if os.geteuid() == 0 else []
    process = subprocess.Popen(["smtp-sink", *as_user, f"127.0.0.1:{port}", "1000"])
    try:
        assert wait_until_it_listens(port, limit=10, alive=lambda: process.poll() is None)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def on_sqlite(hop: int) -> Iterator[Place]:
    with GatewayProcess(Hops(operators=hop), settings={"gateway": {"workers": 1}}) as node:

        def delivered() -> int:
            with closing(sqlite3.connect(node.state_dir / "mssgw.db")) as connection:
                (count,) = connection.execute(DELIVERED).fetchone()
                return int(count)

        yield Place(name="1 node, SQLite", nodes=[node], delivered=delivered)


@contextmanager
def on_postgres(hop: int, count: int) -> Iterator[Place]:
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer("shared_buffers=512MB", "max_wal_size=4GB"))
        url = server.create("mssgw")
        key = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "master.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        nodes = []
        for number in range(count):
            node = GatewayProcess(Hops(operators=hop))
            made = node.configuration(Hops(operators=hop))
            made["gateway"] |= {"node": f"node-{number}", "workers": 1}
            node.configure(made, {"store": {"url": url, "master_key_file": str(key)}})
            nodes.append(stack.enter_context(node))
        name = f"{count} node{'s' if count > 1 else ''}, PostgreSQL"
        yield Place(name=name, nodes=nodes, delivered=lambda: int(server.sql(DELIVERED, "mssgw")[0][0]), server=server)


def send(place: Place, size: int, count: int) -> dict[str, Any]:
    """Send ``count`` letters, shared among the nodes; how long until all were delivered."""
    share, sessions = count // len(place.nodes), max(1, SESSIONS // len(place.nodes))
    wanted = place.delivered() + share * len(place.nodes)
    begin, used = time.monotonic(), place.processor_seconds()

    def source(node: GatewayProcess) -> None:
        words = ["smtp-source", "-s", str(sessions), "-m", str(share), "-l", str(size), "-f", SENDER, "-t", PATIENT]
        subprocess.run([*words, f"127.0.0.1:{node.port}"], check=True, timeout=_LIMIT)

    with ThreadPoolExecutor() as pool:
        list(pool.map(source, place.nodes))
    accepted = time.monotonic() - begin
    while place.delivered() < wanted:
        assert time.monotonic() < begin + _LIMIT, "not all were delivered"
        time.sleep(0.02)
    took = time.monotonic() - begin
    made = share * len(place.nodes)
    gateway, database = (now - then for then, now in zip(used, place.processor_seconds(), strict=True))
    return {
        "setting": place.name,
        "octets": size,
        "letters": made,
        "accepted_per_second": round(made / accepted, 1),
        "delivered_per_second": round(made / took, 1),
        "gateway_cpu_ms": round(1000 * gateway / made, 2),  # a letter
        "postgres_cpu_ms": round(1000 * database / made, 2),
    }


def figures(*, quick: bool = False) -> Figures:
    """Every setting at every size; on SQLite alone where there is no PostgreSQL."""
    needs("smtp-source", "smtp-sink", package="postfix")
    results: list[dict[str, Any]] = []
    counts = (1, 2, 3) if binaries() is not None else ()
    with sink() as hop:
        for opened in (on_sqlite(hop), *(on_postgres(hop, count) for count in counts)):
            with opened as place:
                send(place, 4_000, 200)  # warm
                for size, count in SIZES.items():
                    result = send(place, size, count // 4 if quick else count)
                    results.append(result)
                    say(f"  {result['setting']}, {size:,} octets: {result['delivered_per_second']}/s")
    return {"settings": results} | ({} if counts else {"without": "PostgreSQL: apt-get install postgresql"})


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--json", type=Path, help="where to write the results")
    given = arguments.parse_args()
    found = figures(quick=given.quick)
    show(found)
    if given.json:
        given.json.write_text(json.dumps(found["settings"], indent=1) + "\n")


if __name__ == "__main__":
    main()
