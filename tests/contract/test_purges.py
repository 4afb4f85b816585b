"""The contract of ports.Purges, for every store: which letters' end was announced in which folder."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.retention import Announced
from tests.contract.conftest import OpenPlace
from tests.contract.letters import DOCTOR, SECRETARIAT, Place


def an_announcement(place: Place, **other: Any) -> Announced:
    now = place.clock.now()
    first = Announced(
        mailbox=DOCTOR,
        folder="INBOX",
        uid_validity=4_294_967_295,
        uids=frozenset({3, 4, 5, 12, 4_294_967_295}),
        before=now - timedelta(days=76),
        due_at=now + timedelta(days=14),
    )
    return replace(first, **other)


def a_line(place: Place) -> Entry:
    return Entry(at=place.clock.now(), event=JournalEvent.ANNOUNCED, recipient=DOCTOR, detail="11 due 2026-03-15")


async def announce(place: Place, *announced: Announced) -> None:
    purges: Any = place.store
    await purges.announce(announced, a_line(place))


async def announced(place: Place, folder: str = "INBOX", mailbox: Any = DOCTOR) -> Announced | None:
    purges: Any = place.store
    found: Announced | None = await purges.announced(mailbox, folder)
    return found


async def test_an_announcement_stands_for_its_folder(place: Place) -> None:
    one, aside = an_announcement(place), an_announcement(place, folder="Intégrés")
    await announce(place, one, aside)
    assert await announced(place) == one
    assert await announced(place, "Intégrés") == aside
    assert await announced(place, "Archives") is None
    assert await announced(place, mailbox=SECRETARIAT) is None


async def test_the_journal_tells_of_it(place: Place) -> None:
    await announce(place, an_announcement(place))
    (line,) = await place.desk.trace(address=DOCTOR, limit=10)
    assert (line.event, line.detail) == (JournalEvent.ANNOUNCED, "11 due 2026-03-15")


async def test_a_later_one_takes_its_place(place: Place) -> None:
    await announce(place, an_announcement(place))
    later = an_announcement(place, uids=frozenset({20}))
    await announce(place, later)
    assert await announced(place) == later


async def test_one_that_is_called_off_is_gone_and_no_other(place: Place) -> None:
    one, aside = an_announcement(place), an_announcement(place, folder="Integres")
    await announce(place, one, aside)
    purges: Any = place.store
    await purges.call_off(one)
    assert (await announced(place), await announced(place, "Integres")) == (None, aside)


async def test_it_outlives_the_process(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        one = an_announcement(place)
        await announce(place, one)
    async with open_sql() as place:
        assert await announced(place) == one
