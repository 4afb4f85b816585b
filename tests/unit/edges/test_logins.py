"""Turns to have a password checked: who comes next, and who does not make the others wait."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from mssgw.edges import smtpd_logins
from mssgw.edges.smtpd_logins import Logins, neighbourhood


class Row:
    """Attempts at one Logins, each of which ends when it is told to. ``order``: peers whose turn has come."""

    def __init__(self) -> None:
        self.logins, self.order = Logins(), list[str]()
        self._tasks, self._ends = list[asyncio.Task[None]](), dict[str, asyncio.Event]()

    async def come(self, *peers: str) -> None:
        for peer in peers:
            self._tasks.append(asyncio.create_task(self._attempt(peer)))
        await self._settle()

    async def end(self, peer: str) -> None:
        self._ends.pop(peer).set()
        await self._settle()

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _attempt(self, peer: str) -> None:
        async with self.logins.turn(peer):
            self.order.append(peer)
            end = self._ends[peer] = asyncio.Event()
            await end.wait()

    async def _settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def row() -> AsyncIterator[Row]:
    row = Row()
    yield row
    await row.leave()


async def test_strangers_go_one_at_a_time_in_order_of_arrival(row: Row) -> None:
    await row.come("192.0.2.1", "198.51.100.1", "203.0.113.1")
    assert row.order == ["192.0.2.1"]
    await row.end("192.0.2.1")
    assert row.order == ["192.0.2.1", "198.51.100.1"]


async def test_who_logged_in_lately_does_not_wait_for_strangers(row: Row) -> None:
    """Not even for those of his own street."""
    row.logins.remember("192.0.2.7", right=True)
    await row.come("192.0.2.1", "198.51.100.1", "192.0.2.7")
    assert row.order == ["192.0.2.1", "192.0.2.7"]


async def test_an_address_that_is_known_goes_one_at_a_time_too(row: Row) -> None:
    row.logins.remember("192.0.2.7", right=True)
    await row.come("192.0.2.7", "192.0.2.7")
    assert row.order == ["192.0.2.7"]


async def test_neighbourhoods_that_guessed_wrong_come_last(row: Row) -> None:
    """The honest first login does not stand behind a thousand that guess."""
    for number in range(3):
        row.logins.remember(f"198.51.100.{number}", right=False)
    await row.come("203.0.113.1", "198.51.100.9", "2001:db8::1", "192.0.2.1")
    for peer in ("203.0.113.1", "2001:db8::1", "192.0.2.1"):
        await row.end(peer)
    assert row.order == ["203.0.113.1", "2001:db8::1", "192.0.2.1", "198.51.100.9"]


async def test_a_right_password_makes_up_for_wrong_ones(row: Row) -> None:
    row.logins.remember("198.51.100.1", right=False)
    row.logins.remember("198.51.100.2", right=True)
    await row.come("192.0.2.1", "198.51.100.1", "203.0.113.1")
    await row.end("192.0.2.1")
    assert row.order == ["192.0.2.1", "198.51.100.1"]


async def test_a_turn_that_does_not_come_is_given_up_and_leaves_no_trace() -> None:
    logins = Logins(patience=0.01)
    async with logins.turn("192.0.2.1"):
        with pytest.raises(TimeoutError):
            async with logins.turn("198.51.100.1"):
                raise AssertionError
    async with logins.turn("203.0.113.1"):
        pass


async def test_who_leaves_takes_no_turn_with_him(row: Row) -> None:
    """Before his turn, or during it."""
    await row.come("192.0.2.1", "198.51.100.1")
    await row.leave()
    await row.come("203.0.113.1")
    assert row.order == ["192.0.2.1", "203.0.113.1"]


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in time."""
    monkeypatch.setattr(smtpd_logins, "_REMEMBERED", 2)
    logins, peers = Logins(), ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    for peer in (peers[0], peers[1], peers[0], peers[2]):
        logins.remember(peer, right=True)
    assert [logins.knows(peer) for peer in peers] == [True, False, True]
    now = monotonic()
    monkeypatch.setattr(smtpd_logins, "monotonic", lambda: now + 8 * 86_400)
    assert not any(logins.knows(peer) for peer in peers)


@pytest.mark.parametrize(
    ("one", "other"), [("192.0.2.1", "192.0.2.254"), ("2001:db8::1", "2001:db8::ffff:1"), ("fe80::1%eth0", "fe80::2")]
)
def test_neighbours_have_one_neighbourhood(one: str, other: str) -> None:
    assert neighbourhood(one) == neighbourhood(other)


@pytest.mark.parametrize(("one", "other"), [("192.0.2.1", "192.0.3.1"), ("2001:db8::1", "2001:db8:0:1::1")])
def test_others_have_another(one: str, other: str) -> None:
    assert neighbourhood(one) != neighbourhood(other)
