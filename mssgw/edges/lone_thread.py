"""A thread for a call that may hang, as the look-up of a name or the read from a dead mount does.

Not asyncio's common threads: a call keeps its thread when its time is up, and all else would wait for one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class StillBusy(OSError):
    """The call before has not come back."""

    def __init__(self) -> None:
        super().__init__(None, "the attempt before still hangs")


class LoneThread:
    """One call at a time, so that one thread hangs however often it is tried. It holds up no stop of the process."""

    def __init__(self, name: str) -> None:
        self._name, self._busy = name, False

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """Its result, or what it raises. Cancelled, it goes on, and its result is lost. Raises StillBusy."""
        if self._busy:
            raise StillBusy
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            result, error = None, None
            try:
                result = call(*arguments)
            except Exception as raised:
                error = raised
            self._busy = False
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(_settle, future, result, error)

        self._busy = True
        try:
            Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:  # too many of them in this process
            self._busy = False
            raise OSError(None, "no thread to be had") from None
        return await future


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
