"""What is left in a mailbox elsewhere and tried again, by our trouble or its store's, and keeps no other waiting."""

import pytest

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.memory.mailbox import MemoryMailbox
from mssgw.flow.mailbox_gate import Pause
from mssgw.ports.mailbox import MailboxLost, MailboxRefused, NoSuchMessage
from tests.collecting import LOGIN, Bal, letter


def fill_our_store(bal: Bal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: object) -> None:
        raise StoreUnavailable("disk")

    monkeypatch.setattr(bal.world.store, "accept", full, raising=False)


def waits_told(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The list to which each wait in a folder adds its limit."""
    waits, real = list[float](), MemoryMailbox.wait

    async def told(self: MemoryMailbox, limit: float) -> bool:
        waits.append(limit)
        return await real(self, limit)

    monkeypatch.setattr(MemoryMailbox, "wait", told)
    return waits


class TestLater:
    async def test_what_our_store_cannot_keep_stays_and_is_tried_again(self, bal: Bal, monkeypatch) -> None:
        fill_our_store(bal, monkeypatch)
        await bal.put(letter(1), letter(2))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["later"] == 2)
            await bal.looked()
            assert bal.totals()["later"] == 2, "not before its time"
            assert bal.flags() == [set(), set()]
            monkeypatch.delattr(bal.world.store, "accept")
            bal.world.clock.pass_(minutes=1)
            await bal.looked()
            await bal.until(lambda: len(bal.arrived) == 2)
        assert bal.totals()["collected"] == 2

    async def test_in_our_own_trouble_most_letters_are_not_even_fetched(self, bal: Bal, monkeypatch) -> None:
        fill_our_store(bal, monkeypatch)
        await bal.put(*map(letter, range(50)))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["later"])
        assert bal.totals()["later"] == 3

    async def test_when_the_disk_is_nearly_full_nothing_is_fetched(self, bal: Bal) -> None:
        bal.closed = True
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.events("collector.looked"))
            assert sum(bal.totals().values()) == 0
            bal.closed = False
            await bal.looked()
            await bal.until(lambda: bal.arrived)

    @pytest.mark.parametrize(
        "trouble", [MailboxLost("memory: BYE"), MailboxRefused("memory: NO"), NoSuchMessage("gone")]
    )
    async def test_one_that_its_store_cannot_give_keeps_no_other_letter_waiting(
        self, bal: Bal, monkeypatch, trouble: Exception
    ) -> None:
        """Dovecot hangs up over a message that it cannot read, at each attempt; others say no, or nothing of it."""
        real = MemoryMailbox.fetch

        async def damaged(self: MemoryMailbox, uid: int):  # type: ignore[no-untyped-def]
            if uid == 1:
                raise trouble
            async for piece in real(self, uid):
                yield piece

        monkeypatch.setattr(MemoryMailbox, "fetch", damaged)
        monkeypatch.setattr(Pause, "next", lambda self, span: 0.01)
        await bal.put(*map(letter, (1, 2, 3)))
        async with bal.collecting():
            await bal.until(lambda: len(bal.arrived) == 2)
            for minutes in (1, 2, 4, 8):
                bal.world.clock.pass_(minutes=minutes)
                await bal.looked()
            (told,) = bal.events("collector.stuck")
            assert (told["uid"], told["alarm"]) == (1, True)
            monkeypatch.setattr(MemoryMailbox, "fetch", real)
            bal.world.clock.pass_(minutes=16)
            await bal.looked()
            await bal.until(lambda: len(bal.arrived) == 3)
        assert sorted(bal.arrived) == [*map(letter, (1, 2, 3))]

    @pytest.mark.parametrize("trouble", [MailboxLost("memory: BYE"), MailboxRefused("memory: NO")])
    async def test_letters_that_its_store_cannot_give_come_after_all_that_were_not_tried(
        self, bal: Bal, monkeypatch, trouble: Exception
    ) -> None:
        """A damaged mailbox may have many, and with each a session ends, or the third of them a look: whenever those in
        front were due again, nothing behind them was reached.
        """
        real = MemoryMailbox.fetch

        async def damaged(self: MemoryMailbox, uid: int):  # type: ignore[no-untyped-def]
            if uid <= 4:
                raise trouble
            async for piece in real(self, uid):
                yield piece

        monkeypatch.setattr(MemoryMailbox, "fetch", damaged)
        monkeypatch.setattr(Pause, "next", lambda self, span: 0.01)
        await bal.put(*map(letter, range(1, 6)))
        async with bal.collecting():
            for _ in range(5):
                await bal.looked()
                bal.world.clock.pass_(hours=1)
            assert bal.arrived == [letter(5)]
            await bal.put(letter(6))
            await bal.until(lambda: len(bal.arrived) == 2)
        assert bal.totals()["already"] == 0  # nor is any read twice

    async def test_one_that_somebody_takes_away_is_waited_for_no_more(self, bal: Bal, monkeypatch) -> None:
        """Else the folder would be looked at every second for it."""
        waits = waits_told(monkeypatch)
        fill_our_store(bal, monkeypatch)
        await bal.put(letter(1))
        async with bal.collecting():
            await bal.until(lambda: bal.totals()["later"] == 1)
            bal.store.make(LOGIN, "INBOX").messages.clear()
            bal.world.clock.pass_(minutes=5)
            await bal.looked()
            await bal.until(lambda: len(waits) == 2)
        assert waits == [60.0, 60.0]

    async def test_those_that_are_due_and_spared_have_nobody_look_at_the_folder_every_second(
        self, bal: Bal, monkeypatch
    ) -> None:
        """Our store is full: the first three of a look tell, and the others, due as they are, wait for the next."""
        waits = waits_told(monkeypatch)
        fill_our_store(bal, monkeypatch)
        await bal.put(*map(letter, range(1, 8)))
        async with bal.collecting():
            await bal.until(lambda: len(waits) == 1)
            for count in (2, 3):
                bal.world.clock.pass_(minutes=5)
                await bal.looked()
                await bal.until(lambda count=count: len(waits) == count)
        assert waits == [60.0] * 3

    async def test_a_letter_that_stays_for_long_is_told_of(self, bal: Bal, monkeypatch) -> None:
        fill_our_store(bal, monkeypatch)
        await bal.put(letter(1))
        async with bal.collecting():
            for tries in range(1, 7):
                await bal.until(lambda tries=tries: bal.totals()["later"] == tries)
                bal.world.clock.pass_(hours=1)
                await bal.looked()
        (told,) = bal.events("collector.stuck")
        assert (told["alarm"], told["code"]) == (True, 451)
