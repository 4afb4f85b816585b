"""Outbound SMTP: the Transport that hands letters to next hops.

Rooms: smtp_dial opens and verifies connections, smtp_pool keeps them, smtp_transaction speaks MAIL to final dot with
smtp_commands, smtp_replies and smtp_body; resolver finds hosts.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from mssgw.core.delivery import Deferred, Delivered, Delivery, Outcome
from mssgw.core.envelope import Envelope
from mssgw.core.errors import NoLongerOurs
from mssgw.core.replies import INTERNAL_ERROR
from mssgw.core.routes import Route
from mssgw.edges.resolver import DnsResolver, Resolver, Unreachable
from mssgw.edges.smtp_body import Outgoing
from mssgw.edges.smtp_dial import Dialer, TlsContexts
from mssgw.edges.smtp_limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, PoolLimits, Timeouts
from mssgw.edges.smtp_pool import Dials, Pool
from mssgw.edges.smtp_replies import LOST, SILENT, Lost
from mssgw.edges.smtp_transaction import Transaction
from mssgw.formats.trace_fields import trace_fields
from mssgw.ports import Spool, StillOurs, Stored, Trust, always


class _Apart:
    """How often one attempt may yet leave out a recipient at whose RCPT the connection was lost.

    Else one whom the peer cannot stand holds back the others of the letter, at every attempt alike.
    """

    def __init__(self) -> None:
        self._left, self._last = 3, True

    def once_more(self, lost: Lost) -> bool:
        """Closing by 421, or silence, is about the server as a rule: one more connection shows whether it is."""
        left = self._left
        self._left = 0 if lost.peer_said or lost.reply is SILENT else left - 1
        return left > 0

    def for_the_last_time(self) -> bool:
        """For those whom the peer took before: some close at the recipient after so many, whoever it is."""
        last, self._last = self._last, False
        return last


class HopTransport:
    """ports.Transport over connections to next hops. At least once.

    A letter whose final dot got no answer is deferred, and sent again. Who dials, and how a transaction goes, is the
    protocol's: SMTP here, LMTP in lmtp_out.
    """

    transaction: type[Transaction] = Transaction

    def __init__(self, dialer: Dials, *, hostname: str, spool: Spool, timeouts: Timeouts, limits: PoolLimits) -> None:
        self._hostname, self._spool, self._timeouts, self._limits = hostname, spool, timeouts, limits
        self._dialer = dialer
        self._pool = Pool(dialer, limits, timeouts)

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        """One attempt; an outcome for each delivery number, whatever peer and network do. Takes at most
        ``timeouts.attempt`` seconds.

        Raises Gone or Undecryptable (or what else Spool.read raises) when the body cannot be read to its end: the
        connection is then cut before the final dot, so that no peer takes a truncated letter for a whole one. Not when
        fates are sealed already: those are told, nobody gets a second copy, and the next attempt raises. In the same
        manner NoLongerOurs, but where somebody has the letter.
        """
        outcomes: dict[int, Outcome] = {}
        late = Deferred(reply=SILENT, next_hop=route.host, collective=True)
        try:
            async with asyncio.timeout(self._timeouts.attempt):
                await self._attempt(route, stored, deliveries, outcomes, still_ours)
        except TimeoutError:
            pass  # those without an outcome by now wait
        except Unreachable as exc:
            for delivery in deliveries:
                outcomes.setdefault(delivery.number, exc.outcome)
        except NoLongerOurs:
            if not any(isinstance(outcome, Delivered) for outcome in outcomes.values()):
                raise
            late = Deferred(reply=LOST, next_hop=route.host, collective=True)
        except Exception:
            if all(isinstance(outcome, Deferred) for outcome in outcomes.values()):
                raise
            late = Deferred(reply=INTERNAL_ERROR, alarm=True, collective=True)
        return {delivery.number: outcomes.get(delivery.number, late) for delivery in deliveries}

    async def close(self) -> None:
        """Take no more letters and say QUIT on idle connections; those in use finish and quit by themselves."""
        await self._pool.close()

    def trace(self, stored: Stored) -> bytes:
        """The header fields that we prepend."""
        return trace_fields(
            stored.facts, hostname=self._hostname, spool_id=stored.spool_id, accepted_at=stored.accepted_at
        )

    async def _attempt(
        self,
        route: Route,
        stored: Stored,
        deliveries: Sequence[Delivery],
        outcomes: dict[int, Outcome],
        still_ours: StillOurs,
    ) -> None:
        envelope = stored.envelope
        letter = Outgoing(self.trace(stored), stored.body, self._spool)
        apart = _Apart()
        while batch := [one for one in deliveries if one.number not in outcomes][: self._limits.recipients]:
            if not await self._batch(route, envelope, letter, batch, outcomes, apart, still_ours):
                for delivery in deliveries:
                    outcomes.setdefault(delivery.number, Deferred(reply=LOST, next_hop=route.host, collective=True))
                return

    async def _batch(
        self,
        route: Route,
        envelope: Envelope,
        letter: Outgoing,
        batch: Sequence[Delivery],
        outcomes: dict[int, Outcome],
        apart: _Apart,
        still_ours: StillOurs,
    ) -> bool:
        """One transaction for these recipients; False when the connection was lost, and all of them wait.

        A kept connection that dies before any reply had gone stale: nothing was accepted on it, so a fresh one gets
        the letter in the same attempt. One lost at the RCPT of a recipient has accepted nothing either: that one
        waits, and the others, without an outcome, go on; after several such losses, those whom the peer had taken.
        After any other reply, or on a fresh connection, the letter waits for the next attempt.
        """
        fresh = False
        while True:
            connection = await self._pool.take(route, fresh=fresh)
            kept = connection.idle_since > 0.0  # it has rested in the pool, used or not
            still_trusted = partial(self._dialer.still_trusts, route, connection)
            transaction = self.transaction(
                connection, envelope, letter, batch, outcomes, self._timeouts, still_trusted, still_ours
            )
            try:
                await transaction.run()
            except Lost as lost:
                self._pool.drop(route, connection)
                if kept and not fresh and not transaction.heard:
                    fresh = True
                    continue
                self._dialer.avoid(connection.host)
                if transaction.at_a_recipient and apart.once_more(lost):
                    transaction.settle_asked(lost)
                    return True
                if transaction.at_a_recipient and apart.for_the_last_time():
                    batch, fresh = transaction.settle_but_those_taken(lost), True
                    if batch:
                        continue
                transaction.settle_rest(lost)
                return False
            except BaseException:
                self._pool.drop(route, connection)
                raise
            if transaction.put_off:
                self._dialer.avoid(connection.host)
            self._pool.give_back(route, connection, keep=not (route.mx and transaction.put_off))
            return True


class SmtpTransport(HopTransport):
    """ports.Transport over SMTP."""

    def __init__(
        self,
        *,
        hostname: str,
        spool: Spool,
        tls_contexts: TlsContexts,
        resolver: Resolver | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        limits: PoolLimits = DEFAULT_LIMITS,
        trust: Trust | None = None,
    ) -> None:
        """``hostname``: our name in EHLO and Received. ``tls_contexts``: the client context of a route, asked for
        at each new connection so that a renewed one applies; it has to verify certificate and host name, or nothing
        is sent. ``resolver``: default the system's. ``trust``: who may have letters on ``mutual`` routes; without it
        nobody."""
        dialer = Dialer(
            hostname=hostname,
            tls_contexts=tls_contexts,
            resolver=resolver or DnsResolver(),
            timeouts=timeouts,
            trust=trust,
        )
        super().__init__(dialer, hostname=hostname, spool=spool, timeouts=timeouts, limits=limits)
