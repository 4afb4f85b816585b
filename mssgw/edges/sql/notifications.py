"""The store's part for who is to be told that letters wait (ports.NotificationQueue)."""

import contextlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, select, text, update

from mssgw.core.errors import GatewayError
from mssgw.core.notifying import Notification
from mssgw.edges.codec import micros, moment
from mssgw.edges.sql.store_part import StorePart
from mssgw.edges.sql.tables import notifications
from mssgw.edges.sql.units import Unit

_WAITING = text("waiting > 0")  # in the words of the index


class SqlNotifications(StorePart):
    """One row a mailbox. Taken is what is due later: by then it was told, or somebody else tells it."""

    async def next_notification(self) -> datetime | None:
        earliest = select(notifications.c.due_at).where(_WAITING).order_by(notifications.c.due_at).limit(1)
        due = await self._session.reader.ask(lambda connection: connection.execute(earliest).scalar())
        return None if due is None else moment(due)

    async def take_notifications(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Notification]:
        of = notifications.c
        ready = select(of.mailbox).where(_WAITING, of.due_at <= micros(now)).order_by(of.due_at).limit(limit)
        chosen = ready.with_for_update(skip_locked=True).cte("chosen").prefix_with("MATERIALIZED", dialect="postgresql")
        take = update(notifications).where(of.mailbox.in_(select(chosen))).values(due_at=micros(until))

        def work(connection: Connection) -> list[Notification]:
            taken = []
            for row in connection.execute(take.returning(notifications)):
                with contextlib.suppress(GatewayError, ValueError):  # damaged: nobody can be told whose it is
                    mailbox = self._records.unsealed_address(row.sealed_mailbox)
                    since = moment(row.since)
                    taken.append(Notification(mailbox=mailbox, waiting=row.waiting, since=since, attempts=row.attempts))
            return taken

        taken: list[Notification] = await self._session.write(Unit(work=work))
        return taken

    async def notified(self, told: Notification, *, next_at: datetime) -> None:
        of, at = notifications.c, micros(next_at)
        left = case((of.waiting > told.waiting, of.waiting - told.waiting), else_=0)
        await self._set(told, waiting=left, attempts=0, since=at, due_at=at)

    async def notify_later(self, failed: Notification, *, due_at: datetime) -> None:
        await self._set(failed, attempts=failed.attempts + 1, due_at=micros(due_at))

    async def _set(self, about: Notification, **values: object) -> None:
        row = notifications.c.mailbox == self._records.address(about.mailbox)
        statement = update(notifications).where(row).values(**values)
        await self._session.write(Unit(work=lambda connection: connection.execute(statement).rowcount))
