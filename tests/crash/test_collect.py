"""kill -9 at random moments while letters are collected from a real mailbox: none is lost, none is kept twice."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.collecting import DONE, collects_from
from tests.crash.client import Promises
from tests.crash.judge import judge
from tests.crash.letters import LARGE, SMALL, CrashLetter, Letters, digest
from tests.crash.next_hop import NextHop
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.gateway import GatewayProcess, Hops


@pytest.fixture(scope="module")
def mail_store() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore() as server:
        yield server


@pytest.mark.parametrize("done", [DONE, ""], ids=["moved", "marked"])
async def test_three_kills_lose_and_double_nothing(seed: int, mail_store: DovecotStore, done: str) -> None:
    """100 letters of 20 kB, 5 of 300 kB."""
    await storm(seed, mail_store, mail_store.fresh(), kills=3, small=100, large=5, done=done)


@pytest.mark.soak
@pytest.mark.parametrize("done", [DONE, ""], ids=["moved", "marked"])
async def test_twenty_kills_lose_and_double_nothing(seed: int, mail_store: DovecotStore, done: str) -> None:
    """475 letters of 20 kB, 25 of 300 kB."""
    await storm(seed, mail_store, mail_store.fresh(), kills=20, small=475, large=25, done=done)


async def storm(
    seed: int, mail_store: DovecotStore, account: str, *, kills: int, small: int, large: int, done: str
) -> None:
    """A mailbox full of letters, kills at random moments while it is emptied, a restart after each; the verdict."""
    dice, killed = random.Random(seed), list[float]()
    letters = filled(Letters(seed), dice, small=small, large=large)
    await asyncio.to_thread(mail_store.put, account, *(each.content for each in letters))
    ids = {each.payload_id for each in letters}
    thresholds = sorted(dice.sample(range(len(letters) * 9 // 10), kills))
    async with NextHop(pause=0.02).listening() as hop:
        with gateway(mail_store, account, hop.port, done) as running:
            for threshold in thresholds:
                await arrived(hop, threshold)
                await asyncio.sleep(dice.random() * 0.05)
                killed.append(await asyncio.to_thread(running.kill))
                await asyncio.sleep(dice.choice((0, 0, 0.2)))
                await asyncio.to_thread(running.start)
            await hop.wait_for(ids, limit=60)
            await asyncio.to_thread(running.wait_until_nothing_waits)
            await asyncio.sleep(1.5)  # until the last are moved or marked; one that came again would be fetched by now
            log, kept = running.log(), kept_as(running.state_dir)
    promises = Promises(letters={each.payload_id: each for each in letters})
    promises.accepted = {each.payload_id: each.queue_id for each in hop.arrivals}
    assert promises.accepted.keys() == ids, f"{len(ids - promises.accepted.keys())} letters are lost"
    again = judge(promises, hop.arrivals, kills=killed, log=log)
    assert len(kept) == len(letters), f"{len(kept)} letters were kept of {len(letters)}"
    assert set(kept.values()) == {1}, "a letter was kept under two queue ids"
    await asyncio.to_thread(settled, mail_store, account, letters, done)
    print(f"{len(letters)} collected, {again} came again from the queue, {len(killed)} kills")


def gateway(mail_store: DovecotStore, account: str, hop: int, done: str) -> GatewayProcess:
    """Collects from that account; everything goes on to the one hop."""
    settings = {
        "log": {"level": "info", "format": "json"},
        "delivery": {"first_retry": "1s", "longest_retry": "2s", "ca_file": str(mail_store.anchors)},
        "collector": [collects_from(mail_store, account, done=done)],
    }
    return GatewayProcess(Hops(operators=hop, inward=hop), settings=settings)


def filled(letters: Letters, dice: random.Random, *, small: int, large: int) -> list[CrashLetter]:
    sizes = [SMALL] * small + [LARGE] * large
    dice.shuffle(sizes)
    return [letters.make(size) for size in sizes]


async def arrived(hop: NextHop, count: int, limit: float = 60.0) -> None:
    """Wait until so many different letters arrived."""
    async with asyncio.timeout(limit):
        while len(hop.payload_ids) < count:  # noqa: ASYNC110 - it tells of bodies, not of letters
            await asyncio.sleep(0.01)


def kept_as(state_dir: Path) -> Counter[bytes]:
    """Message-ID, as its keyed hash, to how often the journal says that it was accepted."""
    with closing(sqlite3.connect(f"file:{state_dir}/mssgw.db?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT message_id FROM journal WHERE event = 'accepted' AND client = 'officine'")
        return Counter(row[0] for row in found)


def settled(mail_store: DovecotStore, account: str, letters: list[CrashLetter], done: str) -> None:
    """Every letter is in its mailbox still, once, and none is left that looks new."""
    wanted = Counter(each.digest for each in letters)

    assert Counter(digest(each) for each in mail_store.letters(account, done or "INBOX")) == wanted
    with mail_store.client(account) as client:
        client.select("INBOX", readonly=True)
        (new,) = client.uid("SEARCH", "UNKEYWORD", "$MssgwCollected")[1]
        assert not new, "letters are left unmarked"
    assert mail_store.letters(account, "Refus passerelle") == []
