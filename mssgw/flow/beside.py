"""What is claimed while memory is full: letters on disk to next hops that nothing waits for.

A claim takes what was due first, whatever its route. So a next hop that is slow but moves would have all others wait
until its whole backlog is gone: for 20,000 letters at 4 a second, more than an hour.
"""

import time
from collections.abc import Sequence
from datetime import datetime

from mssgw.core.delivery import Delivery, Lease
from mssgw.flow.lanes import Lanes
from mssgw.flow.live import Live
from mssgw.ports import Store

AT_ONCE = 20  # domains of a claim: each is asked for by itself
IN_VAIN = 1.0  # seconds to the next look after one that found nothing


class Beside:
    """Claims into the places that are kept for lanes in which nothing waits; half of these stay for new letters."""

    def __init__(self, *, store: Store, lanes: Lanes, live: Live, per_route: int) -> None:
        self._store, self._lanes, self._live = store, lanes, live
        self._per_route = per_route
        self._next_look = 0.0  # time.monotonic

    async def claim(self, *, now: datetime, lease: Lease, lapsed: bool) -> Sequence[Delivery]:
        """What there is room for, counted in; for each route no more than it has attempts at a time.

        Raises StoreUnavailable.
        """
        if not self._lanes.room_beside or time.monotonic() < self._next_look:
            return ()
        domains = self._up_to_date(await self._store.domains_due(now=now, lapsed=lapsed))
        room = self._lanes.room_beside  # as it is now
        domains = domains[: min(room, AT_ONCE)]
        limit = min(self._per_route, room // len(domains)) if domains else 0
        claimed: Sequence[Delivery] = ()
        if limit:
            self._lanes.enter(limit * len(domains))
            try:
                claimed = await self._store.claim_for(domains, now=now, lease=lease, limit=limit, lapsed=lapsed)
            finally:
                self._lanes.leave(limit * len(domains) - len(claimed))
        if not claimed:
            self._next_look = time.monotonic() + IN_VAIN
        return claimed

    def _up_to_date(self, domains: Sequence[str]) -> list[str]:
        """Those without anything that waits in a lane: in that of their route, nor in one of a mailbox of theirs.

        One for each route: its next hop may be slow as well, and the others' domains would find no place.
        """
        waiting, routes = self._lanes.domains_waiting(), self._live.settings.routes
        found: dict[str, str] = {}
        for domain in domains:
            name = route.name if (route := routes.find(domain)) else ""
            if domain not in waiting and self._lanes.are_up_to_date([name]):
                found.setdefault(name, domain)
        return list(found.values())
