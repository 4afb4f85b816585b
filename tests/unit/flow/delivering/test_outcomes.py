"""What the deliverer promises of outcomes: each is recorded and told, whatever breaks of ours."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.utils import format_datetime
from typing import Any

import pytest

from mssgw.app.composition import Flow
from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.errors import StoreUnavailable
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, RouteKind, RouteTable
from mssgw.edges.memory import MemorySpool
from mssgw.flow import attempt
from mssgw.ports import Acceptance, Body, HalfSettled, Settlement, StillOurs, Stored, always
from tests.contract.letters import PATIENT
from tests.unit.flow.delivering.office import (
    COLLEAGUE,
    DOMAINS,
    NO,
    OK,
    TO_PATIENTS,
    Hop,
    Office,
    away,
    broken,
    running,
    until,
)


async def test_a_failure_of_ours_counts_as_an_attempt(office):
    """So that the letter is tried again with back-off, and its sender told in the end: it never just stays."""
    await office.keep("LETTER")
    office.hop.answer = broken
    flow = office.flow()
    async with running(flow):
        await until(lambda: "delivery.deferred" in office.events.seen, flow)
        office.clock.pass_(hours=49)
        await until(lambda: "notice.sent" in office.events.seen, flow)
    assert "delivery.failed" in office.events.seen
    assert "LETTER bounced" in await office.states()


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Delivered(reply=OK, next_hop="mx"), "delivered"), (Bounced(reply=NO, next_hop="mx"), "queued")],
    ids=["delivered", "bounced"],
)
async def test_a_notice_that_cannot_be_written_neither_repeats_a_letter_nor_hides_a_failure(
    office, outcome, state, monkeypatch
):
    """What was delivered stays delivered; a failure that nobody was told of stays in the queue, with an alarm."""
    await office.keep("LETTER")
    office.hop.answer = lambda: outcome
    flow = office.flow()

    async def send(*_: Any, **__: Any) -> Any:
        raise ValueError("ours")

    monkeypatch.setattr(flow.notices, "send", send)
    async with running(flow):
        await until(lambda: "notice.failed" in office.events.seen, flow)
        await until(lambda: flow.deliverer.idle, flow)
        assert await office.states() == [f"LETTER {state}"]
    assert len(office.hop.seen) == 1


async def test_an_outcome_that_was_recorded_is_not_recorded_again_when_the_store_failed_at_the_next(
    office, monkeypatch
):
    """Its lease ended with it: asked again, the store would say that somebody else has the letter."""
    await office.keep("LETTER", recipients=(PATIENT, COLLEAGUE))
    settle = office.store.settle

    async def half(settlements: Sequence[Settlement]) -> None:
        monkeypatch.setattr(office.store, "settle", settle)
        (kept,) = await settle(settlements[:1])
        raise HalfSettled("disk I/O error", [kept, None])

    monkeypatch.setattr(office.store, "settle", half)
    monkeypatch.setattr(attempt, "PAUSE", 0.0)
    flow = office.flow()
    async with running(flow):
        await until(lambda: "queue.unavailable" in office.events.alarms, flow)
        await until(lambda: flow.deliverer.idle, flow)
    assert office.events.seen.count("delivery.delivered") == 2
    assert "delivery.lease_lost" not in office.events.seen
    assert await office.states() == ["LETTER delivered", "LETTER delivered"]


async def test_a_delay_that_could_not_be_told_is_told_at_a_later_attempt(office, monkeypatch):
    """Else the doctor would hear nothing for two days."""
    await office.keep_asked_about("LETTER")
    office.clock.pass_(hours=5)
    office.hop.answer = lambda: Deferred(reply=Reply(451, "4.2.0", "later"), next_hop="mx")
    flow = office.flow()

    async def send(*_: Any, **__: Any) -> Any:
        raise ValueError("ours")

    with monkeypatch.context() as broken:
        broken.setattr(flow.notices, "send", send)
        async with running(flow):
            await until(lambda: "delivery.deferred" in office.events.seen, flow)
            await until(lambda: flow.deliverer.idle, flow)
    assert "notice.sent" not in office.events.seen
    office.clock.pass_(hours=1)
    flow = office.flow()
    async with running(flow):
        await until(lambda: "notice.sent" in office.events.seen, flow)


class Transactions(Hop):
    """Remembers who stood together; ``outcomes`` in the order of the recipients, the last one for the rest."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__()
        self.outcomes, self.together = outcomes, list[list[int]]()

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if stored.envelope.reverse_path is not None:
            self.together.append(sorted(each.number for each in deliveries))
        return {each.number: self.outcomes[min(each.number, len(self.outcomes) - 1)] for each in deliveries}


WARD = tuple(Address.parse(f"service{n}@chu-exemple.mssante.fr") for n in range(8))


BUSY = Deferred(reply=Reply(451, "4.3.2", "Maintenance"), next_hop="mx")


async def test_a_notice_that_the_store_took_before_it_was_away_is_not_kept_again(office, monkeypatch):
    """Its sender would hear the same each second, for as long as there is no room for the next, longer one."""
    monkeypatch.setattr(attempt, "PAUSE", 0.0)
    await office.keep("LETTER", recipients=(PATIENT, COLLEAGUE))
    office.hop = Transactions(Delivered(reply=OK, next_hop="mx"), Bounced(reply=NO, next_hop="mx"))
    accept, asked = office.store.accept, 0

    async def full(acceptance: Acceptance) -> None:
        nonlocal asked
        asked += 1
        if asked in (2, 3, 4):
            raise StoreUnavailable
        await accept(acceptance)

    monkeypatch.setattr(office.store, "accept", full)
    flow = office.flow()
    async with running(flow):
        await until(lambda: "delivery.bounced" in office.events.seen and flow.deliverer.idle, flow)
    assert office.events.seen.count("notice.sent") == 2, "that it was relayed, and that it failed"


class Mailboxes(Hop):
    """Takes all; ``notices``: what it got for senders."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[bytes] = []

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if stored.envelope.reverse_path is None:
            self.notices.append(stored.body.inline or b"")
        return {each.number: Delivered(reply=OK, next_hop="mx") for each in deliveries}


@pytest.mark.parametrize(
    ("kind", "action", "subject"),
    [
        (RouteKind.SMTP, b"relayed", "Message transmis au serveur du destinataire"),
        (RouteKind.IMAP, b"delivered", "Message distribué"),
        (RouteKind.LMTP, b"delivered", "Message distribué"),
    ],
)
async def test_who_asked_is_told_that_his_letter_lies_in_the_mailbox_where_it_does(office, kind, action, subject):
    """RFC 3464 section 2.3.3, DSN-1: relayed is what went to a server that does not report, and nobody knows more."""
    routes = RouteTable({**DOMAINS, PATIENT.domain: replace(TO_PATIENTS, kind=kind)})
    office.live.settings = replace(office.live.settings, routes=routes)
    office.hop = Mailboxes()
    await office.keep("LETTER")
    flow = office.flow()
    async with running(flow):
        await until(lambda: office.hop.notices, flow)
    (notice,) = office.hop.notices
    assert b"\r\nAction: " + action + b"\r\n" in notice
    assert str(message_from_bytes(notice, policy=policy.default)["Subject"]).startswith(subject)


async def pass_(office: Office, flow: Flow, **time: float) -> None:
    """So long, with a look at the queue each second, as in life."""
    end = office.clock.now() + timedelta(**time)
    while office.clock.now() < end:
        office.clock.pass_(seconds=1)
        for _ in range(3):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        await until(lambda: flow.deliverer.idle, flow)


@pytest.mark.parametrize("trouble", [away(), BUSY], ids=["away", "busy"])
async def test_recipients_deferred_alike_are_told_of_in_one_notice_and_get_one_copy_in_the_end(office, trouble):
    """Each with a moment of its own had a notice, and a letter to thirty services was sent thirty times."""
    await office.keep_asked_about("LETTER", WARD)
    office.clock.pass_(hours=5)
    office.hop = Transactions(trouble)
    flow = office.flow()
    async with running(flow):
        await until(lambda: office.hop.together and flow.deliverer.idle, flow)
        assert office.events.seen.count("notice.sent") == 1
        await pass_(office, flow, minutes=2)
        office.hop.outcomes = (Delivered(reply=OK, next_hop="mx", dsn_passed_on=True),)
        await pass_(office, flow, minutes=6)
    assert set(map(tuple, office.hop.together)) == {tuple(range(len(WARD)))}
    assert office.events.seen.count("notice.sent") == 1


@pytest.mark.parametrize(
    "outcomes",
    [
        (Delivered(reply=OK, next_hop="mx"), BUSY),
        (Bounced(reply=NO, next_hop="mx"), replace(BUSY, collective=True)),
    ],
    ids=["some-were-taken", "said-of-all-at-once"],
)
async def test_recipients_who_may_hold_each_other_back_are_tried_apart(office, outcomes):
    """A server takes so many at a time, or the full mailbox of one defers the letter for all."""
    await office.keep("LETTER", recipients=WARD)
    office.hop = Transactions(*outcomes)
    flow = office.flow()
    async with running(flow):
        await until(lambda: office.hop.together and flow.deliverer.idle, flow)
        await pass_(office, flow, minutes=1.5)
    assert len(office.hop.together) > 2


async def test_a_recipient_is_not_bound_to_one_for_whose_sake_he_was_put_off_before_anybody_was_taken(office):
    """A server of many domains takes those of one at a time, and the first one's mailbox is full for two days."""

    class OneDomainAtATime(Transactions):
        async def send(
            self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
        ) -> Mapping[int, Outcome]:
            await super().send(route, stored, deliveries, still_ours)
            first = min(each.number for each in deliveries)
            said = {each.number: one_domain for each in deliveries}
            return said | {first: Delivered(reply=OK, next_hop="mx") if first else full}

    full = Deferred(reply=Reply(452, "4.2.2", "Mailbox full"), next_hop="mx")
    one_domain = Deferred(reply=Reply(451, "4.3.0", "Multiple destination domains per transaction"), next_hop="mx")
    await office.keep("LETTER", recipients=WARD[:3])
    office.hop = OneDomainAtATime(full)
    flow = office.flow()
    async with running(flow):
        await until(lambda: office.hop.together and flow.deliverer.idle, flow)
        await pass_(office, flow, minutes=8)
    assert [said for said in await office.states() if said == "LETTER delivered"] == ["LETTER delivered"] * 2


async def test_a_letter_whose_body_is_lost_is_told_of_all_the_same(office):
    """The notice then returns nothing of it."""
    await office.keep("LETTER")
    stored = await office.store.load("LETTER")
    lost = replace(stored, body=replace(stored.body, inline=None))
    (row,) = await office.store.queue(limit=9)
    said = await office.flow().notices.send(lost, [(row.delivery, Bounced(reply=NO))], is_late=False)
    (entry,) = said[row.delivery.number]
    assert entry.event == "notified"
    assert "notice.without_letter" in office.events.seen


class BadSector(MemorySpool):
    async def read(self, body: Body) -> AsyncIterator[bytes]:
        yield b"From: "
        raise StoreUnavailable("the spool failed: EIO")


async def test_a_letter_whose_file_cannot_be_read_is_given_up_and_told_of(office):
    """Else its bounce would be tried each second for ever, and the sender would hear nothing."""
    await office.keep("LETTER")
    office.hop.answer = lambda: Bounced(reply=NO)
    flow = office.flow(spool=BadSector())
    async with running(flow):
        await until(lambda: {"notice.sent", "queue.unavailable"} & {*office.events.seen}, flow)
        await until(lambda: flow.deliverer.idle, flow)
    assert "LETTER bounced" in await office.states()
    assert "notice.without_letter" in office.events.alarms


async def test_a_delay_notice_of_a_released_letter_names_the_day_on_which_it_is_given_up(office):
    """Its time begins with the release: counted from its arrival, that day may lie in the past."""
    await office.keep_asked_about("LETTER")
    (row,) = await office.store.queue(limit=9)
    released = office.clock.pass_(days=3)
    outcome = Deferred(reply=Reply(451, "4.2.0", "later"), next_hop="mx")
    result = (replace(row.delivery, created_at=released), outcome)
    said = await office.flow().notices.send(await office.store.load("LETTER"), [result], is_late=True)
    kept = await office.store.load(said[row.delivery.number][0].detail.split()[1])
    until = format_datetime(released + office.live.settings.retry.give_up_after)
    assert f"Will-Retry-Until: {until}".encode() in kept.body.inline


async def test_a_notice_is_found_by_its_own_message_id(office):
    """As any letter is: its sender may ask about what he received."""
    await office.keep("LETTER")
    (row,) = await office.store.queue(limit=9)
    said = await office.flow().notices.send(
        await office.store.load("LETTER"), [(row.delivery, Bounced(reply=NO))], is_late=False
    )
    (entry,) = said[row.delivery.number]
    spool_id = entry.detail.split()[1]
    (line,) = await office.store.trace(message_id=f"<{spool_id}@mssgw.test>", limit=9)
    assert (line.spool_id, line.event) == (spool_id, "accepted")
