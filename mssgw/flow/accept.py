"""DATA: inspect, decide, keep everything in one commit, then 250. The plan of IncomingLetter.end:

1. the head is complete: facts, with what the store knows, within the inspection limit (SD-10);
2. decide: a refused letter leaves nothing but its journal line; what would be let in and may hold clinical documents
   is shown to a validator, and decided again with its report;
3. the body is made durable, then one commit holds envelope, facts, verdict, moves, deliveries and journal;
4. the 250. Until then the client owns the letter, after it we do; a crash on either side of that line loses nothing.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from mssgw.core.clients import Client
from mssgw.core.decide import decide, hold_undecided
from mssgw.core.envelope import Envelope
from mssgw.core.errors import CommitInDoubt, GatewayError, StoreUnavailable
from mssgw.core.facts import Facts
from mssgw.core.message import MessageHead
from mssgw.core.replies import INTERNAL_ERROR, Reply
from mssgw.core.report import Report
from mssgw.core.rules.documents import counted
from mssgw.core.rules.findings import refuse
from mssgw.core.settings import Settings
from mssgw.core.verdict import Admit, Finding, Hold, Severity, Verdict, strictest
from mssgw.flow import record
from mssgw.flow.deliver import Deliverer
from mssgw.flow.documents import Documents
from mssgw.flow.ids import new_id
from mssgw.flow.inspect import Inspector
from mssgw.flow.reading import READING_TOO_LONG, Reading, Turns, scanner_for
from mssgw.formats.data_phase import Problem
from mssgw.ports import Acceptance, Body, Clock, Collected, Conflict, Spool, Store, Stored, Telemetry

STRIKES_BEFORE_HOLD = 3  # req: SD-10
LOOKS = 3  # at what the store knows, when it changes under our eyes
TIMED_OUT = Finding(rule="inspection-in-time", requirement="SD-10", severity=Severity.HOLD, detail="time-out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What accepting a letter needs."""

    store: Store
    spool: Spool
    clock: Clock
    telemetry: Telemetry
    inspector: Inspector
    documents: Documents
    deliverer: Deliverer
    turns: Turns = field(default_factory=Turns, repr=False)  # of reading letters


class IncomingLetter:
    """ports.LetterIn: one message during DATA."""

    def __init__(self, means: Means, settings: Settings, client: Client, envelope: Envelope) -> None:
        self._means, self._settings, self._client, self._envelope = means, settings, client, envelope
        self.spool_id = new_id(means.clock.now())
        self._reading = Reading(scanner_for(client, settings.hostname), means.turns)
        self._sink = means.spool.create(self.spool_id)
        self._body: Body | None = None
        self._report: Report | None = None
        self.collected: Collected | None = None  # the message of a mailbox that it is

    async def write(self, chunk: bytes) -> None:
        await self._reading.take(chunk)
        await self._sink.write(chunk)

    async def abort(self, reply: Reply | None = None) -> None:
        await self._sink.discard()
        if reply is not None:
            with contextlib.suppress(StoreUnavailable):  # it is logged; the refusal stands without its journal line
                await self._turned_away(reply, (), None)

    async def end(self, *, size: int, client: Client | None = None) -> Reply:
        self._client = client or self._client  # req: TLS-6, WL-8
        try:
            head = await self._reading.head(self._settings.inspection_limit.total_seconds())
            return await self._decide_and_keep(head, size)
        except GatewayError as error:
            await (self._sink.discard() if isinstance(error, CommitInDoubt) else self._forget())  # as when cancelled
            await self._turned_away(error.reply, (), None, error=str(error))
            return error.reply
        except Exception:
            await self._forget()  # the edge answers 451; nothing may stay behind
            raise
        except BaseException:
            # Cancelled. The commit may have succeeded, so a body at rest stays, for discard() does nothing after
            # close(); without a row it is swept.
            await self._sink.discard()
            raise

    async def _decide_and_keep(self, head: MessageHead, size: int) -> Reply:
        self._envelope = record.with_receipt_translated(self._envelope, head)
        for _ in range(LOOKS):
            facts, verdict = await self._judge(head, size)
            if verdict is None:
                await self._forget()
                return READING_TOO_LONG
            if not isinstance(verdict, Admit | Hold):
                await self._forget()
                reply = record.told(verdict, facts, self.spool_id)
                await self._turned_away(reply, verdict.findings, facts)
                return reply
            body = await self._at_rest(size)
            try:
                return await self._keep(body, facts, verdict)
            except Conflict:
                continue  # a receipt was counted, or a conversation closed, meanwhile: look again
        await self._forget()
        await self._turned_away(INTERNAL_ERROR, (), facts)
        return INTERNAL_ERROR

    async def _judge(self, head: MessageHead, size: int) -> tuple[Facts, Verdict | None]:  # req: SD-10
        """The verdict is None when inspection or documents took too long: the sender tries again."""
        facts = await self._inspect(head, size)
        if facts is None:
            facts = self._means.inspector.of_letter_unknown(self._settings, self._client, self._envelope, head, size)
            held = await self._struck("letter.inspection_timed_out", facts)
            verdict = hold_undecided(facts, TIMED_OUT) if held else None
        else:
            verdict = decide(facts)
        if not head.may_hold_documents or not isinstance(verdict, Admit | Hold):
            return facts, verdict
        return await self._judge_documents(facts, size, timed_out=isinstance(verdict, Hold))

    async def _judge_documents(self, facts: Facts, size: int, *, timed_out: bool) -> tuple[Facts, Verdict | None]:
        """What the letter's documents make of a verdict that would let it in."""  # req: SD-10, SD-11, SD-15
        if self._report is None:
            self._report = await self._means.documents.report_on(await self._at_rest(size), facts)
        facts = replace(facts, report=self._report)
        if timed_out:
            return facts, hold_undecided(facts, TIMED_OUT)
        if self._report.complete:
            return facts, decide(facts)
        self._report = None  # it may be told the next time
        held = await self._struck("letter.documents_unverified", facts)
        return facts, decide(facts) if held else None

    async def _struck(self, event: str, facts: Facts) -> bool:
        """Count that this letter could not be judged in time; the third time, a person decides."""
        strikes = await self._means.store.strike(record.same_letter(facts), self._means.clock.now())
        origin = facts.envelope.origin
        self._means.telemetry.event(
            event, alarm=True, queue_id=self.spool_id, client=origin.client, peer=origin.peer, strikes=strikes
        )
        return strikes >= STRIKES_BEFORE_HOLD

    async def _inspect(self, head: MessageHead, size: int) -> Facts | None:
        """None when it took too long."""
        try:
            async with asyncio.timeout(self._settings.inspection_limit.total_seconds()):
                return await self._means.inspector.of_letter(self._settings, self._client, self._envelope, head, size)
        except TimeoutError:
            return None

    async def _keep(self, body: Body, facts: Facts, verdict: Admit | Hold) -> Reply:
        now = self._means.clock.now()
        deliveries = record.deliveries(self.spool_id, facts, verdict, now)
        held = isinstance(verdict, Hold)  # what it brings about waits for the release: see release.py
        lease = None if held else self._means.deliverer.reserve(deliveries)
        try:
            acceptance = Acceptance(
                body=body,
                facts=facts,
                verdict=verdict,
                deliveries=deliveries,
                lease=lease,
                letters=record.letters(facts),
                moves=verdict.moves,
                receipt=None if held else record.receipt_seen(facts),  # req: SD-10
                notice=None if held else record.notice_seen(facts),
                entries=(
                    *record.accepted(self.spool_id, facts, verdict, now),
                    *record.closed_on_send(self.spool_id, facts, verdict, now),
                ),
                collected=self.collected,
            )
            await self._means.store.accept(acceptance)
        except BaseException:
            if lease is not None:
                self._means.deliverer.give_back(deliveries)
            raise
        # From here on the letter is ours: nothing below may undo it, nor keep its 250 back.
        self._begin(acceptance, now)
        return Reply(250, "2.0.0", f"Message accepte, queued as {self.spool_id}")

    def _begin(self, kept: Acceptance, now: datetime) -> None:
        """Deliver and log what was kept. Raises nothing: told 451, the peer would send the letter a second time."""
        facts, verdict = kept.facts, kept.verdict
        try:
            if kept.lease is not None:
                stored = Stored(
                    spool_id=self.spool_id,
                    envelope=facts.envelope,
                    facts=facts,
                    verdict=verdict,
                    body=kept.body,
                    accepted_at=now,
                )
                self._means.deliverer.take(stored, kept.deliveries, kept.lease)
            self._log_accepted(facts, verdict)
        except Exception as error:  # a letter that was not taken is claimed when its lease lapses
            with contextlib.suppress(Exception):  # the log may be what fails: its disk is full
                self._means.telemetry.event("delivery.failed", alarm=True, queue_id=self.spool_id, failure=error)

    async def _at_rest(self, size: int) -> Body:
        """The body, made durable once."""
        if self._body is None:
            self._body = await self._sink.close(size=size)
        return self._body

    async def _forget(self) -> None:
        if self._body is None:
            await self._sink.discard()
            return
        with contextlib.suppress(StoreUnavailable):  # what stays has no row: it is swept
            await self._means.spool.remove(self.spool_id)

    def _log_accepted(self, facts: Facts, verdict: Verdict) -> None:
        origin = facts.envelope.origin
        patient = record.patient_of(facts)
        worst = strictest(verdict.findings)
        self._means.telemetry.event(
            "letter.accepted" if isinstance(verdict, Admit) else "letter.held",
            alarm=isinstance(verdict, Hold),
            queue_id=self.spool_id,
            client=origin.client,
            peer=origin.peer,
            size=facts.size,
            recipients=len(facts.exchanges),
            patient=self._means.store.alias(patient) if patient else None,
            finding=worst.rule if worst else None,
            carried=" ".join(counted(facts)) or None,
            documents=facts.report.verdict.value if facts.report is not None else None,
        )

    async def _turned_away(
        self, reply: Reply, findings: tuple[Finding, ...], facts: Facts | None, error: str | None = None
    ) -> None:
        """Log what was answered in place of a 250. 5xx is a refusal and journalled, 4xx refuses nothing."""
        on_the_wire = not findings and reply.permanent
        if on_the_wire:
            findings = (_found_on_the_wire(reply),)
        entries = record.refused(self.spool_id, self._envelope, facts, reply, findings, self._means.clock.now())
        worst = strictest(findings)
        self._means.telemetry.event(
            "letter.refused" if reply.permanent else "letter.deferred_at_intake",
            alarm=reply.status.startswith("4.3."),  # our system (RFC 3463); a sender that is too slow is no alarm
            stage="data",
            queue_id=self.spool_id,
            rule=worst.rule if worst else None,
            requirement=worst.requirement if worst else None,
            code=reply.code,
            status=reply.status,
            client=self._envelope.origin.client,
            peer=self._envelope.origin.peer,
            why=_WRONG_ON_THE_WIRE.get(reply) if on_the_wire else None,
            error=error,
        )
        if reply.permanent:
            await self._means.store.note(entries)


_WRONG_ON_THE_WIRE = {problem.value: problem.name.lower().replace("_", "-") for problem in Problem}


def _found_on_the_wire(reply: Reply) -> Finding:
    """What the edge refused while the octets came in, before any rule could see a letter."""
    if reply.status == "5.3.4":
        return refuse("size-is-within-the-limit", "SD-1 SIZ-3", reply)
    return refuse("octets-are-clean", "GW-3", reply)
