"""ports.NotificationQueue in a dictionary."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mssgw.core.notifying import Notification
from mssgw.edges.memory.content import MemoryPart


class MemoryNotifications(MemoryPart):
    """One entry a mailbox, with when it is due."""

    def _one_more_waits(self, new: Notification) -> None:
        old, due_at = self._has.notifications.get(new.mailbox, (replace(new, waiting=0), new.since))
        if not old.waiting:
            old, due_at = replace(old, since=new.since), max(due_at, new.since)
        self._has.notifications[new.mailbox] = replace(old, waiting=old.waiting + new.waiting), due_at

    async def next_notification(self) -> datetime | None:
        return min((due_at for each, due_at in self._has.notifications.values() if each.waiting), default=None)

    async def take_notifications(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Notification]:
        ready = [each for each, due_at in self._has.notifications.values() if each.waiting and due_at <= now]
        for each in ready[:limit]:
            self._has.notifications[each.mailbox] = each, until
        return ready[:limit]

    async def notified(self, told: Notification, *, next_at: datetime) -> None:
        now = self._has.notifications[told.mailbox][0]
        left = max(0, now.waiting - told.waiting)
        self._has.notifications[told.mailbox] = replace(now, waiting=left, attempts=0, since=next_at), next_at

    async def notify_later(self, failed: Notification, *, due_at: datetime) -> None:
        now = self._has.notifications[failed.mailbox][0]
        self._has.notifications[failed.mailbox] = replace(now, attempts=failed.attempts + 1), due_at
