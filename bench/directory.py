"""What importing the national directory costs: seconds, memory, and how long letters of the daemon wait meanwhile.

An invented extraction as large as the real one (536,000 rows, a zip of 20 MB) is imported twice by the real command, so
that the second replaces the first; every 20 ms another process commits to the same store. On SQLite and, where it is
installed, PostgreSQL.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from bench.part import Figures, parser, say, show
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.spool_folders import found_spool
from mssgw.edges.sql import open_store
from mssgw.ports import Store
from tests import extractions
from tests.peers.postgresql import PostgresServer, binaries

ROWS, EVERY = 536_000, 0.02
_LIMIT = 600.0  # seconds for one import
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
[directory]
"""


def figures(*, quick: bool = False) -> Figures:
    """By database: ``first`` and ``second`` import, each ``seconds``, ``mb`` and what commits ``waited_ms``."""
    rows = 20_000 if quick else ROWS
    with tempfile.TemporaryDirectory(prefix="mssgw-bench-directory-") as name:
        folder = Path(name)
        say(f"  making {rows} rows")
        lines = chain([extractions.HEADER], extractions.mailboxes(rows))
        (folder / "extraction.zip").write_bytes(extractions.zipped(lines))
        (folder / "finess.csv").write_bytes(extractions.pharmacies(rows))
        found: Figures = {"rows": rows}
        found["sqlite"] = asyncio.run(_twice(folder, "sqlite", f"sqlite:///{folder}/bench.db"))
        if binaries() is not None:
            with PostgresServer("shared_buffers=256MB", "max_wal_size=2GB") as server:
                found["postgresql"] = asyncio.run(_twice(folder, "postgresql", server.create("bench")))
        return found


async def _twice(folder: Path, store: str, url: str) -> Figures:
    place = folder / store
    (place / "state").mkdir(parents=True, mode=0o700)
    found_spool(place / "state" / "spool")
    (place / "master.key").write_bytes(bytes(range(32)))
    (place / "master.key").chmod(0o600)
    (place / "mssgw.toml").write_text(_CONFIG.format(url=url))
    found: Figures = {}
    async with open_store(url, bytes(range(32))) as opened:
        for name, words in (("first", ["--finess", str(folder / "finess.csv")]), ("second", ["--yes"])):
            say(f"  {store}, {name} import")
            found[name] = await _import(place, folder / "extraction.zip", words, opened.store)
    return found


async def _import(place: Path, file: Path, words: Sequence[str], store: Store) -> Figures:
    command = [sys.executable, "-c", "from mssgw.app.cli import main; main()", "directory", "import", str(file), *words]
    environment = os.environ | {"MSSGW_CONFIG": str(place / "mssgw.toml"), "PYTHONPATH": os.getcwd()}
    started = time.monotonic()
    process = os.spawnvpe(os.P_NOWAIT, command[0], command, environment)  # noqa: ASYNC220 - it returns at once
    waited = asyncio.create_task(_committing(store))
    status, usage = await asyncio.wait_for(asyncio.to_thread(_ended, process), _LIMIT)
    took = time.monotonic() - started
    waited.cancel()
    commits = sorted(await waited)
    if status:
        raise RuntimeError(f"the import ended with {status}")
    return {
        "seconds": round(took, 1),
        "mb": round(usage / 1_000),
        "waited_ms": {
            "median": round(1_000 * statistics.median(commits), 1),
            "p99": round(1_000 * commits[int(0.99 * len(commits))], 1),
            "max": round(1_000 * commits[-1], 1),
        },
    }


def _ended(process: int) -> tuple[int, int]:
    """Exit code, and the most memory that it took, in kB."""
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss


async def _committing(store: Store) -> list[float]:
    """Seconds that each commit took, until cancelled."""
    took: list[float] = []
    try:
        while True:
            begun = time.monotonic()
            await store.note([Entry(at=datetime.now(UTC), event=JournalEvent.REFUSED, detail="bench")])
            took.append(time.monotonic() - begun)
            await asyncio.sleep(EVERY)
    except asyncio.CancelledError:
        return took


def main() -> None:
    show(figures(quick=parser(__doc__).parse_args().quick))


if __name__ == "__main__":
    main()
