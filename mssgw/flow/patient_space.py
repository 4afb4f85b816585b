"""Mailboxes of patients that we keep ourselves, as Mon espace santé keeps them (WHO-5, NDR-1 to NDR-4).

1. a letter to a patient is accepted like any other: its sender learns nothing of the profile in the dialogue;
2. when its delivery is attempted, the registry says what there is of the patient at that moment: created or active, and
   it is delivered; opposed, closed or unknown, and the delivery ends without an attempt;
3. that end is answered by Mon espace santé's notice, and not by a failure notice; a delivery by a word to the patient's
   ordinary address. Both are kept before the outcome is: a crash in between may repeat one, never lose it.

``Route.patients`` marks the way there. What does the delivering is a Transport beneath this one: SMTP to a next hop, or
IMAP into the mailboxes themselves; of those the openings are waited for (flow/patient_receipts).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.envelope import Notify
from mssgw.core.errors import MalformedMatricule, StoreUnavailable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import AccountState
from mssgw.core.patients import ENDINGS, ROBOT, refusal
from mssgw.core.receipts import may_be_answered, told_of_opening
from mssgw.core.routes import PATIENTS_HEAR, Route, RouteKind
from mssgw.core.settings import Settings
from mssgw.core.unopened import Unopened
from mssgw.flow.ids import new_id
from mssgw.flow.live import Live
from mssgw.flow.notices import KeptNotices, Notices, Result
from mssgw.flow.own_letters import OwnLetter, OwnLetters
from mssgw.formats.patient_notices import NotDelivered, write_not_delivered, write_something_waits
from mssgw.ports import Clock, Patients, StillOurs, Stored, Telemetry, Transport, always

Entries = Mapping[int, tuple[Entry, ...]]  # by delivery number


class PatientTransport:
    """ports.Transport: asks the registry before it hands letters for patients to the transport beneath."""

    def __init__(self, beneath: Transport, patients: Patients, live: Live) -> None:
        self._beneath, self._patients, self._live = beneath, patients, live

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if not route.patients:
            return await self._beneath.send(route, stored, deliveries, still_ours)
        try:
            ended = {each.number: outcome for each in deliveries if (outcome := await self._ended(each)) is not None}
        except StoreUnavailable as error:  # ours: whoever is registered is not turned away for it
            return {each.number: Deferred(reply=error.reply) for each in deliveries}
        rest = [each for each in deliveries if each.number not in ended]
        delivered = await self._beneath.send(route, stored, rest, still_ours) if rest else {}
        return {**ended, **delivered}

    async def _ended(self, delivery: Delivery) -> Outcome | None:  # req: WHO-5
        """Why there is no mailbox to deliver to; None: there is."""
        try:
            matricule = self._live.settings.space.matricule(delivery.forward_path.address)
        except MalformedMatricule:  # req: NDR-4, NDR-8
            return _end(AccountState.BAD_ADDRESS)
        if matricule is None:  # a robot that the configuration names (INS-10): nobody's profile
            return None
        account = refusal(await self._patients.find(matricule))
        return _end(account) if account is not None else None


class PatientNotices:
    """Stands before Notices: what is told of letters to patients, then all that is told of any letter."""

    def __init__(
        self,
        notices: Notices,
        *,
        patients: Patients,
        own: OwnLetters,
        clock: Clock,
        telemetry: Telemetry,
        live: Live,
    ) -> None:
        self._notices, self._patients, self._own = notices, patients, own
        self._clock, self._telemetry, self._live = clock, telemetry, live

    async def send(
        self, stored: Stored, results: Sequence[Result], *, is_late: bool, kept: KeptNotices | None = None
    ) -> Entries:
        """See Notices.send: a delivery that the registry ended has its own notice instead of a failure notice."""
        kept = {} if kept is None else kept
        others: list[Result] = []
        for delivery, outcome in results:
            ended = isinstance(outcome, Bounced) and outcome.account is not None
            if not ended:
                others.append((delivery, outcome))
            if delivery.number not in kept:
                lines = await self._tell(stored, delivery, outcome)
                kept[delivery.number] = [(delivery.number, line) for line in lines]
        told = {delivery.number: tuple(line for _, line in kept[delivery.number]) for delivery, _ in results}
        for number, entries in (await self._notices.send(stored, others, is_late=is_late, kept=kept)).items():
            told[number] = (*told[number], *entries)
        return told

    async def _tell(self, stored: Stored, delivery: Delivery, outcome: Outcome) -> tuple[Entry, ...]:
        if isinstance(outcome, Bounced) and outcome.account is not None:
            return await self._answer(stored, delivery, outcome.account)
        if isinstance(outcome, Delivered) and self._is_a_patients(delivery):
            return await self._announce(stored, delivery)
        return ()

    def _is_a_patients(self, delivery: Delivery) -> bool:
        route = self._live.settings.routes.of(delivery)
        return route is not None and route.patients

    async def _answer(self, stored: Stored, delivery: Delivery, account: AccountState) -> tuple[Entry, ...]:
        """Mon espace santé's notice to the sender; none where may_be_answered() forbids it, or he wants none."""
        sender, path, settings = stored.envelope.reverse_path, delivery.forward_path, self._live.settings
        if sender is None or not may_be_answered(stored.facts) or not path.wants(Notify.FAILURE):  # req: NDR-7
            self._telemetry.event("notice.not_due", queue_id=stored.spool_id, kinds=account.value)
            return ()
        if settings.routes.to(sender) is None:
            self._telemetry.event("notice.no_route", alarm=True, queue_id=stored.spool_id, kind=account.value)
            return ()
        spool_id, message_id = self._new_id()
        head = stored.facts.head
        now = self._clock.now()
        written = write_not_delivered(
            NotDelivered(
                account=account,
                about=path.address,
                robot=Address.parse(f"{ROBOT}@{settings.space.domain}"),
                to=sender,
                subject=head.subject if head is not None else "",
                original_message_id=head.message_id if head is not None else None,
                message_id=message_id,
                written_at=now,
                product=settings.own_product,
            )
        )
        await self._own.keep(OwnLetter(spool_id=spool_id, message_id=message_id, written=written, to=sender), now)
        self._telemetry.event("notice.sent", queue_id=stored.spool_id, kind=account.value, notice=spool_id)
        return (self._entry(stored, delivery, f"{account.value} {spool_id}"),)

    async def _announce(self, stored: Stored, delivery: Delivery) -> tuple[Entry, ...]:
        """The word to the patient's ordinary address, whether he has activated his profile or not."""
        settings = self._live.settings
        sender = settings.notifications.sender if settings.notifications.route is not None else None
        email = await self._ordinary_address(delivery.forward_path.address) if sender is not None else None
        if sender is None or email is None:
            return ()
        spool_id, message_id = self._new_id()
        now = self._clock.now()
        written = write_something_waits(sender=sender, to=email, message_id=message_id, written_at=now)
        letter = OwnLetter(
            spool_id=spool_id,
            message_id=message_id,
            written=written,
            to=email,
            auto_submitted="auto-generated",
            domain=PATIENTS_HEAR,
        )
        await self._own.keep(letter, now)
        self._telemetry.event("notice.sent", queue_id=stored.spool_id, kind="new-message", notice=spool_id)
        return (self._entry(stored, delivery, f"new-message {spool_id}"),)

    async def _ordinary_address(self, mailbox: Address) -> Address | None:
        try:
            matricule = self._live.settings.space.matricule(mailbox)
        except MalformedMatricule:
            return None
        patient = await self._patients.find(matricule) if matricule is not None else None
        return patient.email if patient is not None else None

    def _new_id(self) -> tuple[str, str]:
        spool_id = new_id(self._clock.now())
        return spool_id, f"<{spool_id}@{self._live.settings.hostname}>"

    def _entry(self, stored: Stored, delivery: Delivery, detail: str) -> Entry:
        return Entry(
            at=self._clock.now(),
            event=JournalEvent.NOTIFIED,
            spool_id=stored.spool_id,
            sender=stored.facts.sender,
            recipient=delivery.forward_path.address,
            detail=detail,
        )


def to_be_opened(
    settings: Settings, stored: Stored, delivery: Delivery, outcome: Outcome, now: datetime
) -> Unopened | None:  # req: MDN-2, SD-13
    """What to remember of a delivery into a patient's mailbox, so that its sender is told when it is opened."""
    if not isinstance(outcome, Delivered):
        return None
    route = settings.routes.of(delivery)
    if route is None or not route.patients or route.kind is not RouteKind.IMAP:  # elsewhere we cannot look
        return None
    to = told_of_opening(stored.facts.head, stored.envelope.reverse_path)
    if to is None or settings.routes.to(to) is None:
        return None
    try:
        matricule = settings.space.matricule(delivery.forward_path.address)
    except MalformedMatricule:
        return None
    if matricule is None:
        return None
    return Unopened(
        spool_id=stored.spool_id, number=delivery.number, patient=matricule, delivered_at=now, place=outcome.place
    )


def _end(account: AccountState) -> Bounced:
    return Bounced(reply=ENDINGS[account], account=account)
