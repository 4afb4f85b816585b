"""Delivery: claim what is due and work through the lanes. The plan of an attempt (flow/attempt):

1. a job holds a lease; a healthy letter comes straight from accept, others are claimed from the queue;
2. one attempt by the transport gives an outcome for each recipient;
3. notices that are due are kept first, then the outcomes: a crash in between may repeat a notice, never lose one;
4. an outcome counts only while the lease holds (fencing), so an attempt begins only under one that is sure to last,
   and no letter goes out to its end under one that lapsed meanwhile.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby

from mssgw.core.delivery import Delivery, Lease
from mssgw.core.errors import Gone, NoLongerOurs, StoreUnavailable, Undecryptable
from mssgw.flow.attempt import Attempts
from mssgw.flow.beside import Beside
from mssgw.flow.lanes import Job, Lane, Lanes
from mssgw.flow.leases import Leases
from mssgw.flow.live import Live
from mssgw.ports import Clock, Store, Stored, Telemetry

CLAIM = 100  # deliveries that are claimed at once, and of a job: what a transaction takes (RFC 5321 section 4.5.3.1.8)
POLL = 1.0  # seconds between looks at the queue on disk
GRACE = 5.0  # seconds after the store was away: others first record what they sent meanwhile, and renew their leases


class Deliverer:
    """Runs deliveries until it is stopped. One a process."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        leases: Leases,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        live: Live,
        per_route: int = 20,
        backlog: int = 1000,
    ) -> None:
        """``per_route``: attempts at a time on one route. ``backlog``: deliveries in memory, on all together."""
        self._attempts, self._leases = attempts, leases
        self._store, self._clock, self._telemetry, self._live = store, clock, telemetry, live
        self._per_route = per_route
        self._lanes = Lanes(backlog=backlog)
        self._beside = Beside(store=store, lanes=self._lanes, live=live, per_route=per_route)
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._full = False  # the last look at the queue found no room in memory
        self._stopping = False
        self._freed = True  # unless run() has yet to free the leases of our earlier incarnations
        self._away = float("-inf")  # when the store last did not answer

    # --- from accept -------------------------------------------------------------------------------------------

    def reserve(self, deliveries: Sequence[Delivery]) -> Lease | None:
        """A lease for a letter that is about to be kept, or None: let it wait on disk, for memory is full.

        Nor before earlier leases are freed: those given now would be freed with them.
        """
        if self._stopping or not self._freed:
            return None
        if not self._lanes.admit(len(deliveries)):
            up_to_date = self._lanes.are_up_to_date(map(self._route_name, deliveries))
            if not self._lanes.admit(len(deliveries), up_to_date=up_to_date):
                return None
        return self._leases.new()

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """The letter was not kept after all."""
        self._lanes.leave(len(deliveries))

    def take(self, stored: Stored, deliveries: Sequence[Delivery], lease: Lease) -> None:
        """The letter was kept under a lease from reserve(): deliver it from memory."""
        try:
            fresh = tuple(replace(each, fresh=True) for each in deliveries)
            jobs = self._by_route(fresh, lease, stored)
        except Exception:
            self.give_back(deliveries)
            raise
        for route_name, job in jobs:
            self._enqueue(route_name, job)

    # --- life --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Claim what is due until cancelled. First frees the leases of our own earlier incarnations."""
        self._freed = False
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leases.keep(), name="leases")
            group.create_task(self._claims(), name="claims")

    async def _claims(self) -> None:
        while True:
            self._awake.clear()
            claimed = False
            try:
                if not self._freed:
                    await self._leases.free()
                    self._freed = True
                if time.monotonic() >= self._away + GRACE:
                    claimed = await self._claim(lapsed=self._leases.are_kept(GRACE))
            except StoreUnavailable as error:
                self._away = time.monotonic()
                self._telemetry.event("queue.unavailable", alarm=True, error=str(error))
            except Exception as error:  # to end here would stop the gateway, and its next start would end here too
                self._telemetry.event("queue.failed", alarm=True, failure=error)
            if not claimed:
                await self._pause()

    async def stop(self, limit: float) -> None:
        """Finish the attempts that run, for up to ``limit`` seconds, and give back the leases of the rest."""
        self._stopping = True
        self._lanes.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._leases.free()
        except StoreUnavailable as error:  # the next start frees them
            self._telemetry.event("queue.unavailable", alarm=True, error=str(error))

    def wake(self) -> None:
        """Look at the queue now."""
        self._awake.set()

    @property
    def idle(self) -> bool:
        """Nothing waits or runs in memory."""
        return self._lanes.count == 0

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._awake.wait()
        except TimeoutError:
            pass

    async def _claim(self, *, lapsed: bool) -> bool:
        """Claim a batch if something is due; whether there may be more. ``lapsed``: what others held until now, too."""
        if not self._lanes.room:
            for name, lane in self._lanes.standing_still():
                self._attempts.spare_for_standing_still(name, lane)
                await self._put_off(lane, self._that_may_wait(lane))
        now = self._clock.now()
        due = await self._store.next_due() if self._lanes.room else None
        room = min(self._lanes.room, CLAIM)
        self._full = not room
        lease = self._leases.new()
        if not room:
            beside = await self._beside.claim(now=now, lease=lease, lapsed=lapsed)
            await self._put_in_lanes(beside, lease)
            return bool(beside)
        if due is None or due > now:
            return False
        deliveries: Sequence[Delivery] = ()
        self._lanes.enter(room)  # before the store is asked: letters that arrive meanwhile must not have these places
        try:
            deliveries = await self._store.claim(now=now, lease=lease, limit=room, lapsed=lapsed)
        finally:
            self._lanes.leave(room - len(deliveries))
        await self._put_in_lanes(deliveries, lease)
        return len(deliveries) == room

    async def _put_in_lanes(self, deliveries: Sequence[Delivery], lease: Lease) -> None:
        """What was claimed; but what may wait is put off."""
        ordered = sorted(deliveries, key=lambda delivery: delivery.spool_id)
        spared: dict[str, list[Job]] = {}
        for _, group in groupby(ordered, key=lambda delivery: delivery.spool_id):
            for route_name, job in self._by_route(tuple(group), lease, None):
                if self._attempts.may_wait(self._lanes[route_name], job):
                    self._leases.hold(lease)
                    spared.setdefault(route_name, []).append(job)
                else:
                    self._enqueue(route_name, job)
        for route_name, jobs in spared.items():
            await self._put_off(self._lanes[route_name], jobs)

    # --- lanes -------------------------------------------------------------------------------------------------

    def _by_route(self, deliveries: Sequence[Delivery], lease: Lease, stored: Stored | None) -> list[tuple[str, Job]]:
        """Jobs of one transaction each, so that its outcome is recorded before the next one may be cut short."""
        grouped: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            grouped.setdefault(self._route_name(delivery), []).append(delivery)
        parts = [
            (name, tuple(group[at : at + CLAIM]))
            for name, group in grouped.items()
            for at in range(0, len(group), CLAIM)
        ]
        return [
            (name, Job(spool_id=part[0].spool_id, deliveries=part, lease=lease, stored=stored)) for name, part in parts
        ]

    def _route_name(self, delivery: Delivery) -> str:
        route = self._live.settings.routes.of(delivery)
        return route.name if route else ""

    def _enqueue(self, route_name: str, job: Job) -> None:
        lane = self._lanes[route_name]
        self._leases.hold(job.lease)
        lane.waiting.append(job)
        self._start(lane, route_name)

    def _start(self, lane: Lane, route_name: str) -> None:
        while lane.waiting and lane.running < self._per_route and not self._stopping:
            lane.moved = lane.moved if lane.running else time.monotonic()
            lane.running += 1
            task = asyncio.create_task(self._run(lane, route_name, lane.waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane, route_name: str, job: Job) -> None:
        """Work through the lane, one job after another: a task a message would cost more than the message."""
        try:
            while True:
                if self._attempts.may_wait(lane, job):
                    await self._put_off(lane, [job, *self._that_may_wait(lane)])
                else:
                    self._attempts.begin(lane, job)
                    await self._one(lane, route_name, job)
                lane.moved = time.monotonic()
                if not lane.waiting or self._stopping:
                    return
                job = lane.waiting.popleft()
        finally:
            lane.running -= 1
            self._lanes.forget(route_name)
            if self._full:
                self._awake.set()

    def _that_may_wait(self, lane: Lane) -> list[Job]:
        """Taken out of the lane."""
        jobs: list[Job] = []
        waiting, lane.waiting = lane.waiting, deque()
        for job in waiting:
            (jobs if self._attempts.may_wait(lane, job) else lane.waiting).append(job)
        return jobs

    async def _put_off(self, lane: Lane, jobs: Sequence[Job]) -> None:
        try:
            if jobs:
                await self._attempts.put_off(lane, jobs)
        except StoreUnavailable as error:  # they are claimed again when their leases lapse
            self._telemetry.event("queue.unavailable", alarm=True, error=str(error))
        except Exception as error:
            self._telemetry.event("queue.failed", alarm=True, failure=error)
        finally:
            for job in jobs:
                self._leases.drop(job.lease)
                self._lanes.leave(len(job.deliveries))

    async def _one(self, lane: Lane, route_name: str, job: Job) -> None:
        try:
            await self._try(lane, route_name, job)
        except StoreUnavailable as error:
            # Something could not be loaded or recorded for an hour: the lease lapses, and the queue is tried again.
            self._telemetry.event("queue.unavailable", alarm=True, queue_id=job.spool_id, error=str(error))
        except Exception as error:  # one letter must never stop the others
            self._telemetry.event("delivery.failed", alarm=True, queue_id=job.spool_id, failure=error)
        finally:
            self._leases.drop(job.lease)
            self._lanes.leave(len(job.deliveries))
            if self._full and self._lanes.room >= CLAIM:  # not for each place: a claim is a transaction
                self._awake.set()

    async def _try(self, lane: Lane, route_name: str, job: Job) -> None:
        try:
            stored = await self._attempts.load(job)
            if not self._leases.is_sure(job.lease):
                raise NoLongerOurs  # the store did not answer for long: soon the lease lapses
            if not self._moved(route_name, job, stored):
                await self._attempts.make(lane, stored, job, partial(self._leases.lasts, job.lease))
        except NoLongerOurs:
            await self._attempts.give_back(job)
        except (Gone, Undecryptable) as error:
            if self._leases.lasts(job.lease):
                await self._attempts.set_aside(job, error)
            else:  # what is missing may have been sent by somebody else, and erased since
                await self._attempts.give_back(job)

    def _moved(self, route_name: str, job: Job, stored: Stored) -> bool:
        """Whether a reload gave recipients another route while the job waited: then it waits there, in parts."""
        if all(self._route_name(delivery) == route_name for delivery in job.deliveries):
            return False
        for name, part in self._by_route(job.deliveries, job.lease, stored):
            self._lanes.enter(len(part.deliveries))
            self._enqueue(name, part)
        return True
