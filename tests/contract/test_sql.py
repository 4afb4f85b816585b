"""What both databases promise beyond the contract: keys, several processes, commits that outlive who waited."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, event

from mssgw.core.errors import CommitInDoubt, StoreFull, StoreUnavailable, Undecryptable
from mssgw.edges.sql import forgetting
from tests.contract.conftest import NEW_KEY, OpenPlace
from tests.contract.letters import DOCTOR, PDF, Place, acceptance, letter, settlement


async def test_another_master_key_is_recognised_at_start(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        await place.keep("A")
    with pytest.raises(Undecryptable, match="master key"):
        async with open_sql(NEW_KEY):
            pass
    async with open_sql() as place:
        assert (await place.store.load("A")).body.inline == PDF


async def test_a_process_with_the_old_key_stops_instead_of_harming(open_sql: OpenPlace) -> None:
    """After another process rotated the key nothing is kept under the old one, and no letter is taken for damaged."""
    async with open_sql() as daemon, open_sql() as command:
        await daemon.keep("A")
        await command.desk.rotate(NEW_KEY)
        with pytest.raises(StoreUnavailable, match="rotated"):
            await daemon.keep("B")
        with pytest.raises(StoreUnavailable, match="rotated"):
            await daemon.store.load("A")
        with pytest.raises(StoreUnavailable, match="rotated"):
            await daemon.store.claim(now=daemon.clock.now(), lease=daemon.lease(), limit=9)
        assert [row.held_because for row in await command.desk.queue(limit=9)] == [""]


async def test_a_rotation_that_is_done_is_no_failure_though_the_old_keys_could_not_be_scrubbed(
    open_sql: OpenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told that it failed, an administrator would throw the new key away, and every letter with it."""

    def full(connection: Connection) -> bool:
        raise StoreFull("the disk of the database is full")

    async with open_sql() as place:
        await place.keep("A")
        monkeypatch.setattr(place.store._session.database, "scrub", full)  # type: ignore[attr-defined]
        assert await place.desk.rotate(NEW_KEY) == 1
    async with open_sql(NEW_KEY) as place:
        assert (await place.store.load("A")).body.inline == PDF


async def test_a_rotation_in_doubt_asks_to_keep_both_keys(open_sql: OpenPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to COMMIT was lost: either may be the store's."""
    async with open_sql() as place:
        session = place.store._session  # type: ignore[attr-defined]

        def lost(connection: Connection) -> None:
            raise session.database.errors[-1]

        monkeypatch.setattr(session.database, "bury", lost)
        event.listen(session.writer._engine, "commit", lost, once=True)
        with pytest.raises(CommitInDoubt, match="keep both"):
            await place.desk.rotate(NEW_KEY)


async def test_a_spool_id_that_exists_is_refused_and_its_letter_untouched(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        first = await place.keep("A")
        with pytest.raises(StoreUnavailable):
            await place.keep("A")
        assert (await place.store.load("A")).body == first.body


async def test_several_processes_share_the_queue(open_sql: OpenPlace) -> None:
    """Connections that accept, claim and settle at the same time: every delivery is claimed once, nothing is lost."""
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(open_sql()) for _ in range(3)]

        async def accept(place: Place, name: int) -> None:
            await asyncio.gather(*(place.keep(f"P{name}N{number}") for number in range(20)))

        async def work_off(place: Place, name: int) -> list[str]:
            lease, done = place.lease(f"n{name}.1"), list[str]()
            while claimed := await place.store.claim(now=place.clock.now(), lease=lease, limit=5):
                assert all(await place.store.settle([settlement(delivery, lease) for delivery in claimed]))
                done += [delivery.spool_id for delivery in claimed]
            return done

        await asyncio.gather(*(accept(place, name) for name, place in enumerate(places)))
        done = await asyncio.gather(*(work_off(place, name) for name, place in enumerate(places)))
        everything = sorted(spool_id for some in done for spool_id in some)
        assert everything == sorted(f"P{name}N{number}" for name in range(3) for number in range(20))


async def test_whoever_stops_waiting_does_not_undo_a_commit(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        waiting = asyncio.create_task(place.store.accept(acceptance("A", place.clock)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await place.keep("B")
        assert (await place.store.load("A")).body.inline == PDF


async def test_letters_are_forgotten_some_at_a_time(open_sql: OpenPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends a statement after half a minute: of a region's letters of a year none could look at all."""
    monkeypatch.setattr(forgetting, "_SPAN", 3)
    async with open_sql() as place:
        for number in range(8):
            await place.keep(f"OLD{number}", letters=(letter(f"<{number}>"),))
        limit = place.clock.pass_(days=1)
        await place.keep("NEW", letters=(letter("<new>", receipt_to=(DOCTOR.key,)),))
        surveyor, seen = place.store._session.surveyor, []
        ask = surveyor.ask

        async def asked(what: Any) -> Any:
            seen.append(await ask(what))
            return seen[-1]

        monkeypatch.setattr(surveyor, "ask", asked)
        assert await place.store.forget(before=limit) >= 8
        assert max(len(found) for found in seen) <= 3
        assert await place.store.forget(before=limit) == 0
        assert (await place.known(receipt_for="<new>")).receipt_due
        assert await place.store.forget(before=place.clock.pass_(days=1)) >= 1
        assert await place.store.forget(before=place.clock.now()) == 0, "nothing is left to look at"


async def test_a_closed_store_refuses(open_sql: OpenPlace) -> None:
    async with open_sql() as place:
        await place.keep("A")
    with pytest.raises(StoreUnavailable):
        await place.keep("B")
