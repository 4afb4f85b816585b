"""The leases of this process: short, so that others soon take over from one that died, and renewed while it lives.

A lease is renewed as long as a letter under it waits in memory or is being sent. When renewing fails for most of a
lease, no attempt begins under it any more, ever: somebody else may hold the letter by then, and two would send it.

Times here count what the machine was suspended, as the clocks do that leases are compared by.
"""

import asyncio
import itertools
import secrets
import time
from collections import Counter
from datetime import datetime, timedelta

from mssgw.core.delivery import Lease
from mssgw.core.errors import StoreUnavailable
from mssgw.ports import Clock, Store, Telemetry

LEASE = timedelta(seconds=60)  # so long the letters of a dead process wait, if not told otherwise
RENEWALS = 4  # in the time of a lease
AGAIN = 2.0  # seconds to the next try when the store did not answer


class Leases:
    """Makes leases that begin with ``node.``, and keeps those that are held."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, node: str, lasting: timedelta = LEASE
    ) -> None:
        """``node`` names this process among those that share the store. ``lasting``: without being renewed."""
        self._lasting, self._every = lasting, lasting / RENEWALS
        self._store, self._clock, self._telemetry, self._node = store, clock, telemetry, node
        self._prefix, self._made = f"{node}.{secrets.token_hex(8)}", itertools.count()
        self._held: Counter[str] = Counter()
        self._until: dict[str, datetime] = {}  # of those that are held: they are ours for sure before that
        self._renewed = self._gap_ended = since_boot()  # what was before we do not know: perhaps an outage

    def new(self) -> Lease:
        """A lease that was never given before: its token is one of this process's, with a number."""
        return Lease(token=f"{self._prefix}-{next(self._made):x}", until=self._clock.now() + self._lasting)

    def hold(self, lease: Lease) -> None:
        """Something more waits under this lease."""
        self._held[lease.token] += 1
        self._until.setdefault(lease.token, lease.until)

    def drop(self, lease: Lease) -> None:
        """Something under this lease is done with: for the last one, the lease is left to lapse."""
        self._held[lease.token] -= 1
        if self._held[lease.token] <= 0:
            del self._held[lease.token]
            self._until.pop(lease.token, None)

    def is_sure(self, lease: Lease) -> bool:
        """Whether the lease lasts beyond its next renewal, so that an attempt may begin."""
        return self._clock.now() + self._every <= self._until.get(lease.token, lease.until)

    def lasts(self, lease: Lease) -> bool:
        """Whether nobody else can hold the letter yet, so that an attempt that began may end."""
        return self._clock.now() < self._until.get(lease.token, lease.until)

    async def free(self) -> None:
        """Give back all leases of this node, those of its earlier incarnations too. Raises StoreUnavailable."""
        await self._store.free_node(self._node)

    async def renew(self) -> None:
        """Renew what is held. Raises StoreUnavailable."""
        tokens, until = list(self._held), self._clock.now() + self._lasting
        await self._store.renew(tokens, until)
        answered = self._clock.now()
        # What had lapsed by then may be somebody else's: the store does not say what there was nothing to renew for.
        self._until.update({token: until for token in tokens if self._until.get(token, answered) > answered})
        now = since_boot()
        if now - self._renewed > self._gap:
            self._gap_ended = now
        self._renewed = now

    @property
    def _gap(self) -> float:
        """Seconds between two renewals that say that the store did not answer in between."""
        return 2 * self._every.total_seconds()

    def are_kept(self, grace: float) -> bool:
        """Whether what looks lapsed is lapsed: renewals succeed, and have for ``grace`` seconds.

        After an outage letters that are being sent look lapsed until whoever sends them has renewed, we or another.
        """
        now = since_boot()
        return now - self._renewed <= self._gap and now >= self._gap_ended + grace

    async def keep(self) -> None:
        """Renew until cancelled. With nothing to renew it still asks: that is how the store's clock is followed."""
        every = self._every.total_seconds()
        due = since_boot()
        while True:
            if since_boot() >= due:
                try:
                    await self.renew()
                    due = since_boot() + every
                except StoreUnavailable as error:
                    self._telemetry.event("queue.unavailable", alarm=True, error=str(error))
                except Exception as error:  # to end here would stop the gateway, and its next start would end here too
                    self._telemetry.event("queue.failed", alarm=True, failure=error)
            await asyncio.sleep(min(AGAIN, every))  # never for long: a sleep does not count what was suspended


def since_boot() -> float:
    """Seconds that passed evenly."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
