"""What the deliverer promises of places in memory, and of turns, where next hops are slow and routes change."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.delivery import Delivery, Lease, Outcome
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.flow import deliver
from mssgw.ports import StillOurs, Stored, always
from tests.contract.letters import PATIENT, acceptance
from tests.unit.flow.delivering.office import (
    COLLEAGUE,
    DOCTOR,
    DOMAINS,
    TO_HOSPITAL,
    TO_PATIENTS,
    ByTurns,
    Hop,
    running,
    until,
)


async def test_a_reload_parts_recipients_that_no_longer_share_a_route(office):
    """Both waited for one next hop; now one of them has another: nobody's letter goes to the old one."""
    await office.keep("BEHIND", recipients=(PATIENT, COLLEAGUE))
    await office.keep("AHEAD")
    office.clock.pass_(seconds=1)
    office.hop.free.clear()
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.hop.seen, flow)
        moved = RouteTable(DOMAINS | {COLLEAGUE.domain: TO_HOSPITAL})
        office.live.settings = Settings(hostname="mssgw.test", routes=moved)
        office.hop.free.set()
        await until(lambda: len(office.hop.seen) == 3, flow)
        await until(lambda: flow.deliverer.idle, flow)
    assert sorted(office.hop.seen[1:]) == [("hospital", COLLEAGUE.key), ("patients", PATIENT.key)]


async def test_letters_that_arrive_during_a_claim_do_not_take_its_places(office):
    """The bound on what is in memory holds, and what was counted in is what is counted out."""
    await office.keep("A", "B")
    flow = office.flow()
    deliverer = flow.deliverer
    deliverer._lanes._backlog = 2
    taken: list[Lease | None] = []
    claim = office.store.claim

    async def claim_while_letters_arrive(**asked: Any) -> Any:
        taken.append(deliverer.reserve([row.delivery for row in await office.store.queue(limit=1)]))
        return await claim(**asked)

    office.store.claim = claim_while_letters_arrive
    async with running(flow):
        await until(lambda: len(office.hop.seen) == 2, flow)
        await until(lambda: deliverer.idle, flow)
    assert taken == [None]


async def test_places_that_one_next_hop_gives_free_go_to_the_letters_of_another_at_once(office, monkeypatch):
    """Not only when nothing waits for the first one any more, or at the next look."""
    await office.keep("FIRST", "SECOND")
    office.clock.pass_(seconds=1)
    await office.keep("OTHER", recipients=(DOCTOR,))
    office.hop = ByTurns()
    monkeypatch.setattr(deliver, "CLAIM", 1)
    monkeypatch.setattr(deliver, "POLL", 60.0)
    flow = office.flow(per_route=1)
    flow.deliverer._lanes._backlog = 2
    async with running(flow), asyncio.timeout(5):
        await office.hop.hospital.wait()
        assert office.hop.seen == [("patients", PATIENT.key)]  # the second one waits for its turn
        office.hop.turns.release()
        office.hop.turns.release()


async def test_letters_to_a_next_hop_that_is_up_to_date_find_a_place_when_another_one_is_behind(office):
    """Slow, but not still: what waits for it was due before all that comes, and would go before it for hours."""
    await office.keep(*(f"LETTER{n}" for n in range(9)))
    office.hop = ByTurns()
    office.hop.turns = asyncio.Semaphore(0)
    flow = office.flow(per_route=1)
    flow.deliverer._lanes._backlog = 8
    async with running(flow):
        await until(lambda: not flow.deliverer._lanes.room, flow)
        assert flow.deliverer.reserve(acceptance("ONE MORE", office.clock).deliveries) is None
        kept = acceptance("OTHER", office.clock, recipients=(DOCTOR,))
        lease = flow.deliverer.reserve(kept.deliveries)
        assert lease is not None
        await office.store.accept(replace(kept, lease=lease))
        flow.deliverer.take(await office.store.load("OTHER"), kept.deliveries, lease)
        await until(office.hop.hospital.is_set, flow)
        assert flow.deliverer.reserve(kept.deliveries) is not None, "the last place"
        assert flow.deliverer.reserve(kept.deliveries) is None, "the bound holds for all together"


class Stuck(Hop):
    """Says nothing on the routes named, until ``free``."""

    def __init__(self, *routes: Route) -> None:
        super().__init__()
        self.routes = routes
        self.free.clear()

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if route in self.routes:
            await self.free.wait()
        self.seen += [(route.name, deliveries[0].spool_id)]
        return {each.number: self.answer() for each in deliveries}


async def test_letters_on_disk_do_not_wait_behind_the_backlog_of_another_next_hop(office):
    """It was due before them, and goes out slowly: as long as anything is left of it, they would not be claimed."""
    await office.keep(*(f"LETTER{n}" for n in range(30)))
    office.clock.pass_(seconds=1)
    await office.keep(*(f"OTHER{n}" for n in range(9)), recipients=(DOCTOR,))
    office.hop = Stuck(TO_PATIENTS)
    flow = office.flow(per_route=2)
    flow.deliverer._lanes._backlog = 16
    async with running(flow):
        await until(lambda: len(office.hop.seen) == 9, flow)
        assert set(office.hop.seen) == {("hospital", f"OTHER{n}") for n in range(9)}
        await until(lambda: flow.deliverer._lanes.count == 12, flow)
        office.hop.free.set()


async def test_of_the_places_that_are_kept_half_are_for_letters_that_come(office):
    """A second next hop may be slow, too: what is claimed beside the first one's backlog must not take them all."""
    await office.keep(*(f"LETTER{n}" for n in range(30)))
    await office.keep(*(f"OTHER{n}" for n in range(9)), recipients=(DOCTOR,))
    office.hop = Stuck(TO_PATIENTS, TO_HOSPITAL)
    flow = office.flow(per_route=4)
    flow.deliverer._lanes._backlog = 16
    async with running(flow):
        await until(lambda: flow.deliverer._lanes.count == 14, flow)
        for _ in range(99):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        new = acceptance("NEW", office.clock, recipients=(DOCTOR, DOCTOR)).deliveries
        assert flow.deliverer.reserve(new) is not None
        assert flow.deliverer._lanes.count == 16
        flow.deliverer.give_back(new)
        office.hop.free.set()


async def test_a_next_hop_of_many_domains_takes_no_more_of_these_places_than_one_of_a_single_domain(office):
    """As many letters as it has attempts at a time, and as many again."""
    domains = [f"{name}.mssante.fr" for name in "abcd"]
    routes = DOMAINS | dict.fromkeys(domains, TO_HOSPITAL)
    office.live.settings = replace(office.live.settings, routes=RouteTable(routes))
    await office.keep(*(f"LETTER{n}" for n in range(60)))
    for domain in domains:
        await office.keep(*(f"{domain}{n}" for n in range(9)), recipients=(Address.parse(f"x@{domain}"),))
    office.hop = Stuck(TO_PATIENTS, TO_HOSPITAL)
    flow = office.flow(per_route=2)
    flow.deliverer._lanes._backlog = 64
    async with running(flow):
        await until(lambda: flow.deliverer._lanes.count >= 48 + 4, flow)
        for _ in range(99):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        assert flow.deliverer._lanes.count == 48 + 4
        office.hop.free.set()


async def test_a_mailbox_with_a_slow_route_of_its_own_takes_no_places_that_are_kept_for_others(office):
    """By their domain its letters look like those of its neighbours, for whom nothing waits."""
    await office.keep(*(f"LETTER{n}" for n in range(30)))
    slow = Route(name="slow", host="mx.slow")
    office.live.settings = replace(office.live.settings, routes=RouteTable(DOMAINS, by_address={PATIENT.key: slow}))
    office.hop = Stuck(slow)
    flow = office.flow(per_route=2)
    flow.deliverer._lanes._backlog = 16
    async with running(flow):
        await until(lambda: not flow.deliverer._lanes.room, flow)
        for _ in range(99):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        assert flow.deliverer._lanes.count == 12
        office.hop.free.set()


async def test_a_queue_that_holds_nothing_for_others_is_not_searched_all_the_time(office, monkeypatch):
    """Each letter that goes out wakes the deliverer while memory is full."""
    await office.keep(*(f"LETTER{n}" for n in range(9)))
    office.hop = Stuck(TO_PATIENTS)
    looks, look = [], office.store.domains_due
    monkeypatch.setattr(office.store, "domains_due", lambda **given: looks.append(1) or look(**given))
    flow = office.flow(per_route=1)
    flow.deliverer._lanes._backlog = 8
    async with running(flow):
        await until(lambda: looks, flow)
        for _ in range(99):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        assert len(looks) == 1
        office.hop.free.set()
