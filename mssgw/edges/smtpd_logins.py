"""Turns to have a password checked, and who has logged in lately: what all listeners of a process share.

A check costs a tenth of a second of a core and 64 MiB, so whoever guesses passwords could make the honest wait. One
check at a time for each neighbourhood, one at a time for all who never logged in from there; those who guessed wrong
come last. What is left over (passwords.Passwords checks two at a time) is for addresses that logged in lately.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Network
from time import monotonic
from typing import Any

PATIENCE = 20.0  # seconds
_STRANGERS = 1  # checks at a time, of the two
_LATELY = 7 * 86_400.0  # seconds: who logs in on Mondays is known on Mondays
_REMEMBERED = 10_000  # addresses, and neighbourhoods


class Turn:
    """One check, or its place in the row. Whoever has it says how it ended with ``told``."""

    def __init__(self, logins: "Logins", peer: str) -> None:
        self._logins, self._peer = logins, peer
        self.stranger = not logins.knows(peer)
        self.lot = (
            neighbourhood(peer) if self.stranger else peer
        )  # a guest in the same street does not hold up a friend
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def told(self, *, right: bool) -> None:
        """The password was right, or not."""
        self._logins.remember(self._peer, right=right)


class Logins:
    """Known to this process only and forgotten at its end: who is known is served sooner, and gets no right by it."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        """``patience``: seconds that a turn may be waited for."""
        self._patience = patience
        self._good, self._wrong = dict[str, float](), dict[str, int]()
        self._waiting: list[Turn] = []
        self._running: set[Turn] = set()

    def knows(self, peer: str) -> bool:
        """Whether somebody has logged in from this address lately."""
        return monotonic() - self._good.get(peer, float("-inf")) < _LATELY

    def remember(self, peer: str, *, right: bool) -> None:
        """A password from this address was right, or not."""
        near = neighbourhood(peer)
        if right:
            self._wrong.pop(near, None)
            self._good.pop(peer, None)
            _put(self._good, peer, monotonic())
        else:
            _put(self._wrong, near, self._wrong.pop(near, 0) + 1)

    @asynccontextmanager
    async def turn(self, peer: str) -> AsyncIterator[Turn]:
        """Hold a turn while the block runs. Raises TimeoutError when none comes."""
        turn = Turn(self, peer)
        self._waiting.append(turn)
        self._go_on()
        try:
            async with asyncio.timeout(self._patience):
                await turn.ready
            yield turn
        finally:
            if turn in self._running:
                self._running.remove(turn)
            else:
                self._waiting.remove(turn)
            self._go_on()

    def _go_on(self) -> None:
        """Let all go whose turn it is: friends, then strangers in the order of their mistakes, then of arrival."""
        for turn in sorted(self._waiting, key=lambda each: (each.stranger, self._wrong.get(each.lot, 0))):
            strangers = sum(each.stranger for each in self._running)
            if turn.lot in {each.lot for each in self._running} or (turn.stranger and strangers >= _STRANGERS):
                continue
            self._waiting.remove(turn)
            self._running.add(turn)
            if not turn.ready.done():
                turn.ready.set_result(None)


def neighbourhood(peer: str) -> str:
    """The addresses that are commonly one subscriber's or host's: /24 (IPv4), /64 (IPv6)."""
    if ":" in peer:
        return str(IPv6Network((peer.partition("%")[0], 64), strict=False))
    return peer.rpartition(".")[0]


def _put(kept: dict[str, Any], key: str, value: Any) -> None:
    """Put in the newest; too many, and the oldest is forgotten."""
    kept[key] = value
    if len(kept) > _REMEMBERED:
        del kept[next(iter(kept))]
