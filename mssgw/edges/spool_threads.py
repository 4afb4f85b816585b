"""A few threads for calls that wait for the disk.

As run_in_executor, but with one plain future a call: an executor's locks and second future cost as much as the call.
"""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from mssgw.edges.scheduling import do_not_preempt

T = TypeVar("T")


@dataclass(slots=True)
class _Call:
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    done: Callable[["asyncio.Future[Any]", Any, Exception | None], None]

    def make(self) -> None:
        result, error = None, None
        try:
            if not self.future.cancelled():  # before its turn came
                result = self.call(*self.arguments)
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self.loop.call_soon_threadsafe(self.done, self.future, result, error)


class DiskThreads:
    """Up to ``count`` threads, each started when the others are busy: few of them keep their caches warm."""

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._under_way = 0
        self._closed = False

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """Make the call in a thread; its result, or what it raises. Cancelled, it may still be made.

        Raises OSError when no thread can be had for it.
        """
        if self._closed:
            raise RuntimeError("the threads have ended")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if len(self._threads) < min(self._under_way + 1, self._count):
            self._start()
        self._under_way += 1
        self._calls.put(_Call(call, arguments, future, loop, self._settle))
        return await future

    async def close(self) -> None:
        """Make the calls that wait, then end the threads."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _start(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = Thread(target=_work, args=(self._calls,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a limit of processes
            if not self._threads:  # else those that run do it
                raise OSError(errno.EAGAIN, "no thread can be started") from None
        else:
            self._threads.append(thread)

    def _settle(self, future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
        self._under_way -= 1
        if future.done():  # cancelled meanwhile
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def _work(calls: "SimpleQueue[_Call | None]") -> None:
    do_not_preempt()
    while (call := calls.get()) is not None:
        call.make()
        del call  # its arguments are segments: not to be kept until the next call
