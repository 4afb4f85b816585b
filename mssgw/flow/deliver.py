"""Delivery: claim what is due, hand it to the transport, record the outcome. The plan of an attempt:

1. a job holds a lease; a healthy letter comes straight from accept, others are claimed from the queue;
2. one attempt by the transport gives an outcome for each recipient;
3. notices that are due are kept first, then the outcomes: a crash in between may repeat a notice, never lose one;
4. an outcome counts only while the lease holds (fencing), so an attempt begins only while much of it is left.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from mssgw.core.delivery import Bounced, Deferred, Delivery, Lease, Outcome
from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import INTERNAL_ERROR, Reply
from mssgw.flow.lanes import Job, Lane, Lanes
from mssgw.flow.live import Live
from mssgw.flow.outcomes import after_attempt, are_last_words, journal_line
from mssgw.flow.receipt import Notices
from mssgw.ports import Clock, Settlement, Spool, Store, Stored, Telemetry, Transport

T = TypeVar("T")

LEASE = timedelta(minutes=60)
ATTEMPT_LIMIT = timedelta(minutes=18)  # begun only while the lease lasts longer: two leases would be two letters
CLAIM = 100  # deliveries that are claimed at once
POLL = 1.0  # seconds between looks at the queue on disk
ROUTE_LOST = Reply(451, "4.4.4", "Plus de route vers ce domaine dans la configuration")  # req: SD-10
TOO_LONG = Reply(451, "4.4.2", "Tentative interrompue : trop longue")


class Deliverer:
    """Runs deliveries until it is stopped. One a process."""

    def __init__(
        self,
        *,
        store: Store,
        spool: Spool,
        transport: Transport,
        notices: Notices,
        clock: Clock,
        telemetry: Telemetry,
        live: Live,
        node: str,
        per_route: int = 20,
        backlog: int = 1000,
    ) -> None:
        """``node`` names this process among those that share the store: its leases begin with it."""
        self._store, self._spool, self._transport, self._notices = store, spool, transport, notices
        self._clock, self._telemetry, self._live = clock, telemetry, live
        self._node, self._per_route = node, per_route
        self._lanes = Lanes(backlog=backlog)
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._full = False  # the last look at the queue found no room in memory
        self._stopping = False

    # --- from accept -------------------------------------------------------------------------------------------

    def reserve(self, deliveries: Sequence[Delivery]) -> Lease | None:
        """A lease for a letter that is about to be kept, or None: memory is full, let it wait on disk."""
        if self._stopping or not self._lanes.admit(len(deliveries)):
            return None
        return self._new_lease()

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """The letter was not kept after all."""
        self._lanes.leave(len(deliveries))

    def take(self, stored: Stored, deliveries: Sequence[Delivery], lease: Lease) -> None:
        """The letter was kept under a lease from reserve(): deliver it from memory."""
        for route_name, job in self._by_route(deliveries, lease, stored):
            self._enqueue(route_name, job)

    # --- life --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Claim what is due until cancelled. First frees the leases of our own earlier incarnations."""
        await self._store.free_node(self._node)
        while True:
            self._awake.clear()
            try:
                claimed = await self._claim()
            except StoreUnavailable as error:
                self._telemetry.event("queue.unavailable", alarm=True, error=str(error))
                claimed = False
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
            await self._store.free_node(self._node)
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

    async def _claim(self) -> bool:
        """Claim a batch if something is due; whether it was a full one."""
        now = self._clock.now()
        due = await self._store.next_due() if self._lanes.room else None
        room = min(self._lanes.room, CLAIM)
        self._full = not room
        if not room or due is None or due > now:
            return False
        lease = self._new_lease()
        deliveries: Sequence[Delivery] = ()
        self._lanes.enter(room)  # before the store is asked: letters that arrive meanwhile must not have these places
        try:
            deliveries = await self._store.claim(now=now, lease=lease, limit=room)
        finally:
            self._lanes.leave(room - len(deliveries))
        ordered = sorted(deliveries, key=lambda delivery: delivery.spool_id)
        for _, group in groupby(ordered, key=lambda delivery: delivery.spool_id):
            for route_name, job in self._by_route(tuple(group), lease, None):
                self._enqueue(route_name, job)
        return len(deliveries) == room

    def _new_lease(self) -> Lease:
        return Lease(token=f"{self._node}.{secrets.token_hex(8)}", until=self._clock.now() + LEASE)

    # --- lanes -------------------------------------------------------------------------------------------------

    def _by_route(self, deliveries: Sequence[Delivery], lease: Lease, stored: Stored | None) -> list[tuple[str, Job]]:
        routes = self._live.settings.routes
        grouped: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            route = routes.find(delivery.domain)
            grouped.setdefault(route.name if route else "", []).append(delivery)
        return [
            (name, Job(spool_id=group[0].spool_id, deliveries=tuple(group), lease=lease, stored=stored))
            for name, group in grouped.items()
        ]

    def _enqueue(self, route_name: str, job: Job) -> None:
        lane = self._lanes[route_name]
        lane.waiting.append(job)
        self._start(lane, route_name)

    def _start(self, lane: Lane, route_name: str) -> None:
        while lane.waiting and lane.running < self._per_route and not self._stopping:
            lane.running += 1
            task = asyncio.create_task(self._run(lane, route_name, lane.waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane, route_name: str, job: Job) -> None:
        """Work through the lane, one job after another: a task a message would cost more than the message."""
        try:
            while True:
                await self._one(lane, route_name, job)
                if not lane.waiting or self._stopping:
                    return
                job = lane.waiting.popleft()
        finally:
            lane.running -= 1
            if self._full:
                self._awake.set()

    async def _one(self, lane: Lane, route_name: str, job: Job) -> None:
        try:
            stored = await self._load(job)
            if self._clock.now() + ATTEMPT_LIMIT > job.lease.until:
                # It waited behind a slow next hop. Soon the lease lapses, and the letter is claimed anew.
                self._telemetry.event("delivery.waited_too_long", queue_id=job.spool_id)
            elif not self._moved(route_name, job, stored):
                outcomes = await self._attempt(lane, stored, job)
                await self._settle(stored, job, outcomes)
        except (Gone, Undecryptable) as error:
            await self._set_aside(job, error)
        except StoreUnavailable as error:
            # Nothing was recorded: the lease lapses and the queue is tried again.
            self._telemetry.event("queue.unavailable", alarm=True, queue_id=job.spool_id, error=str(error))
        except Exception as error:  # one letter must never stop the others
            self._telemetry.event("delivery.failed", alarm=True, queue_id=job.spool_id, failure=error)
        finally:
            self._lanes.leave(len(job.deliveries))

    async def _load(self, job: Job) -> Stored:
        if job.stored is not None:
            return job.stored
        return await self._insist(job, lambda: self._store.load(job.spool_id))

    def _moved(self, route_name: str, job: Job, stored: Stored) -> bool:
        """Whether a reload gave recipients another route while the job waited: then it waits there, in parts."""
        parts = self._by_route(job.deliveries, job.lease, stored)
        if [name for name, _ in parts] == [route_name]:
            return False
        for name, part in parts:
            self._lanes.enter(len(part.deliveries))
            self._enqueue(name, part)
        return True

    # --- one attempt -------------------------------------------------------------------------------------------

    async def _attempt(self, lane: Lane, stored: Stored, job: Job) -> dict[int, Outcome]:
        route = self._live.settings.routes.find(job.deliveries[0].domain)
        now = self._clock.now()
        if route is None:
            return self._all(job, Deferred(reply=ROUTE_LOST, alarm=True))
        if lane.is_down(now) and lane.down_reply is not None:
            return self._all(job, Deferred(reply=lane.down_reply, next_hop=route.host))
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT.total_seconds()):
                outcomes = dict(await self._transport.send(route, stored, job.deliveries))
        except TimeoutError:
            return self._all(job, Deferred(reply=TOO_LONG, next_hop=route.host))
        except (Gone, Undecryptable):
            raise
        except Exception as error:  # ours: it counts as an attempt, so that the sender is told in the end
            self._telemetry.event("delivery.failed", alarm=True, queue_id=job.spool_id, failure=error)
            return self._all(job, Deferred(reply=INTERNAL_ERROR))
        self._spare_if_down(lane, outcomes, now)
        return outcomes

    @staticmethod
    def _all(job: Job, outcome: Outcome) -> dict[int, Outcome]:
        return {delivery.number: outcome for delivery in job.deliveries}

    def _spare_if_down(self, lane: Lane, outcomes: dict[int, Outcome], now: datetime) -> None:
        """A next hop that does not answer (4.4.1) is spared for a moment: the lane's other jobs wait for a retry."""
        down = next((o for o in outcomes.values() if isinstance(o, Deferred) and o.reply.status == "4.4.1"), None)
        pause = min(timedelta(seconds=30), self._live.settings.retry.first)
        lane.down_until, lane.down_reply = (now + pause, down.reply) if down else (None, None)

    async def _settle(self, stored: Stored, job: Job, outcomes: dict[int, Outcome]) -> None:
        now, retry = self._clock.now(), self._live.settings.retry
        results = [
            after_attempt(delivery, outcomes[delivery.number], retry, now, random.random())  # noqa: S311 - spreads load
            for delivery in job.deliveries
        ]
        late = now - stored.accepted_at >= retry.warn_after
        notified: Mapping[int, tuple[Entry, ...]] = {}
        try:
            notified = await self._insist(job, lambda: self._notices.send(stored, results, is_late=late))
        except StoreUnavailable:
            raise
        except Exception as error:
            # Ours. What was delivered must not be sent again for want of a notice; a failure that nobody can be told
            # of is not recorded, and is tried again when the lease lapses.
            self._telemetry.event("notice.failed", alarm=True, queue_id=job.spool_id, failure=error)
            results = [(after, outcome) for after, outcome in results if not isinstance(outcome, Bounced)]
        settlements = [
            Settlement(
                after=replace(after, warned=after.warned or late),
                lease=job.lease,
                outcome=outcome,
                entries=(journal_line(stored, after, outcome, now), *notified.get(after.number, ())),
            )
            for after, outcome in results
        ]
        kept = await self._insist(job, lambda: self._store.settle(settlements))
        for settlement, was_kept in zip(settlements, kept, strict=True):
            self._log(settlement, was_kept)
        if stored.body.inline is None and all(kept) and are_last_words(stored, settlements):
            await self._spool.remove(stored.spool_id)  # its key follows within minutes; the disk is free now

    async def _insist(self, job: Job, keep: Callable[[], Awaitable[T]]) -> T:
        """Keep asking the store while the lease lasts: an outcome that is not recorded is a letter sent twice."""
        while True:
            try:
                return await keep()
            except StoreUnavailable as error:
                if self._clock.now() >= job.lease.until:
                    raise
                self._telemetry.event("queue.unavailable", alarm=True, queue_id=job.spool_id, error=str(error))
                await asyncio.sleep(POLL)

    async def _set_aside(self, job: Job, error: Gone | Undecryptable) -> None:
        detail = type(error).__name__.lower()
        self._telemetry.event("letter.set_aside", alarm=True, queue_id=job.spool_id, reason=detail)
        entry = Entry(at=self._clock.now(), event=JournalEvent.HELD, spool_id=job.spool_id, detail=detail)
        try:
            await self._store.set_aside(job.spool_id, entry)
        except StoreUnavailable as trouble:
            self._telemetry.event("queue.unavailable", alarm=True, queue_id=job.spool_id, error=str(trouble))

    def _log(self, settlement: Settlement, kept: bool) -> None:
        outcome, after = settlement.outcome, settlement.after
        name = type(outcome).__name__.lower() if kept else "lease_lost"
        self._telemetry.event(
            f"delivery.{name}",
            alarm=isinstance(outcome, Deferred) and outcome.alarm,
            queue_id=after.spool_id,
            recipient=self._store.alias(after.forward_path.address),
            next_hop=outcome.next_hop,
            code=outcome.reply.code,
            status=outcome.reply.status,
            attempts=after.attempts,
        )
