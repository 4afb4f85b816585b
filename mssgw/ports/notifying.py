"""Who is to be told that letters wait, and the way of a webhook."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mssgw.core.errors import GatewayError
from mssgw.core.notifying import Notification


class Untold(GatewayError):
    """The notification could not be handed over. Its text says why, in codes and words of ours."""


class NotificationQueue(Protocol):
    """Notifications that are due: one a mailbox. They are put in by Store.settle, with the outcome that they are about.

    At least once: who took one and dies has told nobody as far as others know, and they take it again.
    """

    async def next_notification(self) -> datetime | None:
        """When the earliest is due; None when nobody waits to be told."""

    async def take_notifications(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Notification]:
        """Those that are due. Nobody else takes them before ``until``."""

    async def notified(self, told: Notification, *, next_at: datetime) -> None:
        """It was told. What was delivered meanwhile, or comes later, is not told before ``next_at``."""

    async def notify_later(self, failed: Notification, *, due_at: datetime) -> None:
        """One attempt more failed: try again then."""


class Hooks(Protocol):
    """Webhooks."""

    async def post(self, url: str, content: bytes) -> None:
        """Hand over this JSON by HTTPS, the server's certificate verified. Has a time limit. Raises Untold."""
