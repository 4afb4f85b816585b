"""Telling whoever reads a mailbox that patients' letters wait there. The plan:

1. with the outcome Delivered a row is kept that says so, in one commit (flow/attempt): no letter waits for the rest;
2. what is due is taken for a while, so that one process tells it; who dies meanwhile, leaves it to the next;
3. told: peace for that mailbox, ``every`` so long; what comes meanwhile is told together afterwards;
4. failed: tried again with back-off, for a day, then given up with an alarm. The letters themselves are safe.
"""

import asyncio
import os
import random
from datetime import timedelta

from mssgw.core.bal import Party
from mssgw.core.delivery import Delivered, Delivery
from mssgw.core.envelope import Envelope, ForwardPath, Notify, Origin, Role
from mssgw.core.errors import StoreUnavailable
from mssgw.core.facts import Exchange, Facts
from mssgw.core.message import MessageHead
from mssgw.core.notifying import ByHook, ByMail, Notification, Target
from mssgw.core.verdict import Admit
from mssgw.flow.ids import new_id
from mssgw.flow.live import Live
from mssgw.flow.own_letters import OURSELVES
from mssgw.formats.waiting_letters import Waiting, waiting_json, write_waiting
from mssgw.formats.wire import stuffed
from mssgw.ports import Body, Clock, Hooks, NotificationQueue, Store, Stored, Telemetry, Transport, Untold

POLL = 2.0  # seconds between looks
AT_ONCE = 10
ATTEMPT_LIMIT = 60.0  # seconds
TAKEN_FOR = timedelta(minutes=5)  # longer than AT_ONCE attempts at a time take
LOUD_AFTER = 3  # attempts: a server that restarts is no alarm


class Notifier:
    """Tells what is due, until cancelled. One process of a node runs it; several nodes take turns."""

    def __init__(
        self,
        *,
        queue: NotificationQueue,
        store: Store,
        transport: Transport,
        hooks: Hooks,
        clock: Clock,
        telemetry: Telemetry,
        live: Live,
    ) -> None:
        """``store``: for aliases only."""
        self._queue, self._store, self._transport, self._hooks = queue, store, transport, hooks
        self._clock, self._telemetry, self._live = clock, telemetry, live

    async def run(self) -> None:
        while True:
            try:
                while await self.tell_due() == AT_ONCE:
                    pass
            except StoreUnavailable as error:
                self._telemetry.event("queue.unavailable", alarm=True, error=str(error))
            except Exception as error:  # a task that fell would stop the gateway
                self._telemetry.event("notification.failed", alarm=True, failure=error)
            await asyncio.sleep(POLL)

    async def tell_due(self) -> int:
        """Tell what is due now, some at a time; how many that were. Raises StoreUnavailable."""
        now = self._clock.now()
        due = await self._queue.next_notification()
        if due is None or due > now:
            return 0
        taken = await self._queue.take_notifications(now=now, until=now + TAKEN_FOR, limit=AT_ONCE)
        await asyncio.gather(*(self._tell(each) for each in taken))
        return len(taken)

    async def _tell(self, due: Notification) -> None:
        notifications = self._live.settings.notifications
        target = notifications.targets.get(due.mailbox.key)
        if target is None:  # a reload took it away
            await self._queue.notified(due, next_at=self._clock.now())
            return
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT):
                await self._attempt(target, due)
        except (Untold, TimeoutError) as error:
            await self._failed(due, target, str(error) or "time-out")
            return
        await self._queue.notified(due, next_at=self._clock.now() + notifications.every)
        self._event("notification.sent", due, target)

    async def _attempt(self, target: Target, due: Notification) -> None:
        """Raises Untold."""
        match target:
            case ByHook(url):
                await self._hooks.post(url, waiting_json(due.mailbox, due.waiting))
            case ByMail(address):
                await self._mail(ForwardPath(address=address, notify=frozenset({Notify.NEVER})), due)

    async def _mail(self, path: ForwardPath, due: Notification) -> None:
        """Straight to the next hop, not by the queue of letters: while it is down, what waits is told by one."""
        route = self._live.settings.notifications.route
        if route is None:
            raise Untold("no notifications.next_hop in the configuration")
        stored = self._letter(path, due)
        delivery = Delivery(
            spool_id=stored.spool_id,
            number=0,
            forward_path=path,
            domain=path.address.domain,
            created_at=stored.accepted_at,
            due_at=stored.accepted_at,
        )
        outcome = (await self._transport.send(route, stored, (delivery,)))[0]
        if not isinstance(outcome, Delivered):
            raise Untold(f"{outcome.reply.code} {outcome.reply.status}")

    def _letter(self, path: ForwardPath, due: Notification) -> Stored:
        settings, now = self._live.settings, self._clock.now()
        sender = settings.notifications.sender
        assert sender is not None, "it goes with the route"
        spool_id = new_id(now)
        message_id = f"<{spool_id}@{settings.hostname}>"
        written = write_waiting(
            Waiting(
                mailbox=due.mailbox,
                waiting=due.waiting,
                sender=sender,
                to=path.address,
                message_id=message_id,
                written_at=now,
            )
        )
        wire = stuffed(written.content)
        size = len(written.content)
        facts = Facts(
            envelope=Envelope(
                reverse_path=sender,
                forward_paths=(path,),
                origin=Origin(role=Role.OURSELVES, client=OURSELVES.name, helo=settings.hostname),
                smtputf8=written.smtputf8,
            ),
            client=OURSELVES,
            sender=sender,
            sender_party=Party.PROFESSIONAL,
            size=size,
            head=MessageHead(message_id=message_id, auto_submitted="auto-generated"),
            exchanges=(Exchange(forward_path=path, party=Party.PROFESSIONAL, relayable=True),),
            policy=settings.policy(now, Role.OURSELVES),
            taken_at=now,
        )
        return Stored(
            spool_id=spool_id,
            envelope=facts.envelope,
            facts=facts,
            verdict=Admit(),
            body=Body(spool_id=spool_id, key=os.urandom(32), size=size, wire_size=len(wire), inline=wire),
            accepted_at=now,
        )

    async def _failed(self, due: Notification, target: Target, why: str) -> None:
        retry, now = self._live.settings.notifications.retry, self._clock.now()
        if now - due.since >= retry.give_up_after:
            await self._queue.notified(due, next_at=now)
            self._event("notification.given_up", due, target, alarm=True, why=why)
            return
        attempts = due.attempts + 1
        at = retry.retry_at(attempts, now, random.random())  # noqa: S311 - spreads load
        await self._queue.notify_later(due, due_at=at)
        self._event("notification.failed", due, target, alarm=attempts >= LOUD_AFTER, why=why)

    def _event(self, name: str, due: Notification, target: Target, *, alarm: bool = False, why: str = "") -> None:
        self._telemetry.event(
            name,
            alarm=alarm,
            mailbox=self._store.alias(due.mailbox),
            by="webhook" if isinstance(target, ByHook) else "mail",
            waiting=due.waiting,
            attempts=due.attempts + 1,
            why=why,
        )
