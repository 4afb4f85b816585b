"""Notices to senders (RFC 3464): letters of our own, with a null reverse-path, that take the same way as all others.

Read receipts are written elsewhere: flow/receipts_watch, flow/patient_reading.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from mssgw.core.delivery import Delivery, Outcome, RetryPolicy
from mssgw.core.envelope import Notify
from mssgw.core.errors import Gone, StoreUnavailable, Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import Content
from mssgw.core.receipts import may_be_answered, notice_due
from mssgw.core.routes import RouteKind
from mssgw.flow.ids import new_id
from mssgw.flow.live import Live
from mssgw.flow.own_letters import OwnLetter, OwnLetters
from mssgw.formats import dsn
from mssgw.formats.own_reports import HEADER_LIMIT
from mssgw.formats.wire import unstuffed
from mssgw.ports import Clock, Spool, Store, Stored, Telemetry

Result = tuple[Delivery, Outcome]
KeptNotices = dict[Notify | int, list[tuple[int, Entry]]]  # by kind, and by delivery: lines with the numbers of theirs


class Notices:
    """Writes and keeps the notices that outcomes call for."""

    def __init__(self, *, store: Store, spool: Spool, clock: Clock, telemetry: Telemetry, live: Live) -> None:
        self._spool, self._clock = spool, clock
        self._telemetry, self._live = telemetry, live
        self._own = OwnLetters(store=store, spool=spool, live=live)

    async def send(
        self, stored: Stored, results: Sequence[Result], *, is_late: bool, kept: KeptNotices | None = None
    ) -> Mapping[int, tuple[Entry, ...]]:
        """Keep the notices that are due, one for each kind; journal lines by delivery number say so.

        ``kept``: filled with those that are; given again with the same results, these are not kept twice.
        Raises StoreUnavailable: then the outcomes must not be recorded either, so that the notice is not lost.
        """
        kept = {} if kept is None else kept
        due: dict[Notify, list[Result]] = {}
        for delivery, outcome in results:
            if kind := notice_due(delivery, outcome, is_late=is_late):
                due.setdefault(kind, []).append((delivery, outcome))
        if not due:
            return {}
        if not may_be_answered(stored.facts):
            self._telemetry.event("notice.not_due", queue_id=stored.spool_id, kinds=" ".join(due))
            return {}
        for kind, group in due.items():
            if kind not in kept:
                kept[kind] = await self._send_one(stored, kind, group)
        return {number: (entry,) for kind in due for number, entry in kept[kind]}

    async def _send_one(self, stored: Stored, kind: Notify, group: Sequence[Result]) -> list[tuple[int, Entry]]:
        sender = stored.envelope.reverse_path
        assert sender is not None
        if self._live.settings.routes.to(sender) is None:
            # The letter's journal says what happened; nobody can be told by mail.
            self._telemetry.event("notice.no_route", alarm=True, queue_id=stored.spool_id, kind=kind.value)
            return []
        now = self._clock.now()
        spool_id, action = new_id(now), self._action(kind, group[0][0])
        message_id = f"<{spool_id}@{self._live.settings.hostname}>"
        written = dsn.write_notice(
            dsn.NoticeOf(
                action=action,
                hostname=self._live.settings.hostname,
                spool_id=stored.spool_id,
                envelope=stored.envelope,
                fates=tuple(_fate(delivery, outcome, now) for delivery, outcome in group),
                original=await self._original(stored, action),
                original_size=stored.body.size,
                original_message_id=stored.facts.head.message_id if stored.facts.head else None,
                message_id=message_id,
                arrived_at=stored.accepted_at,
                written_at=now,
                product=self._live.settings.own_product,
                retry_until=_given_up_at(group, self._live.settings.retry),
            )
        )
        notice = OwnLetter(spool_id=spool_id, message_id=message_id, written=written, to=sender, content=Content.DSN)
        await self._own.keep(notice, now)
        self._telemetry.event("notice.sent", queue_id=stored.spool_id, kind=kind.value, notice=spool_id)
        return [(delivery.number, _entry(stored, delivery, kind, spool_id, now)) for delivery, _ in group]

    def _action(self, kind: Notify, delivery: Delivery) -> dsn.Action:
        """What became of it; the recipients of one attempt share a route. In the mailbox itself it is delivered, and
        there is no server after us that might tell more (RFC 3464 section 2.3.3)."""
        match kind:
            case Notify.FAILURE:
                return dsn.Action.FAILED
            case Notify.DELAY:
                return dsn.Action.DELAYED
        route = self._live.settings.routes.of(delivery)
        in_the_mailbox = route is not None and route.kind is not RouteKind.SMTP
        return dsn.Action.DELIVERED if in_the_mailbox else dsn.Action.RELAYED

    async def _original(self, stored: Stored, action: dsn.Action) -> bytes:
        """The letter, or as much of it as the notice returns; nothing when it cannot be read any more."""
        whole = dsn.returns_whole(action, stored.envelope, stored.body.size)
        wire = b""
        try:
            async for chunk in self._spool.read(stored.body):
                wire += chunk
                if not whole and (b"\r\n\r\n" in wire or len(wire) > HEADER_LIMIT):
                    break
        except (Gone, Undecryptable, StoreUnavailable):
            # That it did not arrive must be told all the more. One file on a bad sector reads as StoreUnavailable for
            # ever; when it is all of the store, keeping the notice fails too, and both are tried again.
            self._telemetry.event("notice.without_letter", alarm=True, queue_id=stored.spool_id)
            return b""
        return unstuffed(wire)


def _given_up_at(group: Sequence[Result], retry: RetryPolicy) -> datetime:
    """Of the first to be given up: the time of a letter that was held begins with its release, not its arrival."""
    return min(delivery.created_at for delivery, _ in group) + retry.give_up_after


def _fate(delivery: Delivery, outcome: Outcome, now: datetime) -> dsn.Fate:
    return dsn.Fate(
        forward_path=delivery.forward_path, reply=outcome.reply, next_hop=outcome.next_hop, attempted_at=now
    )


def _entry(stored: Stored, delivery: Delivery, kind: Notify, notice: str, now: datetime) -> Entry:
    return Entry(
        at=now,
        event=JournalEvent.NOTIFIED,
        spool_id=stored.spool_id,
        sender=stored.facts.sender,
        recipient=delivery.forward_path.address,
        detail=f"{kind.value.lower()} {notice}",
    )
