"""A mailbox elsewhere that cannot be opened, is lost or lies; and whose turn it is to collect."""

import asyncio

import pytest

from mssgw.edges.memory.mailbox import MemoryMailbox
from mssgw.flow.mailbox_gate import SHUT, Pause
from mssgw.ports import Acceptance
from mssgw.ports.mailbox import MailboxLost, MailboxRefused
from tests.collecting import LOGIN, Bal, letter
from tests.unit.flow.collecting.conftest import Make, accepted


def commits_held_up(bal: Bal, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Set when one has begun; and to be set, that they go on."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    real = bal.world.store.accept

    async def slow(acceptance: Acceptance) -> None:
        begun.set()
        await go_on.wait()
        await real(acceptance)

    monkeypatch.setattr(bal.world.store, "accept", slow, raising=False)
    return begun, go_on


class TestTrouble:
    async def test_a_refused_login_is_an_alarm_and_is_not_repeated_soon(self, bal: Bal) -> None:
        """Five minutes at first, up to an hour: no account gets locked by us."""
        tries = []
        real = bal.store.open

        def counted(account):  # type: ignore[no-untyped-def]
            tries.append(account)
            return real(account)

        bal.store.open = counted  # type: ignore[method-assign]
        bal.box.password = "another"
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.login_refused"))
            bal.box.password = "mot de passe"
            await asyncio.sleep(0.05)
        assert len(tries) == 1
        (told,) = bal.events("collector.login_refused")
        assert told["alarm"]
        assert 240 <= told["again_in"] <= 360
        assert LOGIN not in str(told)

    async def test_the_pauses_grow_up_to_an_hour(self, bal: Bal) -> None:
        pause = Pause()
        spans = [pause.next(SHUT) for _ in range(40)]
        assert all(240 * 2**n <= spans[n] <= 360 * 2**n for n in range(3))
        assert all(2_880 <= span <= 4_320 for span in spans[4:])

    async def test_a_lost_connection_is_an_alarm_only_when_it_lasts(self, bal: Bal) -> None:
        bal.store.down = True
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.unreachable"))
        assert [each["alarm"] for each in bal.events("collector.unreachable")] == [False]

    async def test_a_missing_folder_is_an_alarm(self, bal: Bal) -> None:
        del bal.store.boxes[LOGIN].folders["INBOX"]
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.folder_missing"))
        assert bal.events("collector.folder_missing")[0]["alarm"]

    async def test_a_session_that_ends_in_the_middle_of_a_letter_keeps_nothing_of_it(
        self, bal: Bal, monkeypatch
    ) -> None:
        async def half(self: MemoryMailbox, uid: int):  # type: ignore[no-untyped-def]
            yield letter(1)[:60]
            raise MailboxLost("memory: gone")

        real = MemoryMailbox.fetch
        monkeypatch.setattr(MemoryMailbox, "fetch", half)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.unreachable"))
        assert bal.arrived == []
        monkeypatch.setattr(MemoryMailbox, "fetch", real)
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)

    async def test_a_letter_that_somebody_takes_away_meanwhile_is_no_trouble(self, bal: Bal, monkeypatch) -> None:
        real = MemoryMailbox.search

        async def stale(self: MemoryMailbox, **asked: object):  # type: ignore[no-untyped-def]
            found = await real(self, **asked)  # type: ignore[arg-type]
            return [*found, 999] if found else found

        monkeypatch.setattr(MemoryMailbox, "search", stale)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.flags() == [{"$MssgwCollected"}])
        assert not [name for name, fields in bal.world.events.seen if fields.get("alarm")]

    async def test_marks_that_are_refused_are_told_once_and_nothing_is_taken_twice(self, bal: Bal, monkeypatch) -> None:
        async def refuses(*_: object, **__: object) -> None:
            raise MailboxRefused("memory: NO")

        monkeypatch.setattr(MemoryMailbox, "mark", refuses)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
            for _ in range(3):
                await bal.looked()
        assert len(bal.events("collector.not_marked")) == 1
        assert bal.totals()["collected"] == 1

    async def test_a_defect_of_ours_in_one_letter_does_not_stop_the_others(self, bal: Bal, monkeypatch) -> None:
        real = bal.means.reception.letter

        def broken(client, envelope):  # type: ignore[no-untyped-def]
            if envelope.reverse_path.text == "bad@x.example":
                raise RuntimeError("ours")
            return real(client, envelope)

        monkeypatch.setattr(bal.means.reception, "letter", broken)
        await bal.put(letter(1, sender="bad@x.example"), letter(2))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        assert bal.arrived == [letter(2)]
        assert bal.totals()["later"] == 1
        assert bal.events("collector.failed")[0]["alarm"]


class TestTurns:
    async def test_one_node_collects_and_another_takes_over(self, bal: Bal) -> None:
        async with bal.collecting(node="a"):
            await bal.until(lambda: bal.events("collector.started"))
            async with bal.collecting(node="b"):
                await bal.looked()
                assert len(bal.events("collector.started")) == 1
        assert len(bal.events("collector.stopped")) == 1
        async with bal.collecting(node="b"):  # "a" gave it up when it left
            await bal.until(lambda: len(bal.events("collector.started")) == 2)

    async def test_a_reload_starts_what_is_new_ends_what_is_gone_and_leaves_the_rest(self, bal: Bal) -> None:
        async with bal.collecting() as collectors:
            await bal.until(lambda: bal.events("collector.looked"))
            collectors.follow([bal.plan])
            await bal.looked()
            assert len(bal.events("collector.started")) == 1, "nothing changed"
            collectors.follow([])
            await bal.until(lambda: bal.events("collector.stopped"))
            await bal.put(letter(1))
            collectors.follow([bal.plan])
            await bal.until(lambda: bal.arrived)

    async def test_a_commit_under_way_is_waited_for_when_we_stop(self, bal: Bal, monkeypatch) -> None:
        """What was committed is delivered; what was not is still in the mailbox."""
        begun, go_on = commits_held_up(bal, monkeypatch)
        await bal.put(letter(1))
        async with bal.collecting():
            await asyncio.wait_for(begun.wait(), 5)
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert bal.flags() == [{"$MssgwCollected"}]
        assert bal.totals()["collected"] == 1

    async def test_one_that_takes_too_long_goes_on_without_us_and_is_known_afterwards(
        self, bal: Bal, monkeypatch
    ) -> None:
        """The disk stalls while we stop: the letter is kept, and the next start marks it."""
        monkeypatch.setattr("mssgw.flow.posts.FINISH", 0.05)
        begun, go_on = commits_held_up(bal, monkeypatch)
        await bal.put(letter(1))
        async with bal.collecting():
            await asyncio.wait_for(begun.wait(), 5)
            asyncio.get_running_loop().call_later(0.2, go_on.set)
        assert (await accepted(bal, 1)).client == "officine"
        assert bal.flags() == [set()]
        async with bal.collecting():
            await bal.until(lambda: bal.flags() == [{"$MssgwCollected"}])
            await bal.until(lambda: bal.arrived)
        assert bal.totals()["collected"] == 0, "the first look was broken off before it could count"
        assert bal.arrived == [letter(1)]


async def test_a_store_that_tells_nothing_is_looked_at_all_the_same(make: Make, monkeypatch) -> None:
    """No IDLE, or one that was dropped without a word: every ``poll`` there is a look."""
    bal = await make('poll = "5s"')
    waits = []

    async def silent(_: MemoryMailbox, limit: float) -> bool:
        waits.append(limit)
        await asyncio.sleep(0.01)
        return False

    monkeypatch.setattr(MemoryMailbox, "wait", silent)
    async with bal.collecting():
        await bal.until(lambda: waits)
        await bal.put(letter(1))
        await bal.until(lambda: bal.arrived)
    assert waits[0] == 5
