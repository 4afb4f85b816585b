"""How fast a full mailbox is collected, and what mailboxes that only wait cost in memory. Against Debian's Dovecot.

2,000 letters of 20 kB wait in one mailbox, and are counted where they are delivered; then 200 empty mailboxes are
waited for in IDLE by a gateway of one worker, and its memory is compared with that of the same gateway without them.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

from bench.part import Figures, Missing, parser, say, show
from tests.collecting import collects_from
from tests.crash.letters import SMALL, Letters
from tests.crash.next_hop import NextHop
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.gateway import GatewayProcess, Hops

WAITING, MAILBOXES = 2_000, 200
_LIMIT = 300.0  # seconds
_SETTLE = 20.0  # seconds until mailboxes that were opened are at rest


def figures(*, quick: bool = False) -> Figures:
    """``per_second`` and ``seconds`` for ``letters``; ``mb_each`` and ``mb_all`` for ``mailboxes`` that wait."""
    if (why := dovecot.missing()) is not None:
        raise Missing(why)
    letters, mailboxes = (200, 20) if quick else (WAITING, MAILBOXES)
    with DovecotStore() as store:
        found = asyncio.run(_emptied(store, letters))
        return found | asyncio.run(_waited_for(store, mailboxes))


async def _emptied(store: DovecotStore, count: int) -> Figures:
    account, letters = store.fresh(), Letters(1)
    say(f"  putting {count} letters into a mailbox")
    await asyncio.to_thread(store.put, account, *(letters.make(SMALL).content for _ in range(count)))
    async with NextHop().listening() as hop:
        with _gateway(store, hop.port, account) as running:
            say("  collecting them")
            begun = await _until(hop, 1)
            ended = await _until(hop, count)
            running.wait_until_nothing_waits()
    seconds = ended - begun
    return {"letters": count, "seconds": round(seconds, 2), "per_second": round((count - 1) / seconds, 1)}


async def _waited_for(store: DovecotStore, count: int) -> Figures:
    resident = []
    for accounts in ([], [store.fresh() for _ in range(count)]):
        async with NextHop().listening() as hop:
            with _gateway(store, hop.port, *accounts, workers=1) as running:
                say(f"  waiting for {len(accounts)} mailboxes")
                await asyncio.sleep(_SETTLE)
                assert running.log().count('"collector.started"') == len(accounts)
                assert not running.log().count('"alarm":true'), running.last_log_lines()
                resident.append(_resident(running.group))
    more = (resident[1] - resident[0]) / 1e6
    return {"mailboxes": count, "mb_all": round(more, 1), "mb_each": round(more / count, 2)}


def _gateway(store: DovecotStore, hop: int, *accounts: str, workers: int | None = None) -> GatewayProcess:
    entries = [collects_from(store, account, name=f"bal{number}") for number, account in enumerate(accounts)]
    settings: dict[str, Any] = {"log": {"level": "info", "format": "json"}, "delivery": {"ca_file": str(store.anchors)}}
    if workers is not None:
        settings["gateway"] = {"workers": workers}
    return GatewayProcess(Hops(operators=hop, inward=hop), settings={**settings, "collector": entries})


async def _until(hop: NextHop, count: int) -> float:
    """When so many letters had arrived."""
    async with asyncio.timeout(_LIMIT):
        while len(hop.arrivals) < count:  # noqa: ASYNC110 - it tells of bodies, not of letters
            await asyncio.sleep(0.01)
    return time.monotonic()


def _resident(group: int) -> int:
    """Octets of memory of all processes of that group, what they share counted once (PSS)."""
    total = 0
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if int((each / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                rollup = (each / "smaps_rollup").read_text()
                total += 1024 * int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))
        except (OSError, StopIteration):
            continue
    return total


if __name__ == "__main__":
    show(figures(quick=parser(__doc__).parse_args().quick))
