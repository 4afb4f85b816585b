"""What one node does for all: each post has a lease, and this node runs those whose lease it holds.

The leases lapse soon after a node has died; then another one takes over. A node that cannot renew them stops in time.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from mssgw.core.delivery import Lease
from mssgw.core.errors import StoreUnavailable
from mssgw.flow.leases import LEASE, RENEWALS
from mssgw.ports import Clock, LeaseBook

FINISH = 3.0  # seconds for what is at something that should not be broken off
APART = 0.05  # seconds, on average, between the first steps of many

Plan = TypeVar("Plan")


class Holder(Protocol):
    """Who does the work of a post."""

    async def run(self, delay: float = 0) -> None:
        """Begin after so many seconds; until cancelled, or asked to end."""

    def end(self) -> bool:
        """Come to an end by itself; whether there is something to finish first."""


class NamedLeases:
    """Leases of this process, on names and not on letters. ``node``, ``lasting``: as for Leases."""

    def __init__(self, book: LeaseBook, *, clock: Clock, node: str, lasting: timedelta = LEASE) -> None:
        self._book, self._clock, self._node, self._lasting = book, clock, node, lasting
        self._every = lasting / RENEWALS
        self._token = f"{node}.{secrets.token_hex(8)}"
        self._until: datetime | None = None

    @property
    def every(self) -> float:
        """Seconds between renewals."""
        return self._every.total_seconds()

    async def take(self, names: Collection[str], *, held: Collection[str]) -> set[str]:
        """Those of the names whose lease is ours now. ``held``: what stays so for a while if the store is away."""
        if not names:
            return set()
        now = self._clock.now()
        lease = Lease(token=self._token, until=now + self._lasting)
        try:
            ours = await self._book.take_leases(names, lease, node=self._node, now=now)
        except StoreUnavailable:  # told by all who need it more
            sure = self._until is not None and now + self._every < self._until
            return set(held) & set(names) if sure else set()
        self._until = lease.until
        return set(ours)

    async def leave(self) -> None:
        """Give them all up; when the store is away, they lapse."""
        with contextlib.suppress(StoreUnavailable):
            await self._book.leave_leases(self._token)


@dataclass(frozen=True, slots=True)
class _Running(Generic[Plan]):
    plan: Plan
    holder: Holder
    task: "asyncio.Task[None]"


class Posts(Generic[Plan]):
    """Runs a holder for each plan whose lease this node has.

    ``make`` gives the holder. ``told`` hears of those that begin (True) and end. ``drain``: what must be over before
    the leases are given up.
    """

    def __init__(
        self,
        leases: NamedLeases,
        make: Callable[[Plan], Holder],
        *,
        told: Callable[[Plan, bool], None] = lambda plan, begins: None,
        drain: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._leases, self._make, self._told, self._drain = leases, make, told, drain
        self._plans: dict[str, Plan] = {}
        self._running: dict[str, _Running[Plan]] = {}
        self._changed = asyncio.Event()

    def follow(self, plans: Mapping[str, Plan]) -> None:
        """Hold these from now on, by the names of their leases: no personal data in them, and the same on each node."""
        self._plans = dict(plans)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled; then all of them end, and the leases are given up."""
        try:
            while True:
                self._changed.clear()
                await self._settle()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._leases.every):
                        await self._changed.wait()
        finally:
            await self._stop(list(self._running))
            if self._drain is not None:
                await self._drain()
            await self._leases.leave()

    async def _settle(self) -> None:
        """Run what is ours and end what is not."""
        ours = await self._leases.take(self._plans, held=self._running)
        await self._stop([name for name, running in self._running.items() if not self._goes_on(name, running, ours)])
        new = sorted(name for name in ours - self._running.keys() if name in self._plans)
        for name in new:
            plan, delay = self._plans[name], random.uniform(0, APART * 2) * (len(new) - 1)  # noqa: S311 - no secret
            self._told(plan, True)
            holder = self._make(plan)
            self._running[name] = _Running(plan, holder, asyncio.create_task(holder.run(delay), name=name))

    def _goes_on(self, name: str, running: _Running[Plan], ours: set[str]) -> bool:
        return name in ours and running.plan == self._plans.get(name) and not running.task.done()

    async def _stop(self, names: list[str]) -> None:
        """Those that are at it finish, if they can soon; the others end at once."""
        stopping = [self._running.pop(name) for name in names]
        for each in stopping:
            if not each.holder.end():
                each.task.cancel()
        if stopping:
            await asyncio.wait([each.task for each in stopping], timeout=FINISH)
        for each in stopping:
            each.task.cancel()
            self._told(each.plan, False)
        await asyncio.gather(*(each.task for each in stopping), return_exceptions=True)
