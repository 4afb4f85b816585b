"""Outbound LMTP (RFC 2033): hands letters to a mail store, over TCP or a unix socket; each recipient has its own reply.

SMTP but for LHLO and the replies to the final dot, so pool, transaction and body are those of smtp_out. Above the
letter goes X-Mssgw-Id with the queue id, by which it is known again in the mailbox.
"""

from mssgw.core.delivery import Delivery
from mssgw.core.replies import Reply
from mssgw.edges.lmtp_dial import LmtpDialer
from mssgw.edges.resolver import DnsResolver, Resolver
from mssgw.edges.smtp_dial import TlsContexts
from mssgw.edges.smtp_limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, PoolLimits, Timeouts
from mssgw.edges.smtp_out import HopTransport
from mssgw.edges.smtp_transaction import Transaction
from mssgw.formats.letter_id import letter_id_field
from mssgw.ports import Spool, Stored

OVER_QUOTA = "5.2.2"  # RFC 3463: the mailbox is full


class LmtpTransaction(Transaction):
    """A transaction whose final dot gets a reply for each recipient that was accepted, in the order of their RCPT."""

    @property
    def _final_replies(self) -> int:
        return len(self._waiting)

    async def _hear_fate(self) -> None:
        for delivery in list(self._waiting.values()):
            self._settle(delivery, await self._final_reply())

    def _settle(self, delivery: Delivery, reply: Reply, *, about_us: bool = False, collective: bool = False) -> None:
        """A full mailbox is emptied some day: the letter waits, whatever the store says of it."""
        if reply.permanent and reply.status == OVER_QUOTA:
            reply = Reply(452, "4.2.2", reply.text)
        super()._settle(delivery, reply, about_us=about_us, collective=collective)


class LmtpTransport(HopTransport):
    """ports.Transport over LMTP. A route's host is a host name, an IP address, or the path of a unix socket.

    At least once: when the store's replies are lost, the letter is sent again, and may lie there twice.
    """

    transaction = LmtpTransaction

    def __init__(
        self,
        *,
        hostname: str,
        spool: Spool,
        tls_contexts: TlsContexts,
        resolver: Resolver | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        limits: PoolLimits = DEFAULT_LIMITS,
    ) -> None:
        """As of SmtpTransport."""
        dialer = LmtpDialer(
            hostname=hostname, tls_contexts=tls_contexts, resolver=resolver or DnsResolver(), timeouts=timeouts
        )
        super().__init__(dialer, hostname=hostname, spool=spool, timeouts=timeouts, limits=limits)

    def trace(self, stored: Stored) -> bytes:
        return letter_id_field(stored.spool_id) + super().trace(stored)
