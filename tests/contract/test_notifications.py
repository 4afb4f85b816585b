"""The contract of ports.NotificationQueue, for every store: who is to be told that letters wait."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.notifying import Notification
from tests.contract.conftest import OpenPlace
from tests.contract.letters import DOCTOR, Place, settlement

OFFICINE = Address.parse("officine@pharma-exemple.mssante.fr")
EVERY = timedelta(minutes=5)


async def deliver(place: Place, name: str, mailbox: Address = OFFICINE, *, token: str = "node.1") -> bool:
    """A letter, delivered: somebody is to be told of it, if the outcome counts."""
    lease = place.lease()
    kept = await place.keep(name, lease=lease)
    given = settlement(kept.deliveries[0], place.lease(token))
    waits = Notification(mailbox=mailbox, waiting=1, since=place.clock.now())
    (counts,) = await place.store.settle([replace(given, notify=waits)])
    return counts


def queue(place: Place) -> Any:
    return place.store


async def take(place: Place, limit: int = 10) -> list[Notification]:
    now = place.clock.now()
    return list(await queue(place).take_notifications(now=now, until=now + timedelta(minutes=5), limit=limit))


async def next_at(place: Place) -> datetime | None:
    found: datetime | None = await queue(place).next_notification()
    return found


async def test_a_delivery_that_counts_is_to_be_told_at_once(place: Place) -> None:
    assert await next_at(place) is None
    assert await deliver(place, "A")
    assert await next_at(place) == place.clock.now()
    assert await take(place) == [Notification(mailbox=OFFICINE, waiting=1, since=place.clock.now())]


async def test_an_outcome_that_does_not_count_tells_nobody(place: Place) -> None:
    """Its lease had passed to somebody else, who delivers the letter and tells of it."""
    assert not await deliver(place, "A", token="another.1")
    assert await next_at(place) is None


async def test_letters_that_follow_are_told_together(place: Place) -> None:
    since = place.clock.now()
    for name in "ABC":
        await deliver(place, name)
        place.clock.pass_(seconds=1)
    assert await next_at(place) == since
    assert await take(place) == [Notification(mailbox=OFFICINE, waiting=3, since=since)]


async def test_what_is_taken_is_nobody_elses_until_then_and_is_taken_again_if_its_taker_died(place: Place) -> None:
    await deliver(place, "A")
    assert len(await take(place)) == 1
    assert await take(place) == []
    place.clock.pass_(minutes=5)
    assert len(await take(place)) == 1


async def test_a_mailbox_that_was_told_has_peace_for_a_while(place: Place) -> None:
    await deliver(place, "A")
    (told,) = await take(place)
    await queue(place).notified(told, next_at=place.clock.now() + EVERY)
    assert await next_at(place) is None
    place.clock.pass_(minutes=1)
    await deliver(place, "B")
    await deliver(place, "C")
    due = place.clock.now() + timedelta(minutes=4)
    assert await next_at(place) == due
    assert await take(place) == []
    place.clock.pass_(minutes=4)
    (again,) = await take(place)
    assert (again.waiting, again.attempts) == (2, 0)


async def test_a_letter_that_comes_while_it_is_being_told_is_told_next_time(place: Place) -> None:
    await deliver(place, "A")
    (told,) = await take(place)
    await deliver(place, "B")
    await queue(place).notified(told, next_at=place.clock.now() + EVERY)
    assert await next_at(place) == place.clock.now() + EVERY
    place.clock.pass_(minutes=5)
    assert [each.waiting for each in await take(place)] == [1]


async def test_after_long_peace_the_next_letter_is_told_at_once(place: Place) -> None:
    await deliver(place, "A")
    (told,) = await take(place)
    await queue(place).notified(told, next_at=place.clock.now() + EVERY)
    place.clock.pass_(days=1)
    await deliver(place, "B")
    assert await take(place) == [Notification(mailbox=OFFICINE, waiting=1, since=place.clock.now())]


async def test_what_failed_is_due_later_and_remembers_how_often(place: Place) -> None:
    since = place.clock.now()
    await deliver(place, "A")
    (failed,) = await take(place)
    await queue(place).notify_later(failed, due_at=since + timedelta(minutes=1))
    await deliver(place, "B")
    assert await next_at(place) == since + timedelta(minutes=1), "a new letter does not hurry a server that is down"
    place.clock.pass_(minutes=1)
    assert await take(place) == [Notification(mailbox=OFFICINE, waiting=2, since=since, attempts=1)]


async def test_each_mailbox_is_told_by_itself_and_no_more_are_taken_than_asked(place: Place) -> None:
    await deliver(place, "A")
    place.clock.pass_(seconds=1)
    await deliver(place, "B", DOCTOR)
    assert [each.mailbox for each in await take(place, limit=1)] == [OFFICINE]
    assert [each.mailbox for each in await take(place)] == [DOCTOR]


async def test_a_restart_forgets_nobody(open_sql: OpenPlace) -> None:
    """Neither who waits to be told, nor who was told just now, nor that it failed before."""
    async with open_sql() as place:
        await deliver(place, "A")
        await deliver(place, "B", DOCTOR)
        told, failed = sorted(await take(place), key=lambda each: each.mailbox != OFFICINE)  # they come in any order
        await queue(place).notified(told, next_at=place.clock.now() + EVERY)
        await queue(place).notify_later(failed, due_at=place.clock.now())
        await deliver(place, "C")
    async with open_sql() as place:
        (again,) = await take(place)
        assert (again.mailbox, again.waiting, again.attempts) == (failed.mailbox, 1, 1)
        place.clock.pass_(minutes=5)
        assert {each.mailbox for each in await take(place)} == {OFFICINE, DOCTOR}
