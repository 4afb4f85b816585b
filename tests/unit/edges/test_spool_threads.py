"""The threads of the spool: each call has its own outcome, and closing waits for all of them."""

import asyncio
import os
from collections.abc import AsyncIterator
from threading import Event, Thread, current_thread

import pytest

from mssgw.edges.spool_threads import DiskThreads

PATIENCE = 10  # seconds


@pytest.fixture
async def threads() -> AsyncIterator[DiskThreads]:
    made = DiskThreads(2, "test-disk")
    yield made
    await made.close()


async def test_each_call_has_its_own_outcome(threads: DiskThreads) -> None:
    """Also when many ask at once, and some fail."""

    async def half(number: int) -> float:
        return await threads.run(lambda: number / (number % 2))

    outcomes = await asyncio.gather(*(half(number) for number in range(50)), return_exceptions=True)
    assert outcomes[1::2] == list(range(1, 50, 2))
    assert {type(outcome) for outcome in outcomes[::2]} == {ZeroDivisionError}


async def test_calls_run_beside_the_loop_and_beside_each_other(threads: DiskThreads) -> None:
    """One that waits for the disk holds up neither."""
    go = Event()
    waiting = asyncio.create_task(threads.run(go.wait, PATIENCE))
    assert (await threads.run(lambda: current_thread().name)).startswith("test-disk_")
    go.set()
    assert await waiting


async def test_no_thread_interrupts_the_loop_that_wakes_it(threads: DiskThreads) -> None:
    assert await threads.run(os.sched_getscheduler, 0) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


async def test_whoever_is_cancelled_hurts_nobody(threads: DiskThreads) -> None:
    """A call that runs ends; one that waits for its turn is left out."""
    go = Event()
    made: list[str] = []
    running = [asyncio.create_task(threads.run(go.wait, PATIENCE)) for _ in range(2)]
    queued = asyncio.create_task(threads.run(made.append, "queued"))
    await asyncio.sleep(0)
    queued.cancel()
    running[0].cancel()
    await asyncio.gather(queued, running[0], return_exceptions=True)
    go.set()
    assert await running[1]
    await threads.run(made.append, "last")
    assert made == ["last"]


async def test_closing_waits_for_calls_and_lets_no_more_in() -> None:
    """What was asked for is done."""
    threads = DiskThreads(1, "test-disk")
    made: list[int] = []
    tasks = [asyncio.create_task(threads.run(made.append, number)) for number in range(5)]
    await asyncio.sleep(0)
    await threads.close()
    await threads.close()
    assert made == [0, 1, 2, 3, 4]
    await asyncio.gather(*tasks)
    with pytest.raises(RuntimeError):
        await threads.run(made.append, 5)


async def test_a_thread_that_cannot_be_started_is_missed_by_no_later_call(
    threads: DiskThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a limit of processes: counted as if it ran, it would have letters wait for nobody."""

    def no_more(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    for _ in range(3):
        with monkeypatch.context() as limited:
            limited.setattr(Thread, "start", no_more)
            with pytest.raises(OSError, match="thread"):
                await threads.run(int)
    async with asyncio.timeout(5):
        assert await threads.run(int, "7") == 7
        with monkeypatch.context() as limited:
            limited.setattr(Thread, "start", no_more)
            assert await asyncio.gather(*(threads.run(int, str(each)) for each in range(5))) == [0, 1, 2, 3, 4]
