"""The ways out: a transport for each kind of route."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from mssgw.core.delivery import Delivery, Outcome
from mssgw.core.routes import Route, RouteKind
from mssgw.edges.lmtp_out import LmtpTransport
from mssgw.edges.smtp_limits import PoolLimits
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.flow.mailbox_delivery import MailboxTransport
from mssgw.flow.mailbox_sessions import SessionLimits, Sessions
from mssgw.ports import Mailboxes, Spool, StillOurs, Stored, Telemetry, Transport, Trust, always

SESSIONS = 6  # of all workers together on one account: Dovecot allows ten, and its owner has his own


class Transports:
    """ports.Transport over SMTP, LMTP and IMAP, as each route asks."""

    def __init__(
        self,
        *,
        hostname: str,
        spool: Spool,
        telemetry: Telemetry,
        tls: Callable[[Route], ssl.SSLContext],
        mailboxes: Mailboxes,
        per_hop: int,
        per_mailbox: int,
        trust: Trust | None,
    ) -> None:
        """``per_hop``, ``per_mailbox``: connections at most. The rest as of SmtpTransport."""
        limits = PoolLimits(connections=per_hop)
        smtp = SmtpTransport(hostname=hostname, spool=spool, tls_contexts=tls, limits=limits, trust=trust)
        lmtp = LmtpTransport(hostname=hostname, spool=spool, tls_contexts=tls, limits=limits)
        sessions = Sessions(mailboxes, SessionLimits(each=per_mailbox))
        imap = MailboxTransport(sessions, hostname=hostname, spool=spool, telemetry=telemetry)
        self._by_kind: Mapping[RouteKind, Transport] = {
            RouteKind.SMTP: smtp,
            RouteKind.LMTP: lmtp,
            RouteKind.IMAP: imap,
        }
        self._ends = (smtp.close, lmtp.close, imap.close)

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        """By the transport of the route's kind."""
        return await self._by_kind[route.kind].send(route, stored, deliveries, still_ours)

    async def close(self) -> None:
        """Say farewell on connections that are idle; those in use end by themselves."""
        async with AsyncExitStack() as stack:
            for end in self._ends:
                stack.push_async_callback(end)
