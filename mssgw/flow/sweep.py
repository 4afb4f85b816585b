"""Housekeeping: content is erased soon after the last outcome, traces after their time, crash garbage in some hours.

Silent exchanges close within the hour (FIN-4), and once a day it is told how many letters nobody has read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from mssgw.core.errors import GatewayError
from mssgw.flow.live import Live
from mssgw.ports import Clock, Desk, Spool, Store, Telemetry

ERASE_EVERY = 30.0  # seconds; the promise is ten minutes
GARBAGE_EVERY = 3600.0
# Seconds since it was last written to; a body of that age without a row was never answered with 250: the slowest
# sender that the listener bears fills the next MiB in 35 minutes, and five minutes after the final dot
# (Listener.end_within) the peer has been told 451, whatever the commit does. It goes when two sweeps as far apart have
# found it just so (edges/spool_garbage.Suspects): two to three hours after a crash.
GARBAGE_AGE = 3600.0
FORGET_EVERY = 86_400.0
CLOSE_EVERY = 3600.0
REPORT_EVERY = timedelta(days=1)


class Sweeper:
    """Runs until cancelled. A failing sweep is an alarm and is tried again; mail goes on."""

    def __init__(
        self,
        *,
        store: Store,
        spool: Spool,
        clock: Clock,
        telemetry: Telemetry,
        trace: timedelta,
        live: Live | None = None,
        desk: Desk | None = None,
    ) -> None:
        """``trace``: how long journal lines, letters and closed conversations are kept (TRC-2).

        ``live``: which exchanges close by themselves, and what is reported; ``desk``: whom the report is asked of.
        """
        self._store, self._spool, self._clock = store, spool, clock
        self._telemetry, self._trace = telemetry, trace
        self._live, self._desk = live, desk

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(ERASE_EVERY, "sweep.erase", self.erase))
            group.create_task(self._every(GARBAGE_EVERY, "sweep.garbage", self.garbage))
            group.create_task(self._every(FORGET_EVERY, "sweep.forget", self.forget))
            group.create_task(self._every(CLOSE_EVERY, "sweep.close", self.close))
            group.create_task(self._every(REPORT_EVERY.total_seconds(), "sweep.report", self.report))

    async def erase(self) -> int:
        """Erase the content of letters that are done: key first, for good, then the files. Returns how many."""
        erased = await self._store.erase_finished(now=self._clock.now())
        await self._spool.remove(*erased)
        return len(erased)

    async def garbage(self) -> int:
        """Remove bodies that no letter has. Returns how many."""
        return await self._spool.sweep(self._store, older_than=GARBAGE_AGE)

    async def forget(self) -> int:  # req: TRC-2
        """Delete what has been kept long enough. Returns how many rows."""
        return await self._store.forget(before=self._clock.now() - self._trace)

    async def close(self) -> int:  # req: FIN-4
        """Close the exchanges that fell silent. Returns how many."""
        now = self._clock.now()
        silences = self._live.settings.silences(now) if self._live is not None else ()
        return await self._store.close_silent(silences, now=now)

    async def report(self) -> None:
        """Tell how many letters asked to be acknowledged and are not read after so long (MDN-2).

        The alarm, where one is wanted, is about those that came of age since yesterday: the others rang before.
        """
        if self._live is None or self._desk is None or not await self._store.leads():
            return
        settings = self._live.settings
        before = self._clock.now() - settings.unread_after
        unread = await self._desk.count_unread(before=before, fresh_since=before - REPORT_EVERY)
        alarm = settings.unread_alarm and unread.fresh > 0
        self._telemetry.event("report.unread", alarm=alarm, count=unread.total, fresh=unread.fresh)

    async def _every(self, seconds: float, event: str, sweep: Callable[[], Awaitable[int | None]]) -> None:
        while True:
            try:
                if (count := await sweep()) is not None:
                    self._telemetry.event(event, count=count)
            except GatewayError as error:
                self._telemetry.event(f"{event}_failed", alarm=True, error=str(error))
            except Exception as error:  # a sweep that fell would take the whole gateway with it
                self._telemetry.event(f"{event}_failed", alarm=True, failure=error)
            await asyncio.sleep(seconds)
