"""Which mailboxes this node collects from: those configured whose lease it holds, and no other node does.

The leases lapse soon after a node has died; then another one takes over. A node that cannot renew them stops in time:
two that collected from one mailbox at once would fetch each letter twice, and keep it once.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mssgw.core.delivery import Lease
from mssgw.core.errors import StoreUnavailable
from mssgw.flow.collect import CollectMeans, Collector
from mssgw.flow.fetching import Plan
from mssgw.flow.leases import LEASE, RENEWALS

FINISH = 3.0  # seconds to mark what was taken
APART = 0.05  # seconds, on average, between the first sessions of many


@dataclass(frozen=True, slots=True)
class _Running:
    plan: Plan
    collector: Collector
    task: "asyncio.Task[None]"


class Collectors:
    """Runs a collector for each plan that this node holds. ``node``, ``lasting``: as for Leases."""

    def __init__(self, means: CollectMeans, *, node: str, lasting: timedelta = LEASE) -> None:
        self._means, self._node = means, node
        self._lasting, self._every = lasting, lasting / RENEWALS
        self._token = f"{node}.{secrets.token_hex(8)}"
        self._plans: dict[str, Plan] = {}
        self._running: dict[str, _Running] = {}
        self._until: datetime | None = None
        self._changed = asyncio.Event()

    def follow(self, plans: Iterable[Plan]) -> None:
        """Collect by these from now on."""
        self._plans = {_lease_of(plan): plan for plan in plans}
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled; then all collectors end, commits under way too, and the leases are given up."""
        try:
            while True:
                self._changed.clear()
                await self._settle()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._every.total_seconds()):
                        await self._changed.wait()
        finally:
            await self._stop(list(self._running))
            await self._means.commits.drain()
            with contextlib.suppress(StoreUnavailable):  # then they lapse
                await self._means.memory.leave_leases(self._token)

    async def _settle(self) -> None:
        """Run what is ours and end what is not."""
        mine = await self._mine()
        await self._stop([name for name, running in self._running.items() if not self._goes_on(name, running, mine)])
        new = sorted(mine - self._running.keys())
        for name in new:
            plan, delay = self._plans[name], random.uniform(0, APART * 2) * (len(new) - 1)  # noqa: S311 - no secret
            self._means.telemetry.event("collector.started", collector=plan.name)
            collector = Collector(plan, self._means)
            self._running[name] = _Running(plan, collector, asyncio.create_task(collector.run(delay), name=name))

    def _goes_on(self, name: str, running: "_Running", mine: set[str]) -> bool:
        return name in mine and running.plan == self._plans[name] and not running.task.done()

    async def _mine(self) -> set[str]:
        """The names of the plans whose leases we hold."""
        now = self._means.clock.now()
        if not self._plans:
            return set()
        lease = Lease(token=self._token, until=now + self._lasting)
        try:
            held = await self._means.memory.take_leases(self._plans, lease, node=self._node, now=now)
        except StoreUnavailable:  # told by all who need it more
            sure = self._until is not None and now + self._every < self._until
            return self._running.keys() & self._plans.keys() if sure else set()
        self._until = lease.until
        return set(held)

    async def _stop(self, names: list[str]) -> None:
        """Those that are at it mark what they took, if the mailbox lets them; the others end at once."""
        stopping = [self._running.pop(name) for name in names]
        for each in stopping:
            if not each.collector.end():
                each.task.cancel()
        if stopping:
            await asyncio.wait([each.task for each in stopping], timeout=FINISH)
        for each in stopping:
            each.task.cancel()
            self._means.telemetry.event("collector.stopped", collector=each.plan.name)
        await asyncio.gather(*(each.task for each in stopping), return_exceptions=True)


def _lease_of(plan: Plan) -> str:
    return f"collector {plan.name}"
