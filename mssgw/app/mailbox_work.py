"""What a node does in mailboxes beside delivering: collecting, waiting for receipts, and retention."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from mssgw.app.stores import AtRest
from mssgw.flow.collectors import Collectors
from mssgw.flow.live import Live
from mssgw.flow.own_letters import OwnLetters
from mssgw.flow.patient_reading import PatientReading
from mssgw.flow.patient_receipts import PatientReceipts, PatientWatch
from mssgw.flow.posts import NamedLeases, Posts
from mssgw.flow.receipt_posts import ReceiptPosts
from mssgw.flow.receipts_watch import ReceiptWatch, Watched
from mssgw.flow.retention import Kept, Retention
from mssgw.flow.retention_posts import RetentionPosts
from mssgw.flow.unjournalled import Unjournalled
from mssgw.ports import Mailboxes, Telemetry

if TYPE_CHECKING:
    from mssgw.app.reloading import Ready


class MailboxWork:
    """Each mailbox by one node, as long as it holds the lease. ``node``, ``lasting``: as for Leases."""

    def __init__(
        self,
        rest: AtRest,
        *,
        collectors: Collectors,
        mailboxes: Mailboxes,
        live: Live,
        telemetry: Telemetry,
        node: str,
        lasting: timedelta,
    ) -> None:
        self._rest, self._mailboxes, self._live, self._telemetry = rest, mailboxes, live, telemetry
        self._own = OwnLetters(store=rest.store, spool=rest.spool, live=live)
        self._collectors, self._unjournalled = collectors, Unjournalled()

        def leases() -> NamedLeases:
            return NamedLeases(rest.leases, clock=rest.clock, node=node, lasting=lasting)

        self._receipts = ReceiptPosts(leases(), self._watch, alias=rest.store.alias)
        self._retentions = RetentionPosts(leases(), self._retention, alias=rest.store.alias)
        self._patients = Posts(leases(), self._patient_receipts)

    def follow(self, ready: "Ready") -> None:
        """As configured from now on."""
        self._collectors.follow(ready.collecting)
        self._receipts.follow(ready.watched)
        self._retentions.follow(ready.kept)
        self._patients.follow({"receipts of patients": ready.patients} if ready.patients is not None else {})

    def start(self) -> list["asyncio.Task[None]"]:
        """Tasks that run until cancelled."""
        work = {
            "collect": self._collectors.run,
            "receipts": self._receipts.run,
            "retention": self._retentions.run,
            "receipts of patients": self._patients.run,
        }
        return [asyncio.create_task(run(), name=name) for name, run in work.items()]

    def _watch(self, watched: Watched) -> ReceiptWatch:
        return ReceiptWatch(
            watched,
            mailboxes=self._mailboxes,
            own=self._own,
            memory=self._rest.collected,
            live=self._live,
            clock=self._rest.clock,
            telemetry=self._telemetry,
        )

    def _patient_receipts(self, watch: PatientWatch) -> PatientReceipts:
        rest = self._rest
        reading = PatientReading(
            own=self._own,
            store=rest.store,
            memory=rest.unopened,
            live=self._live,
            clock=rest.clock,
            telemetry=self._telemetry,
        )
        return PatientReceipts(
            watch,
            mailboxes=self._mailboxes,
            reading=reading,
            memory=rest.unopened,
            alias=rest.store.alias,
            live=self._live,
            clock=rest.clock,
            telemetry=self._telemetry,
        )

    def _retention(self, kept: Kept) -> Retention:
        return Retention(
            kept,
            mailboxes=self._mailboxes,
            purges=self._rest.purges,
            store=self._rest.store,
            live=self._live,
            clock=self._rest.clock,
            telemetry=self._telemetry,
            unjournalled=self._unjournalled,
        )
