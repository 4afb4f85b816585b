"""The memory of letters in DATA: places, turns, and nobody forgotten."""

import asyncio

import pytest

from mssgw.core.replies import DISK_FULL
from mssgw.edges.smtpd_intake import PLACE, Intake, Refused


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_finds_no_place_waits_for_its_turn() -> None:
    """In order of arrival."""
    intake, order, gates = Intake(memory=PLACE), [], [asyncio.Event() for _ in range(3)]

    async def letter(number: int) -> None:
        async with intake.place():
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
    async with intake.place():
        with pytest.raises(Refused) as refused:
            async with intake.place():
                pass
        assert refused.value.reply.code == 451
        assert (intake.taken, intake.waiting) == (1, 0)
    assert intake.taken == 0


async def test_a_peer_that_leaves_while_it_waits_takes_no_place_with_it() -> None:
    """Before its turn, or in the very moment in which it gets it."""
    intake = Intake(memory=PLACE)

    async def letter() -> None:
        async with intake.place():
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
        async with intake.place():
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
    async with Intake(memory=0).place():
        pass


async def test_nothing_comes_in_while_there_is_a_refusal() -> None:
    """452, at once."""
    intake = Intake()
    intake.refusal = DISK_FULL
    with pytest.raises(Refused) as refused:
        async with intake.place():
            pass
    assert refused.value.reply is DISK_FULL
    assert intake.taken == 0
