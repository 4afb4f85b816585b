"""Leases are renewed while their letters wait, and trusted only while that works."""

import asyncio
from types import SimpleNamespace

import pytest

from mssgw.app.telemetry.events import Silence
from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import FixedClock
from mssgw.edges.memory import MemoryStore
from mssgw.flow import leases
from mssgw.flow.leases import LEASE, RENEWALS, Leases
from tests.contract.letters import acceptance

RENEW_EVERY = LEASE / RENEWALS


class Place:
    """Leases over the twin of a store."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), FixedClock()
        self.leases = Leases(store=self.store, clock=self.clock, telemetry=Silence(), node="a")

    async def others_can_claim(self) -> bool:
        lease = Leases(store=self.store, clock=self.clock, telemetry=Silence(), node="b").new()
        return bool(await self.store.claim(now=self.clock.now(), lease=lease, limit=1))


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_letter_that_waits_long_stays_ours_as_long_as_leases_are_renewed(place):
    lease = place.leases.new()
    await place.store.accept(acceptance("A", place.clock, lease=lease))
    place.leases.hold(lease)
    for _ in range(20):
        place.clock.at += RENEW_EVERY
        await place.leases.renew()
        assert place.leases.is_sure(lease)
        assert not await place.others_can_claim()
    place.clock.at += LEASE
    assert await place.others_can_claim()


async def test_no_attempt_begins_once_renewing_has_failed_for_most_of_the_lease(place, monkeypatch):
    lease = place.leases.new()
    await place.store.accept(acceptance("A", place.clock, lease=lease))
    place.leases.hold(lease)

    async def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(place.store, "renew", away)
    place.clock.at += LEASE - RENEW_EVERY
    with pytest.raises(StoreUnavailable):
        await place.leases.renew()
    assert place.leases.is_sure(lease)
    place.clock.pass_(milliseconds=1)
    assert not place.leases.is_sure(lease)
    assert not await place.others_can_claim(), "there is a margin between the two"


async def test_a_lease_that_lapsed_is_never_sure_again(place):
    """Whoever claimed its letters meanwhile sends them, also when the store answers us again."""
    lease = place.leases.new()
    await place.store.accept(acceptance("A", place.clock, lease=lease))
    place.leases.hold(lease)
    place.clock.at += LEASE
    assert await place.others_can_claim()
    await place.leases.renew()
    assert not place.leases.is_sure(lease)


async def test_an_attempt_may_end_until_its_lease_lapses(place):
    """To begin one takes more: an attempt that is about to be made may take as long as a renewal is away."""
    lease = place.leases.new()
    place.leases.hold(lease)
    place.clock.at += LEASE - RENEW_EVERY / 2
    assert place.leases.lasts(lease)
    assert not place.leases.is_sure(lease)
    place.clock.at += RENEW_EVERY / 2
    assert not place.leases.lasts(lease)
    await place.leases.renew()
    assert not place.leases.lasts(lease), "somebody else may have claimed its letters meanwhile"


async def test_nor_is_one_that_lapsed_while_the_store_was_asked(place, monkeypatch):
    lease = place.leases.new()
    await place.store.accept(acceptance("A", place.clock, lease=lease))
    place.leases.hold(lease)
    renew = place.store.renew

    async def slowly(*asked):
        place.clock.at += LEASE * 0.3
        assert await place.others_can_claim()
        await renew(*asked)

    monkeypatch.setattr(place.store, "renew", slowly)
    place.clock.at += LEASE * 0.75
    await place.leases.renew()
    assert not place.leases.is_sure(lease)


async def test_after_a_suspension_of_the_machine_leases_are_renewed_at_once(place, monkeypatch):
    """Sleeps go on where they stood, while leases lapsed: the other workers of the machine wait for that."""
    time, renewals = SimpleNamespace(now=1000.0), []
    renew = place.store.renew

    async def counted(*asked):
        renewals.append(time.now)
        await renew(*asked)

    monkeypatch.setattr(place.store, "renew", counted)
    monkeypatch.setattr(leases, "since_boot", lambda: time.now)
    monkeypatch.setattr(leases, "AGAIN", 0.001)
    keeping = asyncio.create_task(place.leases.keep())
    await asyncio.sleep(0.02)
    assert renewals == [1000.0]
    time.now += 3600
    await asyncio.sleep(0.02)
    keeping.cancel()
    assert renewals == [1000.0, 4600.0]


async def test_a_lease_under_which_nothing_waits_is_left_to_lapse(place):
    lease = place.leases.new()
    await place.store.accept(acceptance("A", place.clock, lease=lease))
    place.leases.hold(lease)
    place.leases.hold(lease)
    place.leases.drop(lease)
    place.clock.at += RENEW_EVERY
    await place.leases.renew()
    place.leases.drop(lease)
    place.clock.at += LEASE - RENEW_EVERY
    await place.leases.renew()
    assert not await place.others_can_claim(), "the renewal before still holds"
    place.clock.at += RENEW_EVERY
    assert await place.others_can_claim()


async def test_after_an_outage_nothing_is_claimed_before_others_had_time_to_renew(place, monkeypatch):
    """Else letters that are being sent would look lapsed, and be sent by two: by ourselves, if nobody else is there."""
    time = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(leases, "since_boot", lambda: time.now)
    kept = Leases(store=place.store, clock=place.clock, telemetry=Silence(), node="a")
    for _ in range(3):
        time.now += RENEW_EVERY.total_seconds()
        await kept.renew()
        assert kept.are_kept(5.0)
    time.now += 80.0  # somebody else holds the database
    assert not kept.are_kept(5.0)
    await kept.renew()
    assert not kept.are_kept(5.0)
    time.now += 5.0
    assert kept.are_kept(5.0)
