"""A limit on the CPU that a test may take: for what took minutes before it was mended, and takes no time now.

Our own CPU and not the clock, so that a busy machine makes no test fail.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def watchdog(what: str, seconds: float = 1.0) -> Iterator[Callable[[], None]]:
    """Fail the test when the block, since its start or since what is given was last called, takes so much CPU.

    In the main thread only. The engine of ``re`` lets signals in.
    """

    def bark(*_: object) -> None:
        pytest.fail(f"{what} is not linear")

    def begin() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    before = signal.signal(signal.SIGVTALRM, bark)
    begin()
    try:
        yield begin
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
