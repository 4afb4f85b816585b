"""Calls that hang hold one thread, and nobody else up."""

import asyncio
import threading

import pytest

from mssgw.edges.lone_thread import LoneThread, StillBusy


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


async def hangs_in(thread: LoneThread, gate: threading.Event) -> None:
    """A call whose time is up, and that goes on."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await thread.run(gate.wait)


async def test_results_and_errors_come_back() -> None:
    """One after the other, as often as one likes."""
    thread = LoneThread("test")
    assert [await thread.run(divmod, 7, each) for each in (2, 3)] == [(3, 1), (2, 1)]
    with pytest.raises(ZeroDivisionError):
        await thread.run(divmod, 7, 0)
    assert await thread.run(divmod, 7, 7) == (1, 0)


async def test_a_call_that_hangs_holds_one_thread_however_often_it_is_tried(gate: threading.Event) -> None:
    """And none of the common ones, of which a machine with two cores has six."""
    thread, before = LoneThread("test"), set(threading.enumerate())
    await hangs_in(thread, gate)
    for _ in range(100):
        with pytest.raises(StillBusy):
            await thread.run(gate.wait)
    (begun,) = set(threading.enumerate()) - before
    assert begun.name == "test"
    assert begun.daemon  # it holds up no stop


async def test_it_is_tried_again_when_the_call_came_back(gate: threading.Event) -> None:
    """Its late result is nobody's."""
    thread = LoneThread("test")
    await hangs_in(thread, gate)
    gate.set()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await thread.run(len, "abc") == 3
                return
            except StillBusy:
                await asyncio.sleep(0.01)


def test_a_call_may_outlive_its_loop(gate: threading.Event) -> None:
    """The daemon that stops does not wait for it."""
    thread = LoneThread("test")
    asyncio.run(hangs_in(thread, gate))
    assert not gate.is_set()
    gate.set()
    for each in threading.enumerate():
        if each.name == "test":
            each.join(10)
            assert not each.is_alive()
