"""The memory of letters in DATA: places, turns, fair shares, and nobody forgotten."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mssgw.core.replies import DISK_FULL
from mssgw.edges.smtpd_intake import PLACE, SLOW, Intake, Refused


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_finds_no_place_waits_for_its_turn() -> None:
    """In order of arrival."""
    intake, order, gates = Intake(memory=PLACE), [], [asyncio.Event() for _ in range(3)]

    async def letter(number: int) -> None:
        async with intake.place("chu", "192.0.2.1"):
            order.append(number)
            await gates[number].wait()

    tasks = [asyncio.create_task(letter(number)) for number in range(3)]
    await settle()
    assert (order, intake.taken, intake.waiting) == ([0], 1, 2)
    for number in range(3):
        gates[number].set()
        await settle()
    await asyncio.gather(*tasks)
    assert (order, intake.taken, intake.waiting) == ([0, 1, 2], 0, 0)


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    """451: the letter stays with its sender. Its place in the row is gone."""
    intake = Intake(memory=PLACE, patience=0.01)
    async with intake.place("chu", "192.0.2.1"):
        with pytest.raises(Refused) as refused:
            async with intake.place("chu", "192.0.2.1"):
                pass
        assert refused.value.reply.code == 451
        assert (intake.taken, intake.waiting) == (1, 0)
    assert intake.taken == 0


async def test_a_peer_that_leaves_while_it_waits_takes_no_place_with_it() -> None:
    """Before its turn, or in the very moment in which it gets it."""
    intake = Intake(memory=PLACE)

    async def letter() -> None:
        async with intake.place("chu", "192.0.2.1"):
            await asyncio.Event().wait()

    for leave_late in (False, True):
        first, second = (asyncio.create_task(letter()) for _ in range(2))
        await settle()
        assert intake.waiting == 1
        if leave_late:
            first.cancel()
            second.cancel()
        else:
            second.cancel()
            await settle()
            first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert (intake.taken, intake.waiting) == (0, 0)


async def test_a_place_comes_in_the_moment_its_taker_is_cancelled() -> None:
    """Then the next in the row gets it."""
    intake, got = Intake(memory=PLACE), asyncio.Event()

    async def letter(done: asyncio.Event | None = None) -> None:
        async with intake.place("chu", "192.0.2.1"):
            if done is not None:
                done.set()
                return
            await asyncio.Event().wait()

    first, second, third = (
        asyncio.create_task(letter()),
        asyncio.create_task(letter()),
        asyncio.create_task(letter(got)),
    )
    await settle()
    first.cancel()
    await asyncio.sleep(0)  # first leaves: second's turn has come, and it has not run yet
    second.cancel()
    async with asyncio.timeout(5):
        await got.wait()
        await asyncio.gather(first, second, third, return_exceptions=True)
    assert (intake.taken, intake.waiting) == (0, 0)


async def test_one_letter_always_fits() -> None:
    """However little memory is configured."""
    async with Intake(memory=0).place("chu", "192.0.2.1"):
        pass


async def test_nothing_comes_in_while_there_is_a_refusal() -> None:
    """452, at once."""
    intake = Intake()
    intake.refusal = DISK_FULL
    with pytest.raises(Refused) as refused:
        async with intake.place("chu", "192.0.2.1"):
            pass
    assert refused.value.reply is DISK_FULL
    assert intake.taken == 0


class Letter:
    """A letter in DATA that ends when it is cut, or told to. ``rate``: octets a second."""

    def __init__(self, intake: Intake, client: str, peer: str, rate: float = 2 * SLOW) -> None:
        self.client, self.peer, self.rate = client, peer, rate
        self.began, self.over, self.was_cut = asyncio.Event(), asyncio.Event(), False
        self._intake = intake
        self.task = asyncio.create_task(self._run())

    def cut(self) -> None:
        self.was_cut = True
        self.over.set()

    async def _run(self) -> None:
        async with self._intake.place(self.client, self.peer) as place:
            place.transfer = self
            self.began.set()
            await self.over.wait()


class Crowd:
    """Letters that share one intake, whose courtesy is next to none."""

    def __init__(self, places: int, courtesy: float = 0.001) -> None:
        self.intake, self.letters = Intake(memory=places * PLACE, courtesy=courtesy), list[Letter]()

    def send(self, count: int, client: str, peer: str = "192.0.2.1", rate: float = 2 * SLOW) -> list[Letter]:
        more = [Letter(self.intake, client, peer, rate) for _ in range(count)]
        self.letters += more
        return more

    def cut(self) -> "Counter[str]":
        """How many letters of each client were cut."""
        return Counter(letter.client for letter in self.letters if letter.was_cut)

    async def began(self, letters: list[Letter]) -> None:
        async with asyncio.timeout(5):
            for letter in letters:
                await letter.began.wait()

    async def looked(self) -> None:
        """Wait until those who wait have asked for room many times."""
        await asyncio.sleep(0.05)


@asynccontextmanager
async def crowd(places: int, **given: float) -> AsyncIterator[Crowd]:
    those = Crowd(places, **given)
    yield those
    for letter in those.letters:
        letter.task.cancel()
    await asyncio.gather(*(letter.task for letter in those.letters), return_exceptions=True)
    assert (those.intake.taken, those.intake.waiting) == (0, 0)


async def test_one_client_alone_may_have_all_places_and_is_never_cut() -> None:
    """The mail server of one hospital is often the only client; slow or not, its letters only wait for each other."""
    async with crowd(4) as those:
        await those.began(those.send(4, "chu", rate=1))
        those.send(3, "chu", rate=1)
        await those.looked()
        assert (those.intake.taken, those.intake.waiting, those.cut()) == (4, 3, {})


async def test_who_has_more_than_its_share_gives_back_its_slowest_letters() -> None:
    """All that wait for their 354 beyond their share, or come too late for one, keep waiting."""
    async with crowd(6) as those:
        slow, fast = those.send(3, "mes", rate=10), those.send(3, "mes")
        await those.began(slow + fast)
        more = those.send(5, "mes")
        await those.began(those.send(3, "chu"))
        those.send(1, "chu")
        await those.looked()
        assert [letter.was_cut for letter in slow + fast] == [True] * 3 + [False] * 3
        assert not any(letter.began.is_set() for letter in more)
        assert (those.cut(), those.intake.taken, those.intake.waiting) == ({"mes": 3}, 6, 6)


async def test_a_free_place_goes_to_who_has_the_fewest() -> None:
    """Not to who has been waiting longest, for that may be the same client a hundred times."""
    async with crowd(3, courtesy=60) as those:
        first, *_ = held = those.send(3, "mes")
        await those.began(held)
        more = those.send(50, "mes")
        await settle()
        (other,) = those.send(1, "chu")
        await settle()
        first.over.set()
        await those.began([other])
        assert not any(letter.began.is_set() for letter in more)


async def test_the_addresses_of_one_client_share_its_places() -> None:
    """One machine of a hospital that has gone mad does not keep its mail server waiting."""
    async with crowd(4) as those:
        await those.began(those.send(4, "chu", peer="192.0.2.9"))
        await those.began(those.send(2, "chu", peer="192.0.2.1"))
        await those.looked()
        assert those.cut() == {"chu": 2}


async def test_a_client_with_many_addresses_has_no_larger_share() -> None:
    async with crowd(4) as those:
        for number in range(4):
            await those.began(those.send(1, "mes", peer=f"198.51.100.{number}"))
        await those.began(those.send(2, "chu"))
        assert those.cut() == {"mes": 2}


async def test_the_only_letter_of_a_client_is_cut_when_it_is_very_slow_and_not_otherwise() -> None:
    async with crowd(2) as those:
        (slow,), (fast,) = those.send(1, "mes", rate=SLOW - 1), those.send(1, "autre", rate=SLOW)
        await those.began([slow, fast])
        one, other = those.send(1, "chu"), those.send(1, "clinique")
        await those.began(one)
        await those.looked()
        assert (slow.was_cut, fast.was_cut, other[0].began.is_set()) == (True, False, False)


async def test_a_letter_that_is_complete_is_not_cut() -> None:
    """It is being decided and kept, and will not take long."""
    async with crowd(2) as those, those.intake.place("mes", "a"), those.intake.place("mes", "a"):
        those.send(1, "chu")
        await those.looked()
        assert (those.intake.taken, those.intake.waiting) == (2, 1)


async def test_a_letter_that_has_just_begun_is_given_a_moment() -> None:
    """Most come to their end by themselves, and a cut letter comes again whole."""
    async with crowd(2, courtesy=60) as those:
        await those.began(those.send(2, "mes", rate=1))
        those.send(1, "chu")
        await those.looked()
        assert those.cut() == {}
