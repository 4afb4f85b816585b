"""All mailboxes that are watched for receipts: a session for each, as the configuration says now."""

import asyncio
from collections.abc import Callable, Iterable

from mssgw.flow.receipts_watch import ReceiptWatch, Watched


class ReceiptWatches:
    """``make`` gives the watch of a mailbox, which runs until cancelled."""

    def __init__(self, make: Callable[[Watched], ReceiptWatch]) -> None:
        self._make = make
        self._wanted: frozenset[Watched] = frozenset()
        self._running: dict[Watched, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def follow(self, wanted: Iterable[Watched]) -> None:
        """Watch these from now on, and no others."""
        self._wanted = frozenset(wanted)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled; then all sessions end."""
        try:
            while True:
                self._changed.clear()
                await self._stop(self._running.keys() - self._wanted)
                for watched in self._wanted - self._running.keys():
                    self._running[watched] = asyncio.create_task(self._make(watched).run(), name="receipts")
                await self._changed.wait()
        finally:
            await self._stop(set(self._running))

    async def _stop(self, unwanted: Iterable[Watched]) -> None:
        ended = [self._running.pop(watched) for watched in unwanted]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
