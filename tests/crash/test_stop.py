"""Stopping and reloading while letters come in: nobody is cut off who should not be, and nothing comes twice."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.crash.bench import PATIENCE, Bench, prepare, running
from tests.crash.client import Client, Refused, keep_sending
from tests.crash.letters import LARGE, SMALL, CrashLetter
from tests.peers.gateway import Hops

STOP_LIMIT = 30.0  # seconds: the promise
BAD: dict[str, bytes | None] = {
    "syntax": b"[gateway\n",
    "unknown key": b"[gateway]\nhostnam = 'x'\n",
    "not UTF-8": b"\xff\xfe[gateway]",
    "empty": b"",
    "a wrong value": b"[limits]\nmessage_size = -1\n",
    "gone": None,
}


@pytest.mark.parametrize("workers", [1, 2])
async def test_letters_in_data_are_finished_and_everybody_else_is_shown_out(seed: int, workers: int) -> None:
    """SIGTERM with 10 letters in DATA and 5 idle connections: 250 to the ten, 421 to the five, and no newcomer."""
    async with running(prepare(seed, workers=workers)) as bed, AsyncExitStack() as connections:
        idle = [await connections.enter_async_context(Client(bed.gateway.port)) for _ in range(5)]
        sending = [
            (await connections.enter_async_context(Client(bed.gateway.port)), bed.letters.make(size))
            for size in [SMALL, LARGE] * 5
        ]
        for client, letter in sending:
            await client.begin(letter)
            await client.write(letter.content[:10_000])
        began = time.monotonic()
        stopping = asyncio.create_task(bed.stop())
        for client in idle:
            with pytest.raises(Refused, match=r"421 4\.3\.2"):
                await client.expect(250)
            assert await client.ended()
        with pytest.raises(Refused):
            await Client(bed.gateway.port).__aenter__()
        for client, letter in sending:
            await client.write(letter.content[10_000:])
            bed.promises.letters[letter.payload_id] = letter
            bed.promises.accepted[letter.payload_id] = await client.finish()
            with pytest.raises(Refused, match=r"421 4\.3\.2"):
                await client.expect(250)
        await stopping
        assert time.monotonic() - began < STOP_LIMIT
        await bed.start()
        await bed.verdict()


@pytest.mark.soak
async def test_nobody_delays_a_stop_beyond_its_limit(seed: int) -> None:
    """One client stalls in DATA, and the next hop is silent after the final dot."""
    async with running(prepare(seed)) as bed, Client(bed.gateway.port) as stalled:
        bed.hop.open.clear()
        await bed.accepted(SMALL)
        await bed.hop.wait_for_bodies(1, limit=PATIENCE)
        await stalled.begin(letter := bed.letters.make())
        await stalled.write(letter.content[:1_000])
        await bed.stop()  # fails when it takes longer
        with pytest.raises(Refused, match="421"):
            await stalled.expect(250)


@pytest.mark.parametrize("workers", [1, 2])
async def test_stops_under_load_lose_nothing_and_double_nothing(seed: int, workers: int) -> None:
    """Three times SIGTERM and a new start, while eight clients send."""
    bed = prepare(seed, pause=0.02, workers=workers)
    async with running(bed):
        over = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for _ in range(8):
                load.create_task(keep_sending(bed.gateway.port, until(bed, over), bed.promises))
            for _ in range(3):
                await more(bed, 50)
                await bed.stop()
                await bed.start()
            over.set()
        assert all(line.startswith("421") for line in bed.promises.refused.values()), bed.promises.refused
        assert not bed.promises.in_doubt, "a stop answers whoever it took a letter from"
        await bed.verdict()


async def test_twenty_reloads_under_load_fail_no_session(seed: int) -> None:
    await reloads(prepare(seed), 20)


@pytest.mark.soak
async def test_a_hundred_reloads_under_load_fail_no_session(seed: int) -> None:
    await reloads(prepare(seed), 100)


async def reloads(bed: Bench, count: int) -> None:
    """Each with a change, while eight clients send; no reply may be other than what it should."""
    failed = list[str]()

    def note(why: Refused) -> bool:
        failed.append(str(why))
        return True

    async with running(bed):
        over = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for _ in range(8):
                load.create_task(keep_sending(bed.gateway.port, until(bed, over), bed.promises, go_on=note))
            for number in range(1, count + 1):
                change = {
                    "gateway": {"workers": 1},
                    "delivery": {"first_retry": f"{1 + number % 2}s", "longest_retry": "2s"},
                }
                bed.gateway.configure(bed.gateway.configuration(Hops(operators=bed.hop.port)), change)
                bed.gateway.reload()
                await bed.event("config.reloaded", number)
                await more(bed, 5)
            over.set()
        assert (failed, bed.promises.refused, bed.promises.in_doubt) == ([], {}, set())
        await bed.verdict()


async def test_a_bad_configuration_leaves_the_old_one_in_force(seed: int) -> None:
    """And says so, each time; the next good one is taken. Sessions go on meanwhile."""
    async with running(prepare(seed)) as bed, Client(bed.gateway.port) as client:
        file = bed.gateway.config_file
        good = file.read_bytes()
        for number, (why, content) in enumerate(BAD.items(), 1):
            file.unlink() if content is None else file.write_bytes(content)
            seen = len(bed.events("config.refused"))
            bed.gateway.reload()
            refused = (await bed.event("config.refused", seen + 1))[seen:]
            assert all(event["alarm"] for event in refused), why
            await client.send(bed.letters.make(), bed.promises)
            await bed.accepted(SMALL)
            assert len(bed.promises.accepted) == 2 * number, why
        file.write_bytes(good)
        bed.gateway.reload()
        await bed.event("config.reloaded")
        await bed.verdict()


def until(bed: Bench, over: asyncio.Event) -> Iterator[CrashLetter]:
    """Letters without end until then, one large in eight."""
    while not over.is_set():
        yield bed.letters.make(LARGE if len(bed.promises.letters) % 8 == 0 else SMALL)


async def more(bed: Bench, count: int) -> None:
    """Wait until so many more letters were accepted."""
    goal = len(bed.promises.accepted) + count
    async with asyncio.timeout(PATIENCE):
        while len(bed.promises.accepted) < goal:  # noqa: ASYNC110 - a dict tells nobody
            await asyncio.sleep(0.005)
