"""What the deliverer promises when hops are slow, configurations change and things of ours break."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from mssgw.app.composition import Flow, assemble
from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Lease, Outcome, State
from mssgw.core.errors import Gone, NoLongerOurs, StoreUnavailable
from mssgw.core.message import MessageHead
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemorySpool, MemoryStore
from mssgw.edges.memory.validators import MemoryValidators
from mssgw.flow import attempt, deliver, lanes
from mssgw.flow.lanes import PUT_OFF_APART, Lane
from mssgw.flow.leases import LEASE
from mssgw.flow.live import Live
from mssgw.ports import Body, HalfSettled, Settlement, StillOurs, Stored, always
from tests.contract.letters import PATIENT, acceptance

OK, NO = Reply(250, "2.0.0", "OK"), Reply(550, "5.1.1", "no such user")
COLLEAGUE = Address.parse("dr.durand@ch-test.mssante.fr")
DOCTOR = Address.parse("dr.martin@chu-exemple.mssante.fr")
TO_PATIENTS, TO_HOSPITAL = Route(name="patients", host="mx.patient"), Route(name="hospital", host="mx.hospital")
DOMAINS = {PATIENT.domain: TO_PATIENTS, COLLEAGUE.domain: TO_PATIENTS, DOCTOR.domain: TO_HOSPITAL}


class Hop:
    """ports.Transport: answers what it is told to, and remembers which recipient came over which route."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.answer: Callable[[], Outcome] = lambda: Delivered(reply=OK, next_hop="mx", dsn_passed_on=True)

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        self.seen += [(route.name, each.forward_path.address.key) for each in deliveries]
        await self.free.wait()
        return {each.number: self.answer() for each in deliveries}


class Events:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.alarms: list[str] = []

    def event(self, name: str, *, alarm: bool = False, **_: Any) -> None:
        self.seen.append(name)
        if alarm:
            self.alarms.append(name)


@dataclass
class Office:
    """A deliverer over the in-memory twins."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FixedClock = field(default_factory=FixedClock)
    events: Events = field(default_factory=Events)
    hop: Hop = field(default_factory=Hop)

    def __post_init__(self) -> None:
        async def nobody(*_: object) -> None:
            return None

        self.live = Live(Settings(hostname="mssgw.test", routes=RouteTable(DOMAINS)), lambda *_: None, nobody)

    def flow(self, **given: Any) -> Flow:
        return assemble(
            validators=MemoryValidators(),
            store=self.store,
            transport=self.hop,
            clock=self.clock,
            telemetry=self.events,
            live=self.live,
            **{"spool": MemorySpool(), **given},
        )

    async def keep(self, *spool_ids: str, recipients: tuple[Address, ...] = (PATIENT,)) -> None:
        for spool_id in spool_ids:
            kept = acceptance(spool_id, self.clock, recipients=recipients)
            head = MessageHead(message_id="<1@chu>")  # an ordinary letter: its sender may be told
            await self.store.accept(replace(kept, facts=replace(kept.facts, head=head)))

    async def keep_asked_about(self, spool_id: str, recipients: tuple[Address, ...] = (PATIENT,)) -> None:
        """A letter whose sender is told of failures and delays, as by default."""
        kept = acceptance(spool_id, self.clock, recipients=recipients)
        paths = [replace(each.forward_path, notify=None) for each in kept.deliveries]
        deliveries = tuple(replace(each, forward_path=path) for each, path in zip(kept.deliveries, paths, strict=True))
        facts = replace(kept.facts, head=MessageHead(message_id="<1@chu>"))
        await self.store.accept(replace(kept, facts=facts, deliveries=deliveries))

    async def states(self) -> list[str]:
        rows = [
            row for state in ("queued", "delivered", "bounced") for row in await self.store.queue(limit=9, state=state)
        ]
        return [f"{row.delivery.spool_id} {row.delivery.state}" for row in rows]


@pytest.fixture
def office() -> Office:
    return Office()


@asynccontextmanager
async def running(flow: Flow) -> AsyncIterator[None]:
    task = asyncio.create_task(flow.deliverer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await flow.deliverer.stop(1.0)


async def until(condition: Callable[[], object], flow: Flow) -> None:
    async with asyncio.timeout(5):
        while not condition():
            flow.deliverer.wake()
            await asyncio.sleep(0)


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


class ByTurns(Hop):
    """Answers one letter for each turn; ``hospital``: a letter came for it."""

    def __init__(self) -> None:
        super().__init__()
        self.turns, self.hospital = asyncio.Semaphore(1), asyncio.Event()

    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        if route is TO_HOSPITAL:
            self.hospital.set()
        await self.turns.acquire()
        return await super().send(route, stored, deliveries)


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


def broken() -> Outcome:
    raise RuntimeError("ours")


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


def away() -> Outcome:
    return Deferred(reply=Reply(451, "4.4.1", "Connexion au serveur suivant impossible"), next_hop="mx", down=True)


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


async def test_a_next_hop_that_is_silent_is_spared_after_its_time_out(office):
    """The pause begins when the attempt ends: connecting to nobody takes as long as the pause itself."""
    await office.keep("FIRST", "SECOND")

    def silent() -> Outcome:
        office.clock.pass_(seconds=40)
        return Deferred(reply=Reply(451, "4.4.1", "Connexion au serveur suivant impossible"), down=True)

    office.hop.answer = silent
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.hop.seen and flow.deliverer.idle, flow)
    assert len(office.hop.seen) == 1


async def attempts(office: Office, *, spool_id: str) -> list[tuple[int, float]]:
    """Of the deliveries of a letter: how often each was tried, and in how many seconds it is due."""
    rows = [row.delivery for row in await office.store.queue(limit=9) if row.delivery.spool_id == spool_id]
    return [(each.attempts, (each.due_at - office.clock.now()).total_seconds()) for each in rows]


async def test_a_letter_that_was_spared_waits_for_the_end_of_the_pause_and_counts_no_attempt(office):
    """Else what is put on the queue just after the next hop is mended waits for an hour, and nobody has tried it."""
    await office.keep("FIRST", "SECOND")
    office.hop.answer = away
    claim, claims = office.store.claim, 0

    async def counted(**given: Any) -> Sequence[Delivery]:
        nonlocal claims
        claims += 1
        return await claim(**given)

    office.store.claim = counted
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.hop.seen and flow.deliverer.idle, flow)
        for _ in range(50):
            flow.deliverer.wake()
            await asyncio.sleep(0)
        assert claims == 1, "within the pause it is left alone"
        assert await attempts(office, spool_id="SECOND") == [(0, 30.0)]
        assert office.events.seen.count("delivery.deferred") == 1
        assert [line.event for line in await office.store.trace(spool_id="SECOND", limit=9)] == ["accepted"]
        office.hop.answer = lambda: Delivered(reply=OK, next_hop="mx")
        office.clock.pass_(seconds=30)
        await until(lambda: "delivery.delivered" in office.events.seen, flow)
    assert "SECOND delivered" in await office.states()


def test_a_long_queue_is_not_claimed_as_a_whole_after_each_pause():
    """200,000 letters that wait for one next hop would keep the store busy with being put back."""
    lane, now = Lane(), FixedClock().now()
    until = now + timedelta(seconds=30)
    lane.spare(until, NO)
    due = [lane.put_off(now) for _ in range(20_000)]
    assert (due[0], due[-1] - until) == (until, 19_999 * PUT_OFF_APART)
    lane.spare(until + timedelta(seconds=30), NO)  # it still does not answer: those behind keep their distance
    assert lane.put_off(now) == due[-1] + PUT_OFF_APART
    lane.go_on()
    lane.spare(until, NO)
    assert lane.put_off(now) == until


class TakesItsTime(Hop):
    async def send(
        self, route: Route, stored: Stored, deliveries: Sequence[Delivery], still_ours: StillOurs = always
    ) -> Mapping[int, Outcome]:
        outcomes = await super().send(route, stored, deliveries)
        await asyncio.sleep(0.02)
        return outcomes


async def test_after_the_pause_one_letter_finds_out_for_all(office):
    """Twenty that wait for a time-out, and the rest behind them in memory, would hold up the mail of other routes."""
    await office.keep(*(f"LETTER{n}" for n in range(9)))
    office.hop = TakesItsTime()
    office.hop.answer = away
    flow = office.flow(per_route=3)
    async with running(flow):
        await until(lambda: office.hop.seen and flow.deliverer.idle, flow)
        assert len(office.hop.seen) == 3, "nobody knew yet"
        for asked in (4, 5):
            office.clock.pass_(seconds=31)
            await until(lambda asked=asked: len(office.hop.seen) == asked and flow.deliverer.idle, flow)
            for _ in range(20):
                flow.deliverer.wake()
                await asyncio.sleep(0)
            assert len(office.hop.seen) == asked
        office.hop.answer = lambda: Delivered(reply=OK, next_hop="mx")
        delivered = partial(office.events.seen.count, "delivery.delivered")
        await until(lambda: flow.deliverer.idle, flow)
        office.clock.pass_(seconds=3600)
        await until(lambda: delivered() and flow.deliverer.idle, flow)
        office.clock.pass_(seconds=3)
        await until(lambda: delivered() >= 9 and flow.deliverer.idle, flow)  # besides, senders are told
    assert await office.store.queue(limit=9) == []
    assert office.events.seen.count("hop.spared") == 1
    assert office.events.seen.count("hop.answers_again") == 1


async def test_a_letter_that_ends_before_the_next_hop_is_asked_tells_nothing_of_it(office):
    """So does one to a patient whom the registry does not know: another one finds out, and soon."""
    await office.keep("FIRST", "SECOND", "THIRD")
    office.hop.answer = away
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.hop.seen and flow.deliverer.idle, flow)
        ends = iter([Bounced(reply=NO)])
        office.hop.answer = lambda: next(ends, Delivered(reply=OK, next_hop="mx"))
        office.clock.pass_(seconds=30.1)
        await until(lambda: "hop.answers_again" in office.events.seen, flow)
    assert office.events.seen.index("delivery.bounced") < office.events.seen.index("hop.answers_again")


async def test_a_next_hop_that_takes_only_so_many_connections_is_not_spared(office):
    """It tells the others to come later: what waits behind them goes on over those that it takes."""
    await office.keep(*(f"LETTER{n}" for n in range(9)))
    answers = itertools.cycle([Delivered(reply=OK, next_hop="mx"), away(), Delivered(reply=OK, next_hop="mx")])
    office.hop.answer = lambda: next(answers)
    flow = office.flow(per_route=3)
    async with running(flow):
        await until(lambda: len(office.hop.seen) >= 9 and flow.deliverer.idle, flow)
    assert [route for route, _ in office.hop.seen].count("patients") == 9, "each was tried, without a pause"
    assert "hop.spared" not in office.events.seen


async def test_what_is_put_off_says_why_and_is_not_read(office):
    """An administrator sees it in the queue; its file on disk would be read for nothing."""
    await office.keep("FIRST", "SECOND")
    office.hop.answer = away
    load, read = office.store.load, []

    async def noted(spool_id: str) -> Stored:
        read.append(spool_id)
        return await load(spool_id)

    office.store.load = noted
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.hop.seen and flow.deliverer.idle, flow)
        rows = {row.delivery.spool_id: row.delivery for row in await office.store.queue(limit=9)}
    (first,) = read
    assert {each.last_reply.status for each in rows.values()} == {"4.4.1"}
    assert sorted(each.attempts for each in rows.values()) == [0, 1]
    assert rows[first].attempts == 1


async def test_a_next_hop_that_keeps_everybody_waiting_does_not_hold_up_others(office, monkeypatch):
    """It takes connections and says nothing: the letters behind the first ones give their places in memory back."""
    await office.keep(*(f"LETTER{n}" for n in range(5)))
    office.hop = ByTurns()
    office.hop.turns = asyncio.Semaphore(0)
    monkeypatch.setattr(lanes, "STANDS_STILL", 0.05)
    flow = office.flow(per_route=2)
    flow.deliverer._lanes._backlog = 4
    async with running(flow):
        await until(lambda: not flow.deliverer._lanes.room, flow)
        office.clock.pass_(seconds=1)
        await office.keep("OTHER", recipients=(DOCTOR,))
        await until(office.hop.hospital.is_set, flow)
        waiting = [row.delivery for row in await office.store.queue(limit=9)]
        assert flow.deliverer._lanes.count == 3, "two that are being tried, and the other"
        assert sorted(each.due_at > office.clock.now() for each in waiting) == [False] * 3 + [True] * 3
        office.hop.turns = asyncio.Semaphore(9)


async def test_a_sender_who_is_due_a_word_hears_it_even_while_the_next_hop_is_spared(office):
    """Its delay is told in time, and its end, without another look at a next hop that was away a moment ago."""
    await office.keep_asked_about("FIRST")
    await office.keep_asked_about("SECOND")
    office.clock.pass_(hours=5)
    office.hop.answer = away
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.events.seen.count("notice.sent") == 2, flow)
        assert [route for route, _ in office.hop.seen].count("patients") == 1
        office.clock.pass_(hours=48)
        await until(lambda: office.events.seen.count("delivery.bounced") == 2, flow)
    assert await attempts(office, spool_id="SECOND") == []


async def test_what_a_next_hop_says_of_one_letter_is_never_said_of_another(office):
    """A relay that cannot reach a server behind it says 4.4.1 too, and quotes the patient."""
    other = Address.parse("146026322000196@patient.mssante.fr")
    await office.keep("FIRST")
    await office.keep("SECOND", recipients=(other,))
    words = iter([f"<{PATIENT.text}>: timed out", f"<{other.text}>: timed out"])
    office.hop.answer = lambda: Deferred(reply=Reply(451, "4.4.1", next(words)), next_hop="mx")
    flow = office.flow(per_route=1)
    async with running(flow):
        await until(lambda: office.events.seen.count("delivery.deferred") == 2, flow)
    rows = await office.store.queue(limit=9)
    assert len(rows) == 2
    for row in rows:
        assert row.delivery.forward_path.address.text in row.delivery.last_reply.text


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
