"""What the deliverer promises of leases: nothing is begun or ended under one that may be somebody else's."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mssgw.core.addresses import Address
from mssgw.core.delivery import Delivered, Delivery, Lease, Outcome, State
from mssgw.core.errors import Gone, NoLongerOurs, StoreUnavailable
from mssgw.core.journal import JournalEvent
from mssgw.core.routes import Route
from mssgw.edges.clock import FixedClock
from mssgw.flow import deliver
from mssgw.flow.leases import LEASE
from mssgw.ports import Settlement, StillOurs, Stored, always
from tests.contract.letters import acceptance
from tests.unit.flow.delivering.office import (
    DOCTOR,
    OK,
    TO_PATIENTS,
    ByTurns,
    Hop,
    running,
    until,
)


async def test_a_process_that_begins_takes_over_nothing_before_others_had_time_to_say_what_they_sent(office):
    """It does not know what was before: perhaps nobody could renew a lease, or record what was sent under it."""
    await office.keep("FREE")
    other = Lease(token="other.1-0", until=office.clock.now() + LEASE)
    await office.store.accept(acceptance("SENT", office.clock, lease=other))
    office.clock.at += LEASE * 2
    flow = office.flow()
    async with running(flow):
        await until(lambda: "delivery.delivered" in office.events.seen and flow.deliverer.idle, flow)
        for _ in range(20):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        assert len(office.hop.seen) == 1, "what nobody held goes at once"
        flow.deliverer._leases._gap_ended -= deliver.GRACE
        await until(lambda: len(office.hop.seen) == 2, flow)


async def test_a_letter_that_waited_too_long_is_not_begun_under_a_lease_that_lapses(office, monkeypatch):
    """Two workers with two leases would send the same letter twice: it is claimed anew instead, once."""
    monkeypatch.setattr(deliver, "GRACE", 0.0)
    await office.keep("FIRST", "SECOND")
    office.hop.free.clear()
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.hop.seen, flow)
        office.clock.at += LEASE * 0.9  # the first one took its time, and the second one waited behind it
        office.hop.free.set()
        await until(lambda: len(office.hop.seen) == 2, flow)
        assert office.events.seen[:2] == ["delivery.delivered", "delivery.waited_too_long"]
        await until(lambda: flow.deliverer.idle, flow)
    assert await office.states() == ["FIRST delivered", "SECOND delivered"]


class Patience(Hop):
    """Patients' letters wait for ``answered``; the first one to the hospital takes nearly as long as a lease lasts."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__()
        self.clock, self.answered = clock, asyncio.Event()

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        outcomes = await super().send(route, stored, deliveries)
        if route is TO_PATIENTS:
            await self.answered.wait()
        elif self.at_the_hospital == 1:
            self.clock.at += LEASE * 0.9
        return outcomes

    @property
    def at_the_hospital(self) -> int:
        return [name for name, _ in self.seen].count("hospital")


async def test_a_letter_that_is_claimed_anew_waits_for_none_that_was_claimed_with_it(office, monkeypatch):
    """That one is being sent, and as long as it takes renewals keep the lease of both."""
    monkeypatch.setattr(deliver, "GRACE", 0.0)
    await office.keep("SLOW")
    await office.keep("FIRST", "SECOND", recipients=(DOCTOR,))
    office.hop = Patience(office.clock)
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: "delivery.waited_too_long" in office.events.seen, flow)
        await flow.deliverer._leases.renew()
        await until(lambda: office.hop.at_the_hospital == 2, flow)
        office.hop.answered.set()
        await until(lambda: flow.deliverer.idle, flow)
    assert sorted(await office.states()) == ["FIRST delivered", "SECOND delivered", "SLOW delivered"]
    assert len(office.hop.seen) == 3


async def test_a_letter_that_another_took_over_and_sent_is_not_set_aside_by_who_comes_back(office, monkeypatch):
    """A node that was cut off from the store finds nothing of it: content is erased half a minute after the end."""
    monkeypatch.setattr(deliver, "GRACE", 0.0)
    await office.keep("A")
    flow, load = office.flow(), office.store.load

    async def cut_off(spool_id: str) -> Stored:
        office.clock.at += LEASE * 2
        other = Lease(token="other.1-0", until=office.clock.now() + LEASE)
        (taken,) = await office.store.claim(now=office.clock.now(), lease=other, limit=1)
        sent, outcome = replace(taken, state=State.DELIVERED), Delivered(reply=OK, next_hop="mx")
        await office.store.settle([Settlement(after=sent, lease=other, outcome=outcome)])
        await office.store.erase_finished(now=office.clock.now())
        return await load(spool_id)

    monkeypatch.setattr(office.store, "load", cut_off)
    async with running(flow):
        await until(lambda: office.events.seen and flow.deliverer.idle, flow)
    assert office.events.seen == ["delivery.waited_too_long"], "no alarm"
    assert JournalEvent.HELD not in [entry.event for entry in await office.store.trace(spool_id="A", limit=9)]


async def test_a_letter_that_cannot_even_be_set_aside_stops_no_other(office):
    """Its failure is told; what waits behind it in the lane goes on."""
    await office.keep("LOST", "OTHER")
    load = office.store.load

    async def gone(spool_id: str) -> Stored:
        if spool_id == "LOST":
            raise Gone
        return await load(spool_id)

    async def fails(*_: Any) -> None:
        raise RuntimeError

    office.store.load, office.store.set_aside = gone, fails
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: "delivery.delivered" in office.events.seen and flow.deliverer.idle, flow)
    assert "delivery.failed" in office.events.alarms


class StoodStill(Hop):
    """The process was frozen before the final dot of the first letter."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__()
        self.clock = clock

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        outcomes = await super().send(route, stored, deliveries)
        if len(self.seen) == 1:
            assert still_ours()
            self.clock.at += LEASE
        if not still_ours():
            raise NoLongerOurs
        return outcomes


async def test_a_letter_whose_lease_lapsed_while_it_was_sent_is_claimed_anew(office, monkeypatch):
    """No outcome, no attempt counted, nothing told: somebody else may be sending it."""
    monkeypatch.setattr(deliver, "GRACE", 0.0)
    await office.keep("LETTER")
    office.hop = StoodStill(office.clock)
    flow = office.flow()
    async with running(flow):
        await until(lambda: len(office.hop.seen) == 2 and flow.deliverer.idle, flow)
    assert office.events.seen == ["delivery.waited_too_long", "delivery.delivered"]
    lines = await office.store.trace(spool_id="LETTER", limit=9)
    assert [(line.event, line.detail) for line in lines] == [("accepted", ""), ("delivered", "attempt-1")]


async def test_what_a_stop_cuts_short_of_a_long_list_of_recipients_is_not_what_was_delivered_before(office):
    """Else all of them would get a second copy at the next start."""
    doctors = tuple(Address.parse(f"dr.{n}@ch-test.mssante.fr") for n in range(150))
    office.hop = ByTurns()
    flow = office.flow(per_route=1)
    kept = acceptance("LETTER", office.clock, recipients=doctors)
    lease = flow.deliverer.reserve(kept.deliveries)
    await office.store.accept(replace(kept, lease=lease))
    async with running(flow):
        flow.deliverer.take(await office.store.load("LETTER"), kept.deliveries, lease)
        await until(lambda: office.events.seen.count("delivery.delivered") == 100, flow)
    assert len(office.hop.seen) == 100
    states = Counter(row.delivery.state for row in await office.store.queue(limit=200))
    assert states == {State.QUEUED: 50}


@pytest.mark.parametrize("trouble", [StoreUnavailable("the disk is full"), OverflowError()])
@pytest.mark.parametrize("at", ["free_node", "next_due", "claim"])
async def test_a_queue_that_cannot_be_asked_is_asked_again(office, monkeypatch, at, trouble):
    """Ending would stop the gateway, and its next start would end in the same place."""
    asked: list[str] = []

    async def fail(*_: object, **__: object) -> None:
        asked.append(at)
        raise trouble

    await office.keep("A")
    flow = office.flow()
    monkeypatch.setattr(deliver, "GRACE", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(office.store, at, fail)
        async with running(flow):
            await until(lambda: len(asked) > 1, flow)
            broken.undo()
            await until(lambda: office.hop.seen, flow)
    assert await office.states() == ["A delivered"]
    assert office.events.alarms


async def test_until_earlier_leases_are_freed_new_letters_wait_on_disk(office, monkeypatch):
    """Leases of ours from now would be freed with them, and the letters claimed while they are being sent."""
    free_node = office.store.free_node

    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(deliver, "GRACE", 0.0)
    monkeypatch.setattr(office.store, "free_node", away)
    flow = office.flow()
    delivery = acceptance("A", office.clock).deliveries
    async with running(flow):
        await until(lambda: office.events.alarms, flow)
        assert flow.deliverer.reserve(delivery) is None
        monkeypatch.setattr(office.store, "free_node", free_node)
        await until(lambda: flow.deliverer.reserve(delivery), flow)
