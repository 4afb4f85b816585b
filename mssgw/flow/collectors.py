"""Which mailboxes this node collects from: those configured whose lease it holds, and no other node does.

Two that collected from one mailbox at once would fetch each letter twice, and keep it once.
"""

from collections.abc import Iterable
from datetime import timedelta

from mssgw.flow.collect import CollectMeans, Collector
from mssgw.flow.fetching import Plan
from mssgw.flow.leases import LEASE
from mssgw.flow.posts import NamedLeases, Posts
from mssgw.ports import LeaseBook


class Collectors:
    """Runs a collector for each plan whose lease in ``book`` this node holds. ``node``, ``lasting``: as for Leases."""

    def __init__(self, means: CollectMeans, book: LeaseBook, *, node: str, lasting: timedelta = LEASE) -> None:
        self._means = means
        leases = NamedLeases(book, clock=means.clock, node=node, lasting=lasting)
        self._posts = Posts(leases, self._collector, told=self._tell, drain=means.commits.drain)

    def follow(self, plans: Iterable[Plan]) -> None:
        """Collect by these from now on."""
        self._posts.follow({f"collector {plan.name}": plan for plan in plans})

    async def run(self) -> None:
        """Until cancelled; then all collectors end, commits under way too, and the leases are given up."""
        await self._posts.run()

    def _collector(self, plan: Plan) -> Collector:
        return Collector(plan, self._means)

    def _tell(self, plan: Plan, begins: bool) -> None:
        name = "collector.started" if begins else "collector.stopped"
        self._means.telemetry.event(name, collector=plan.name)
