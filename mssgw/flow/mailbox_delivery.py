"""Delivery into mailboxes: each letter is put there under a name of its own, by which it is known again.

A letter that may be there already is looked for first: all but those that this process has just accepted, and that
nobody has tried. So a crash between the store's word and our commit loses nothing and doubles nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.errors import NoLongerOurs
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.flow.mailbox_copy import Copies
from mssgw.flow.mailbox_sessions import Sessions
from mssgw.ports import Spool, StillOurs, Stored, Telemetry, always
from mssgw.ports.mailbox import (
    Account,
    LoginBroken,
    LoginRefused,
    Mailbox,
    MailboxDistrusted,
    MailboxLost,
    MailboxTrouble,
)

PUT = Reply(250, "2.1.5", "Depose dans la boite aux lettres")
FOUND = Reply(250, "2.1.5", "Deja depose dans la boite aux lettres")
SLOW = Reply(451, "4.4.2", "La messagerie du destinataire est trop lente")
ATTEMPT = 1020.0  # seconds; a little below the limit of flow/attempt, so that the outcomes known by then count


class MailboxTransport:
    """ports.Transport into mailboxes (RouteKind.IMAP)."""

    def __init__(self, sessions: Sessions, *, hostname: str, spool: Spool, telemetry: Telemetry) -> None:
        self._sessions, self._copies, self._telemetry = sessions, Copies(spool, hostname=hostname), telemetry

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        """Raises Gone or Undecryptable when the body cannot be read to its end, and NoLongerOurs: the store keeps
        nothing then. What it kept of others before is found there by the next attempt.
        """
        outcomes: dict[int, Outcome] = {}
        rest: Outcome = Deferred(reply=SLOW, next_hop=route.host, collective=True)
        try:
            async with asyncio.timeout(ATTEMPT):
                for delivery in deliveries:
                    outcome = outcomes[delivery.number] = await self._deliver(route, stored, delivery, still_ours)
                    if isinstance(outcome, Deferred) and outcome.down:
                        rest = replace(outcome, collective=True)  # nobody is there for the others either
                        break
        except TimeoutError:
            pass
        return {delivery.number: outcomes.get(delivery.number, rest) for delivery in deliveries}

    async def close(self) -> None:
        await self._sessions.close()

    async def _deliver(self, route: Route, stored: Stored, delivery: Delivery, still_ours: StillOurs) -> Outcome:
        """Over a kept session if there is one. When it proves dead, over a new one: what was said last may be done."""
        opener, again = account(route, delivery.forward_path.address), False
        opened = kept = False
        keep = not route.patients  # thousands of mailboxes, a letter each: the store counts connections
        while True:
            try:
                async with self._sessions.use(opener, fresh=again, keep=keep) as session:
                    opened, kept = True, session.kept
                    seek = again or not delivery.fresh
                    return await self._put(session.mailbox, route, stored, delivery, still_ours, seek=seek)
            except MailboxLost as error:
                if kept and not again:
                    again, opened = True, False
                    continue
                self._tell(route, error)
                about_it = isinstance(error, LoginBroken)  # and not about the store: the lane goes on
                down, alarm = not opened and not about_it, about_it and delivery.attempts > 0
                return Deferred(reply=error.reply, next_hop=route.host, down=down, alarm=alarm)
            except (LoginRefused, MailboxDistrusted) as error:
                if isinstance(error, MailboxDistrusted):  # the reply of the other says all
                    self._tell(route, error)
                return Deferred(reply=error.reply, next_hop=route.host, alarm=True)

    def _tell(self, route: Route, error: MailboxTrouble) -> None:
        """As of any next hop: what is wrong with it, in words that hold nothing of anybody."""
        self._telemetry.event(
            "delivery.connection_failed",
            route=route.name,
            host=route.host,
            port=route.port,
            tls=str(route.tls),
            code=error.reply.code,
            status=error.reply.status,
            why=str(error).removeprefix(f"{route.host}: "),
        )

    async def _put(
        self,
        mailbox: Mailbox,
        route: Route,
        stored: Stored,
        delivery: Delivery,
        still_ours: StillOurs,
        *,
        seek: bool,
    ) -> Outcome:
        letter_id = f"{stored.spool_id}.{delivery.number}"
        try:
            if seek and await mailbox.find(route.folders, letter_id, since=stored.accepted_at) is not None:
                self._telemetry.event("delivery.found_again", queue_id=stored.spool_id, route=route.name)
                return Delivered(reply=FOUND, next_hop=route.host)
            copy = await self._copies.of(route, stored, delivery)
            placed = await mailbox.append(
                route.folders[0],
                letter_id,
                _while_ours(self._copies.octets(copy), still_ours),
                size=copy.size,
                received_at=stored.accepted_at,
                flags=copy.flags,
            )
        except (MailboxLost, LoginRefused, MailboxDistrusted):
            raise
        except MailboxTrouble as error:  # the session goes on
            self._telemetry.event(
                "delivery.refused_by_store", queue_id=stored.spool_id, route=route.name, error=str(error)
            )
            ended = Bounced if error.reply.permanent else Deferred
            return ended(reply=error.reply, next_hop=route.host)
        place = (placed.uid_validity, placed.uid) if placed is not None else None
        return Delivered(reply=PUT, next_hop=route.host, place=place)


async def _while_ours(pieces: AsyncGenerator[bytes, None], still_ours: StillOurs) -> AsyncGenerator[bytes, None]:
    """Without the last of them the store keeps nothing. Raises NoLongerOurs."""
    async with aclosing(pieces):
        async for piece in pieces:
            if not still_ours():
                raise NoLongerOurs
            yield piece


def account(route: Route, recipient: Address) -> Account:
    """Who opens the mailbox of this recipient, and where."""
    return Account(
        name=route.name,
        host=route.host,
        port=route.port,
        tls=route.tls,
        login=route.login or "",
        password=route.password or "",
        authorize_as=route.mailbox_of(recipient) if route.master else "",
    )
