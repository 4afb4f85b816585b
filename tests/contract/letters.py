"""Letters to put in a store: short to write, complete enough to be kept."""

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, Party
from mssgw.core.clients import Client
from mssgw.core.conversation import Event, Move, Pair
from mssgw.core.delivery import Deferred, Delivered, Delivery, Lease, State
from mssgw.core.envelope import Envelope, ForwardPath, Notify, Origin, Role
from mssgw.core.facts import Exchange, Facts, Policy
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import Content, MessageHead
from mssgw.core.replies import Reply
from mssgw.core.verdict import Admit, Finding, Hold, Severity
from mssgw.edges.clock import FixedClock
from mssgw.ports import Acceptance, Body, Desk, Directory, Letter, Patients, Question, ReceiptSeen, Settlement, Store

PATIENT = Address.parse("279035121518989@patient.mssante.fr")
OTHER_PATIENT = Address.parse("177012A12345670@patient.mssante.fr")
DOCTOR = Address.parse("Dr.Lemoine@chu-exemple.mssante.fr")
SECRETARIAT = Address.parse("secretariat@chu-exemple.mssante.fr")
PAIR = Pair(PATIENT, DOCTOR)
WROTE, CLOSED = Event.PROFESSIONAL_WROTE, Event.PROFESSIONAL_CLOSED
SUBJECT = "Compte rendu de Mme Exemple"
OK = Reply(250, "2.0.0", "OK")
BUSY = Reply(451, "4.3.2", "<279035121518989@patient.mssante.fr> try later")
PDF = b"%PDF-1.7 a canary in the body\r\n" * 20


@dataclass(slots=True)
class Place:
    """A store with its desk, and a clock that the test moves."""

    store: Store
    desk: Desk
    clock: FixedClock
    directory: Directory | None = None
    patients: Patients | None = None

    def lease(self, token: str = "node.1", minutes: float = 20) -> Lease:
        return Lease(token=token, until=self.clock.now() + timedelta(minutes=minutes))

    async def keep(self, spool_id: str, **given: Any) -> Acceptance:
        """Accept a letter; see ``acceptance``."""
        kept = acceptance(spool_id, self.clock, **given)
        await self.store.accept(kept)
        return kept

    async def known(self, pair: Pair = PAIR, **asked: Any) -> Any:
        (answer,) = await self.store.know(Question(pairs=(pair,), **asked))
        return answer

    async def state(self, pair: Pair = PAIR) -> str:
        return str((await self.known(pair)).conversation.state)

    async def deliver(self, kept: Acceptance) -> None:
        """Settle all its deliveries as delivered, under the lease it was accepted with."""
        assert kept.lease is not None
        assert all(await self.store.settle([settlement(each, kept.lease) for each in kept.deliveries]))

    async def events(self, spool_id: str) -> list[str]:
        return [entry.event.value for entry in await self.desk.trace(spool_id=spool_id, limit=100)]


def facts_of(clock: FixedClock, recipients: tuple[Address, ...], sender: Address | None) -> Facts:
    paths = tuple(
        ForwardPath(address=address, notify=frozenset({Notify.SUCCESS, Notify.FAILURE}), orcpt="rfc822;x")
        for address in recipients
    )
    origin = Origin(role=Role.ESTABLISHMENT, client="chu", peer="10.1.2.3", tls="TLSv1.3", person="Infirmiere Exemple")
    client = Client(name="chu", role=Role.ESTABLISHMENT, domains=frozenset({"b.example", "a.example"}))
    return Facts(
        envelope=Envelope(reverse_path=sender, forward_paths=paths, origin=origin, envid="QQ314159", eight_bit=True),
        client=client,
        sender=sender,
        sender_party=Party.PROFESSIONAL,
        sender_bal=Bal(kind=BalKind.ORG, pharmacy=True),
        size=len(PDF),
        head=MessageHead(message_id="<1@chu>", subject=SUBJECT, content=Content.MDN, from_=(DOCTOR,)),
        exchanges=tuple(Exchange(forward_path=path, party=Party.PATIENT, pair=PAIR) for path in paths),
        policy=Policy(enforcing=False),
        taken_at=clock.now(),
    )


def acceptance(
    spool_id: str,
    clock: FixedClock,
    *,
    recipients: tuple[Address, ...] = (PATIENT,),
    sender: Address | None = DOCTOR,
    body: Body | None = None,
    held: bool = False,
    lease: Lease | None = None,
    moves: tuple[Event, ...] = (),
    pair: Pair = PAIR,
    **given: Any,
) -> Acceptance:
    """A letter as accept() would keep it. ``moves``: events of ``pair``."""
    facts = facts_of(clock, recipients, sender)
    finding = Finding(rule="a-rule", requirement="SD-10", severity=Severity.HOLD, detail="code", reply=OK)
    deliveries = tuple(
        Delivery(
            spool_id=spool_id,
            number=number,
            forward_path=path,
            domain=path.address.domain,
            created_at=clock.now(),
            due_at=clock.now(),
            state=State.HELD if held else State.QUEUED,
        )
        for number, path in enumerate(facts.envelope.forward_paths)
    )
    return Acceptance(
        body=body or Body(spool_id=spool_id, key=os.urandom(32), size=len(PDF), wire_size=len(PDF), inline=PDF),
        facts=facts,
        verdict=Hold(findings=(finding,)) if held else Admit(findings=(finding,)),
        deliveries=deliveries,
        lease=lease,
        moves=tuple(Move(pair, event) for event in moves),
        entries=(
            Entry(
                at=clock.now(),
                event=JournalEvent.ACCEPTED,
                spool_id=spool_id,
                message_id="<1@chu>",
                sender=sender,
                recipient=recipients[0],
                client="chu",
                peer="10.1.2.3",
                person="Infirmiere Exemple",
                size=len(PDF),
                reply=BUSY,
                next_hop="mx.example",
                findings=(finding,),
            ),
        ),
        **given,
    )


def letter(message_id: str = "<1@chu>", *, pair: Pair = PAIR, subject: str = SUBJECT, **given: Any) -> Letter:
    return Letter(pair=pair, message_id=message_id, subject=subject, **given)


def receipt(
    message_id: str = "<1@chu>", disposition: str = "displayed", *, told: tuple[Address, ...] = ()
) -> ReceiptSeen:
    return ReceiptSeen(patient=PATIENT, original_message_id=message_id, disposition=disposition, told=told)


def settlement(delivery: Delivery, lease: Lease) -> Settlement:
    """Delivered."""
    after = replace(delivery, state=State.DELIVERED, attempts=delivery.attempts + 1, last_reply=OK)
    entry = Entry(at=delivery.due_at, event=JournalEvent.DELIVERED, spool_id=delivery.spool_id, reply=OK)
    return Settlement(after=after, lease=lease, outcome=Delivered(reply=OK, next_hop="mx"), entries=(entry,))


def deferral(delivery: Delivery, lease: Lease, minutes: float) -> Settlement:
    """To be tried again that much later."""
    after = replace(
        delivery, attempts=1, warned=True, last_reply=BUSY, due_at=delivery.due_at + timedelta(minutes=minutes)
    )
    return Settlement(after=after, lease=lease, outcome=Deferred(reply=BUSY))
