"""Nothing of a mailbox elsewhere is taken twice, and nothing is lost, whatever its store or we go through."""

import asyncio
from dataclasses import replace

from mssgw.edges.memory.mailbox import MemoryMailbox
from mssgw.ports.mailbox import MailboxLost
from tests.collecting import LOGIN, Bal, letter
from tests.unit.flow.collecting.conftest import Make


class TestOnce:
    async def test_a_crash_before_the_mark_takes_nothing_twice(self, bal: Bal, monkeypatch) -> None:
        real = MemoryMailbox.mark

        async def dies(*_: object, **__: object) -> None:
            raise MailboxLost("memory: gone")

        monkeypatch.setattr(MemoryMailbox, "mark", dies)
        await bal.put(*map(letter, range(5)))
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.unreachable"))
            await bal.until(lambda: len(bal.arrived) == 5)
        monkeypatch.setattr(MemoryMailbox, "mark", real)
        async with bal.collecting():
            await bal.until(lambda: set(map(len, bal.flags())) == {1})
        assert bal.totals()["collected"] == 5
        assert len(bal.arrived) == 5

    async def test_a_mailbox_given_back_from_a_backup_loses_no_letter(self, make: Make) -> None:
        """Its numbers are used a second time: what we have had is known by its content, what is new is taken."""
        bal = await make('done_folder = "Releves"')
        await bal.put(letter(1), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids("Releves")) == 2)
        folder = bal.store.make(LOGIN, "INBOX")
        folder.last_uid = 0
        await bal.put(letter(3), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.uids("Releves")) == 4)
            await bal.until(lambda: len(bal.arrived) == 3)
        assert sorted(bal.arrived) == [letter(1), letter(2), letter(3)]

    async def test_another_server_under_the_same_name_is_another_place(self, make: Make, monkeypatch) -> None:
        """Some number all their folders alike; without keywords the numbers alone would tell."""
        bal = await make()
        bal.store.keywords = False
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.arrived)
        bal.store.make(LOGIN, "INBOX").messages[1].content = letter(2)
        moved = replace(bal.plan, account=replace(bal.plan.account, host="127.0.0.2"))
        async with bal.collecting() as collectors:
            collectors.follow([moved])
            await bal.until(lambda: len(bal.arrived) == 2)

    async def test_a_folder_that_is_numbered_anew_brings_nothing_twice(self, bal: Bal) -> None:
        """Its keywords are gone as well: Message-ID and content tell."""
        await bal.put(letter(1), letter(2))
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
        folder = bal.store.make(LOGIN, "INBOX")
        old = list(folder.messages.values())
        del bal.store.boxes[LOGIN].folders["INBOX"]
        anew = bal.store.make(LOGIN, "INBOX")
        assert anew.uid_validity != folder.uid_validity
        for each in old:
            each.flags.clear()
        await bal.put(letter(3), *(each.content for each in old))
        async with bal.collecting():
            await bal.until(lambda: set(map(len, bal.flags())) == {1})
            await bal.until(lambda: len(bal.arrived) == 3)
        assert bal.totals() == {"collected": 3, "already": 2, "refused": 0, "later": 0}

    async def test_a_folder_that_is_removed_and_made_anew_while_we_wait_goes_on(self, bal: Bal, monkeypatch) -> None:
        async with bal.collecting():
            await bal.put(letter(1))
            await bal.until(lambda: bal.arrived)
            del bal.store.boxes[LOGIN].folders["INBOX"]
            bal.store.make(LOGIN, "INBOX")
            await bal.put(letter(2))
            # The session still has the old folder, in which nothing happens: the next look finds the new one.
            monkeypatch.setattr(MemoryMailbox, "wait", _no_news)
            await bal.until(lambda: len(bal.arrived) == 2)
        assert bal.events("collector.numbered_anew")

    async def test_two_messages_with_one_message_id_and_other_content_are_both_kept(self, bal: Bal) -> None:
        one, other = letter(1, body=b"one\r\n"), letter(1, body=b"other\r\n")
        await bal.put(one, other)
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
        assert sorted(bal.arrived) == sorted([one, other])

    async def test_two_nodes_that_both_believe_it_is_their_turn_keep_a_letter_once(self, bal: Bal) -> None:
        """Fetched twice, committed once: the number of the message is in the commit."""
        async with bal.collecting(node="a"):
            await bal.until(lambda: len(bal.events("collector.looked")) == 1)
            bal.world.clock.pass_(minutes=2)  # the lease of "a" has lapsed, and it does not know
            async with bal.collecting(node="b"):
                await bal.until(lambda: len(bal.events("collector.looked")) == 2)
                await bal.put(*map(letter, range(20)))
                await bal.until(lambda: set(map(len, bal.flags())) == {1})
                await bal.until(lambda: len(bal.arrived) >= 20)
                await bal.looked()
        assert sorted(bal.arrived) == sorted(map(letter, range(20)))


async def _no_news(*_: object) -> bool:
    await asyncio.sleep(0.01)
    return False
