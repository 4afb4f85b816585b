"""What the deliverer promises of a next hop that does not answer: it is spared, and holds up nobody else."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.edges.clock import FixedClock
from mssgw.flow import lanes
from mssgw.flow.lanes import PUT_OFF_APART, Lane
from mssgw.ports import StillOurs, Stored, always
from tests.contract.letters import PATIENT
from tests.unit.flow.delivering.office import (
    DOCTOR,
    NO,
    OK,
    ByTurns,
    Hop,
    Office,
    away,
    running,
    until,
)


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
