"""One attempt: hand a letter to the transport, keep the notices that are due, then record the outcomes."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from mssgw.core.delivery import DISTRUSTED, Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.errors import Gone, NoLongerOurs, StoreUnavailable, Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.notifying import Notification
from mssgw.core.replies import INTERNAL_ERROR, Reply
from mssgw.core.routes import Route
from mssgw.flow.lanes import Job, Lane
from mssgw.flow.live import Live
from mssgw.flow.notices import KeptNotices, Notices, Result
from mssgw.flow.outcomes import after_attempt, are_last_words, journal_line, waits_with
from mssgw.flow.patient_space import PatientNotices, to_be_opened
from mssgw.ports import Clock, HalfSettled, Settlement, Spool, StillOurs, Store, Stored, Telemetry, Transport

T = TypeVar("T")

ATTEMPT_LIMIT = timedelta(minutes=18)
PAUSE = 1.0  # seconds between tries to reach the store
INSIST = timedelta(minutes=60)  # how long; nobody can take the letter over while the store is away
ROUTE_LOST = Reply(451, "4.4.4", "Plus de route vers ce domaine dans la configuration")  # req: SD-10
WITHDRAWN = Reply(454, DISTRUSTED, "Domaine retire de la liste blanche MSSante")  # req: WL-8
LATELY = 1.0  # seconds in which a next hop that answered one letter is not away for another
TOO_SLOW = Reply(451, "4.4.2", "Le serveur suivant tarde a repondre")
TOO_LONG = Reply(451, "4.4.2", "Tentative interrompue : trop longue")


class Attempts:
    """Makes attempts for the jobs of lanes. All recipients of a job share a route."""

    def __init__(
        self,
        *,
        store: Store,
        spool: Spool,
        transport: Transport,
        notices: Notices | PatientNotices,
        clock: Clock,
        telemetry: Telemetry,
        live: Live,
    ) -> None:
        self._store, self._spool, self._transport, self._notices = store, spool, transport, notices
        self._clock, self._telemetry, self._live = clock, telemetry, live

    async def load(self, job: Job) -> Stored:
        """The letter of a job. Raises Gone, Undecryptable, or StoreUnavailable after an hour."""
        if job.stored is not None:
            return job.stored
        return await self._insist(job, lambda: self._store.load(job.spool_id))

    async def make(self, lane: Lane, stored: Stored, job: Job, still_ours: StillOurs) -> None:
        """One attempt, from the transport to the record of its outcomes. Raises as load() does, and NoLongerOurs.

        While the next hop is spared, that it is so is the outcome.
        """
        reply = lane.down_reply and lane.spared(self._clock.now())
        if reply and job is not lane.scout and self._live.settings.routes.of(job.deliveries[0]) is not None:
            outcomes = self._all(job, Deferred(reply=reply))
        else:
            outcomes = await self._attempt(lane, stored, job, still_ours)
        await self._settle(stored, job, outcomes)

    def begin(self, lane: Lane, job: Job) -> None:
        """An attempt at this job is about to be made: after a pause it is the one that finds out for all."""
        if lane.down_reply is None:
            return
        now = self._clock.now()
        if lane.spared(now) is None:
            lane.spare(now + self._spared_for, lane.down_reply, scout=job)

    def may_wait(self, lane: Lane, job: Job) -> bool:
        """Whether to put the job off instead: its next hop is spared, and no sender is due a word of that."""
        if lane.down_reply is None:
            return False
        settings, now = self._live.settings, self._clock.now()
        has_route = settings.routes.of(job.deliveries[0]) is not None  # or it is told that it has none
        owed = any(settings.retry.owes_a_word(delivery, now) for delivery in job.deliveries)
        return lane.spared(now) is not None and has_route and not owed

    async def put_off(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Give jobs that may wait back to the queue, as if nobody had claimed them. Raises StoreUnavailable.

        No attempt was made, so none is counted, told or journalled; nor does it matter when their leases are lost.
        """
        now, outcome = self._clock.now(), Deferred(reply=lane.down_reply or TOO_SLOW)
        settlements = [
            Settlement(
                after=replace(each, due_at=due, last_reply=each.last_reply or outcome.reply),
                lease=job.lease,
                outcome=outcome,
            )
            for job in jobs
            for due in (lane.put_off(now),)
            for each in job.deliveries
        ]
        await self._store.settle(settlements)

    async def give_back(self, job: Job) -> None:
        """Give a job that waited too long back as it was claimed, as far as it is still ours. Raises StoreUnavailable.

        Left to lapse, its lease would be renewed as long as other letters are in memory that were claimed with it.
        """
        self._telemetry.event("delivery.waited_too_long", queue_id=job.spool_id)
        outcome = Deferred(reply=INTERNAL_ERROR)
        await self._store.settle([Settlement(after=each, lease=job.lease, outcome=outcome) for each in job.deliveries])

    def spare_for_standing_still(self, name: str, lane: Lane) -> None:
        """Its next hop keeps all who try it waiting, and others need the places of those behind them."""
        self._spare(name, lane, TOO_SLOW, "")

    async def set_aside(self, job: Job, error: Gone | Undecryptable) -> None:
        """Hold a letter that cannot be read for a person."""
        detail = type(error).__name__.lower()
        self._telemetry.event("letter.set_aside", alarm=True, queue_id=job.spool_id, reason=detail)
        entry = Entry(at=self._clock.now(), event=JournalEvent.HELD, spool_id=job.spool_id, detail=detail)
        try:
            await self._store.set_aside(job.spool_id, entry)
        except StoreUnavailable as trouble:
            self._telemetry.event("queue.unavailable", alarm=True, queue_id=job.spool_id, error=str(trouble))

    async def _attempt(self, lane: Lane, stored: Stored, job: Job, still_ours: StillOurs) -> dict[int, Outcome]:
        settings, domain = self._live.settings, job.deliveries[0].domain
        route = settings.routes.of(job.deliveries[0])
        if route is None:
            unlisted = settings.is_unlisted(domain)
            reply = WITHDRAWN if unlisted else ROUTE_LOST
            return self._all(job, Deferred(reply=reply, alarm=True, distrust=unlisted))
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT.total_seconds()):
                outcomes = dict(await self._transport.send(route, stored, job.deliveries, still_ours))
        except TimeoutError:
            return self._all(job, Deferred(reply=TOO_LONG, next_hop=route.host, collective=True))
        except (Gone, Undecryptable, NoLongerOurs):
            raise
        except Exception as error:  # ours: it counts as an attempt, so that the sender is told in the end
            self._telemetry.event("delivery.failed", alarm=True, queue_id=job.spool_id, failure=error)
            return self._all(job, Deferred(reply=INTERNAL_ERROR, collective=True))
        self._spare_if_down(lane, job, route, outcomes)
        return outcomes

    @staticmethod
    def _all(job: Job, outcome: Outcome) -> dict[int, Outcome]:
        return {delivery.number: outcome for delivery in job.deliveries}

    def _spare_if_down(self, lane: Lane, job: Job, route: Route, outcomes: dict[int, Outcome]) -> None:
        """A next hop that does not answer is spared for a moment: the lane's other jobs wait for a retry.

        Not when a hop that does answer says 4.4.1, of a server behind it: its words are about one letter, and quote it.
        What was ended before anybody was asked, by the registry of patients, tells nothing of it.
        """
        down = next((o for o in outcomes.values() if isinstance(o, Deferred) and o.down), None)
        if down is None and not any(outcome.next_hop for outcome in outcomes.values()):
            if lane.down_reply is not None and job is lane.scout:  # another finds out
                lane.spare(self._clock.now(), lane.down_reply)
        elif down is None:
            lane.answered = time.monotonic()
            if lane.down_reply is not None:
                lane.go_on()
                self._telemetry.event("hop.answers_again", route=route.name)
        elif lane.answered < time.monotonic() - LATELY:  # else it takes so many connections, and no more
            self._spare(route.name, lane, down.reply, down.next_hop)

    @property
    def _spared_for(self) -> timedelta:
        return min(timedelta(seconds=30), self._live.settings.retry.first)

    def _spare(self, name: str, lane: Lane, reply: Reply, next_hop: str) -> None:
        if lane.down_reply is None:
            self._telemetry.event("hop.spared", route=name, next_hop=next_hop, code=reply.code, status=reply.status)
        # From now on, not from when the attempt began: a next hop that is silent takes longer to fail than the pause.
        lane.spare(self._clock.now() + self._spared_for, reply)

    async def _settle(self, stored: Stored, job: Job, outcomes: dict[int, Outcome]) -> None:
        now, retry = self._clock.now(), self._live.settings.retry
        dice = defaultdict[int | tuple[int, str], float](random.random)
        results = [
            after_attempt(delivery, outcomes[delivery.number], retry, now, dice[waits_with(delivery.number, outcomes)])
            for delivery in job.deliveries
        ]
        late = now - job.deliveries[0].created_at >= retry.warn_after  # a released letter's time began at its release
        notified = await self._tell(stored, job, results, late=late)
        if notified is None:
            # What was delivered must not be sent again for want of a notice; a failure that nobody could be told of
            # is not recorded, and is tried again when the lease lapses. Nor has anybody been told that it is late.
            notified, late = {}, False
            results = [each for each in results if not isinstance(each[1], Bounced)]
        settlements = [
            Settlement(
                after=replace(after, warned=True) if late else after,
                lease=job.lease,
                outcome=outcome,
                entries=(journal_line(stored, after, outcome, now), *notified.get(after.number, ())),
                notify=self._notification(stored, after, outcome, now),
                unopened=to_be_opened(self._live.settings, stored, after, outcome, now),
            )
            for after, outcome in results
        ]
        kept = await self._record(stored, job, settlements)
        if stored.body.inline is None and kept and are_last_words(stored, settlements):
            with suppress(StoreUnavailable):  # the outcome is recorded; what stays, the sweep removes
                await self._spool.remove(stored.spool_id)  # its key follows within minutes; the disk is free now

    async def _record(self, stored: Stored, job: Job, settlements: Sequence[Settlement]) -> bool:
        """Whether all was kept. What has its answer is not settled again: its lease ended with that."""
        kept: dict[int, bool] = {}

        async def settle() -> None:
            asked = [each for each in settlements if each.after.number not in kept]
            answers: Sequence[bool | None]
            trouble = None
            try:
                answers = await self._store.settle(asked)
            except HalfSettled as error:
                answers, trouble = error.kept, error
            for settlement, answer in zip(asked, answers, strict=True):
                if answer is not None:
                    kept[settlement.after.number] = answer
                    self._log(stored, settlement, answer)
            if trouble is not None:
                raise trouble

        await self._insist(job, settle)
        return all(kept.values())

    def _notification(self, stored: Stored, after: Delivery, outcome: Outcome, now: datetime) -> Notification | None:
        """Kept with the outcome, told later (flow/notify): what cannot be told delays no letter."""
        mailbox = after.forward_path.address
        if not isinstance(outcome, Delivered) or not self._live.settings.notifications.due(stored.facts, mailbox):
            return None
        return Notification(mailbox=mailbox, waiting=1, since=now)

    async def _tell(
        self, stored: Stored, job: Job, results: Sequence[Result], *, late: bool
    ) -> Mapping[int, tuple[Entry, ...]] | None:
        """Keep the notices that are due; journal lines by delivery number, or None when we failed to write one."""
        kept: KeptNotices = {}  # what the store took before it was away is not told twice
        try:
            return await self._insist(job, lambda: self._notices.send(stored, results, is_late=late, kept=kept))
        except StoreUnavailable:
            raise
        except Exception as error:
            self._telemetry.event("notice.failed", alarm=True, queue_id=job.spool_id, failure=error)
            return None

    async def _insist(self, job: Job, keep: Callable[[], Awaitable[T]]) -> T:
        """Keep asking the store: an outcome that is not recorded is a letter sent twice. The lease fences it."""
        end: datetime | None = None
        while True:
            try:
                return await keep()
            except StoreUnavailable as error:
                end = end or self._clock.now() + INSIST
                if self._clock.now() >= end:
                    raise
                self._telemetry.event("queue.unavailable", alarm=True, queue_id=job.spool_id, error=str(error))
                await asyncio.sleep(PAUSE)

    def _log(self, stored: Stored, settlement: Settlement, kept: bool) -> None:
        outcome, after = settlement.outcome, settlement.after
        route = self._live.settings.routes.of(after)
        name = type(outcome).__name__.lower() if kept else "lease_lost"
        self._telemetry.event(
            f"delivery.{name}",
            alarm=isinstance(outcome, Deferred) and outcome.alarm,
            queue_id=after.spool_id,
            recipient=self._store.alias(after.forward_path.address),
            route=route.name if route else None,
            next_hop=outcome.next_hop,
            code=outcome.reply.code,
            status=outcome.reply.status,
            attempts=after.attempts,
            size=stored.body.size,
        )
