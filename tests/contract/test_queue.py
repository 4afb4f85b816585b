"""The contract of ports.Store, for every store: deliveries, and the leases they are sent under."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from mssgw.core.addresses import Address
from mssgw.core.delivery import State
from mssgw.core.journal import Entry, JournalEvent
from tests.contract.letters import (
    DOCTOR,
    PATIENT,
    Place,
    deferral,
    settlement,
)

ELSEWHERE = Address.parse("accueil@clinique-exemple.mssante.fr")


async def test_a_letter_accepted_under_a_lease_is_nobody_elses(place: Place) -> None:
    lease = place.lease(minutes=10)
    await place.keep("A", lease=lease)
    assert not await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)
    assert await place.store.next_due() == lease.until
    claimed = await place.store.claim(now=place.clock.pass_(minutes=10), lease=place.lease("node.2"), limit=9)
    assert [delivery.spool_id for delivery in claimed] == ["A"]


async def test_claim_takes_the_oldest_due_and_no_more_than_asked(place: Place) -> None:
    for name in "CAB":
        await place.keep(name, recipients=(PATIENT, DOCTOR))
        place.clock.pass_(minutes=1)
    await place.keep("held", held=True)
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease(), limit=4)
    assert [delivery.spool_id for delivery in claimed] == ["C", "C", "A", "A"]
    assert {delivery.number for delivery in claimed} == {0, 1}
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)
    assert [delivery.spool_id for delivery in claimed] == ["B", "B"]


async def test_what_waits_for_one_domain_is_claimed_beside_what_waits_for_others(place: Place) -> None:
    """However long that is, and however much earlier it was due."""
    for name in ("1", "2", "3"):
        await place.keep(f"slow{name}")
    place.clock.pass_(minutes=1)
    for name in ("a", "b"):
        await place.keep(name, recipients=(DOCTOR, PATIENT))
    claim = partial(place.store.claim_for, [DOCTOR.domain, "nobody.example"], now=place.clock.now(), limit=9)
    claimed = await claim(lease=place.lease())
    assert [(delivery.spool_id, delivery.number) for delivery in claimed] == [("a", 0), ("b", 0)]
    assert not await claim(lease=place.lease("node.2")), "they are the first one's now"
    rest = await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)
    assert {delivery.domain for delivery in rest} == {PATIENT.domain}
    assert all(await place.store.settle([settlement(each, place.lease()) for each in claimed]))


async def test_of_each_domain_as_many_are_claimed_as_asked_those_that_were_due_first(place: Place) -> None:
    for name in "CABD":
        await place.keep(name, recipients=(PATIENT, DOCTOR))
        place.clock.pass_(minutes=1)
    domains = [DOCTOR.domain, PATIENT.domain]
    claimed = await place.store.claim_for(domains, now=place.clock.now(), lease=place.lease(), limit=2)
    assert [delivery.spool_id for delivery in claimed] == ["C", "C", "A", "A"]
    assert sorted(delivery.number for delivery in claimed) == [0, 0, 1, 1]


async def test_what_was_held_until_now_is_claimed_beside_the_rest_unless_it_is_not_to_be(place: Place) -> None:
    await place.keep("lapsed", recipients=(DOCTOR,), lease=place.lease(minutes=1))
    await place.keep("held on", recipients=(DOCTOR,), lease=place.lease("node.2", minutes=9))
    place.clock.pass_(minutes=2)
    await place.keep("free", recipients=(DOCTOR,))
    claim = partial(place.store.claim_for, [DOCTOR.domain], now=place.clock.now(), lease=place.lease("node.3"))
    assert [each.spool_id for each in await claim(limit=1)] == ["lapsed"], "it was due first"
    await place.store.free_node("node")
    claimed = await claim(limit=9, lapsed=False)
    assert sorted(each.spool_id for each in claimed) == ["free", "held on", "lapsed"]


async def test_the_domains_of_what_is_due_and_free_are_known(place: Place) -> None:
    """Each once, that of the oldest first; not of what is leased, held, or due later."""
    ask = partial(place.store.domains_due, now=place.clock.now())
    assert list(await ask()) == []
    for number in range(3):
        await place.keep(f"patient{number}")
    await place.keep("doctor", recipients=(DOCTOR,), lease=(lease := place.lease(minutes=5)))
    await place.keep("held", recipients=(ELSEWHERE,), held=True)
    assert list(await ask()) == [PATIENT.domain]
    (patients,) = await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=1)
    for each in await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9):
        assert all(await place.store.settle([deferral(each, place.lease("node.2"), minutes=9)]))
    assert list(await ask()) == []
    later = place.clock.pass_(minutes=6)
    assert list(await ask(now=later)) == [DOCTOR.domain], "its lease lapsed"
    assert list(await ask(now=later, lapsed=False)) == []
    assert all(await place.store.settle([deferral(patients, place.lease("node.2"), minutes=-1)]))
    assert list(await ask(now=later)) == [PATIENT.domain, DOCTOR.domain]
    await place.store.renew([lease.token], place.lease(minutes=9).until)
    assert list(await ask(now=later)) == [PATIENT.domain]
    assert sorted(await ask(now=place.clock.pass_(minutes=9))) == sorted([PATIENT.domain, DOCTOR.domain])


async def test_lapsed_leases_come_in_the_order_of_their_due_times(place: Place) -> None:
    await place.keep("old", lease=place.lease(minutes=1))
    place.clock.pass_(minutes=2)
    await place.keep("new")
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=1)
    assert [delivery.spool_id for delivery in claimed] == ["old"]


async def test_a_deferred_delivery_is_due_again_in_its_time(place: Place) -> None:
    kept = await place.keep("A", lease=(lease := place.lease()))
    tried = deferral(kept.deliveries[0], lease, minutes=5)
    assert list(await place.store.settle([tried])) == [True]
    assert await place.store.next_due() == tried.after.due_at
    assert not await place.store.claim(now=place.clock.pass_(minutes=4), lease=lease, limit=9)
    assert list(await place.store.claim(now=place.clock.pass_(minutes=1), lease=lease, limit=9)) == [tried.after]


async def test_a_delivery_that_is_given_back_is_anybodys_and_as_it_was(place: Place) -> None:
    await place.keep("A")
    (claimed,) = await place.store.claim(now=place.clock.now(), lease=(lease := place.lease()), limit=9)
    assert list(await place.store.settle([replace(settlement(claimed, lease), after=claimed, entries=())])) == [True]
    assert list(await place.store.claim(now=place.clock.now(), lease=place.lease("node.2"), limit=9)) == [claimed]
    assert claimed.last_reply is None


async def test_settling_is_fenced_by_the_lease(place: Place) -> None:
    """Who lost his lease to another changes nothing, and does not undo what others settle at the same time."""
    late = await place.keep("A", lease=place.lease("node.1", minutes=1))
    fine = await place.keep("B", lease=place.lease("node.1", minutes=60))
    assert late.lease is not None
    assert fine.lease is not None
    new_lease = place.lease("node.2", minutes=60)
    (taken,) = await place.store.claim(now=place.clock.pass_(minutes=2), lease=new_lease, limit=9)
    results = await place.store.settle(
        [settlement(late.deliveries[0], late.lease), settlement(fine.deliveries[0], fine.lease)]
    )
    assert list(results) == [False, True]
    assert "delivered" not in await place.events("A")
    assert "delivered" in await place.events("B")
    assert list(await place.store.settle([settlement(taken, new_lease)])) == [True]
    assert list(await place.store.settle([settlement(taken, new_lease)])) == [False], "an outcome counts once"


async def test_what_others_held_until_now_is_left_to_them_when_asked(place: Place) -> None:
    """After an outage they may have sent it, and have yet to say so."""
    await place.keep("HELD", lease=place.lease())
    place.clock.pass_(hours=1)
    await place.keep("FREE")
    claim = partial(place.store.claim, now=place.clock.now(), limit=9)
    assert [each.spool_id for each in await claim(lease=place.lease("node.2"), lapsed=False)] == ["FREE"]
    assert [each.spool_id for each in await claim(lease=place.lease("node.3"))] == ["HELD"]


async def test_a_lease_that_lapsed_but_passed_to_nobody_still_counts(place: Place) -> None:
    kept = await place.keep("A", lease=(lease := place.lease(minutes=1)))
    place.clock.pass_(minutes=5)
    assert list(await place.store.settle([settlement(kept.deliveries[0], lease)])) == [True]


async def test_a_node_gives_back_its_own_leases_and_nobody_elses(place: Place) -> None:
    for number, token in enumerate(("node.1", "node.2", "node2.1", "other.1", "node.example.1")):
        await place.keep(f"A{number}", lease=place.lease(token))
    assert not await place.store.claim(now=place.clock.now(), lease=place.lease("x.1"), limit=9)
    await place.store.free_node("node")
    claimed = await place.store.claim(now=place.clock.now(), lease=place.lease("x.2"), limit=9)
    assert {delivery.spool_id for delivery in claimed} == {"A0", "A1"}


async def test_a_renewed_lease_keeps_others_away_until_it_lapses(place: Place) -> None:
    await place.keep("A", lease=place.lease("node.1", minutes=1))
    await place.keep("B", lease=place.lease("node.2", minutes=1))
    place.clock.pass_(seconds=50)
    await place.store.renew(["node.1", "node.unknown"], place.clock.now() + timedelta(minutes=1))
    now = place.clock.pass_(seconds=50)
    (taken,) = await place.store.claim(now=now, lease=place.lease("x.1"), limit=9)
    assert taken.spool_id == "B"
    now = place.clock.pass_(seconds=20)
    (taken,) = await place.store.claim(now=now, lease=place.lease("x.2"), limit=9)
    assert taken.spool_id == "A"
    await place.store.renew([], now)


async def test_renewing_revives_no_lease_that_passed_to_somebody_else(place: Place) -> None:
    kept = await place.keep("A", lease=(lost := place.lease("node.1", minutes=1)))
    now = place.clock.pass_(minutes=2)
    await place.store.claim(now=now, lease=place.lease("x.1"), limit=9)
    await place.store.renew(["node.1"], now + timedelta(minutes=9))
    assert list(await place.store.settle([settlement(kept.deliveries[0], lost)])) == [False]


async def test_a_message_set_aside_is_held_with_its_reason(place: Place) -> None:
    await place.keep("A", recipients=(PATIENT, DOCTOR), lease=place.lease())
    entry = Entry(at=place.clock.now(), event=JournalEvent.HELD, spool_id="A", detail="unreadable")
    await place.store.set_aside("A", entry)
    rows = await place.desk.queue(limit=9)
    assert [(row.delivery.state, row.held_because, row.leased) for row in rows] == [
        (State.HELD, "unreadable", False)
    ] * 2
    assert await place.store.next_due() is None
    assert (await place.events("A"))[-1] == "held"
