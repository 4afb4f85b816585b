"""A limit on the CPU that a test may take: for what took minutes before it was mended, and takes no time now.

Our own CPU and not the clock, so that a busy machine makes no test fail; and eight times or more of what the test
takes, for a second of CPU is worth half as much where other machines share the core. How fast things are, bench/ says.
"""

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def watchdog(what: str, seconds: float = 3.0) -> Iterator[Callable[[], None]]:
    """Fail the test when the block, since its start or since what is given was last called, takes so much CPU.

    In the main thread only. The engine of ``re`` lets signals in. The garbage collector waits: it goes through what all
    tests before this one left.
    """

    def bark(*_: object) -> None:
        pytest.fail(f"{what} is not linear")

    def begin() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    before = signal.signal(signal.SIGVTALRM, bark)
    gc.disable()
    begin()
    try:
        yield begin
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        gc.enable()
        signal.signal(signal.SIGVTALRM, before)
