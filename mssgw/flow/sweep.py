"""Housekeeping: content is erased soon after the last outcome, traces after their time, crash garbage hourly."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from mssgw.core.errors import GatewayError
from mssgw.ports import Clock, Spool, Store, Telemetry

ERASE_EVERY = 30.0  # seconds; the promise is ten minutes
GARBAGE_EVERY = 3600.0
# Seconds since it was last written to; a file of that age without a row was never answered with 250: the slowest
# sender that the listener bears fills the next MiB in 35 minutes, and a commit takes five at most.
GARBAGE_AGE = 3600.0
FORGET_EVERY = 86_400.0


class Sweeper:
    """Runs until cancelled. A failing sweep is an alarm and is tried again; mail goes on."""

    def __init__(self, *, store: Store, spool: Spool, clock: Clock, telemetry: Telemetry, trace: timedelta) -> None:
        """``trace``: how long journal lines, letters and closed conversations are kept (TRC-2)."""
        self._store, self._spool, self._clock = store, spool, clock
        self._telemetry, self._trace = telemetry, trace

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(ERASE_EVERY, "sweep.erase", self.erase))
            group.create_task(self._every(GARBAGE_EVERY, "sweep.garbage", self.garbage))
            group.create_task(self._every(FORGET_EVERY, "sweep.forget", self.forget))

    async def erase(self) -> int:
        """Erase the content of letters that are done: key first, for good, then the files. Returns how many."""
        erased = await self._store.erase_finished(now=self._clock.now())
        await self._spool.remove(*erased)
        return len(erased)

    async def garbage(self) -> int:
        """Remove spool files that no row knows. Returns how many."""
        return await self._spool.sweep(self._store, older_than=GARBAGE_AGE)

    async def forget(self) -> int:  # req: TRC-2
        """Delete what has been kept long enough. Returns how many rows."""
        return await self._store.forget(before=self._clock.now() - self._trace)

    async def _every(self, seconds: float, event: str, sweep: Callable[[], Awaitable[int]]) -> None:
        while True:
            try:
                self._telemetry.event(event, count=await sweep())
            except GatewayError as error:
                self._telemetry.event(f"{event}_failed", alarm=True, error=str(error))
            except Exception as error:  # a sweep that fell would take the whole gateway with it
                self._telemetry.event(f"{event}_failed", alarm=True, failure=error)
            await asyncio.sleep(seconds)
