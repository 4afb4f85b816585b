"""How long a thread waits for a PostgreSQL that hangs."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

WHEN_LEAVING = 4.0  # seconds for each answer, once the gateway leaves
WHEN_ANOTHER_HUNG = 5.0  # seconds for each answer on a connection that is older than the last hang


class Patience:
    """How long one answer may take: ``limit`` seconds, and less once we leave. Any thread may ask."""

    def __init__(self, limit: float) -> None:
        self._limit, self._leaving, self._hung = limit, float("inf"), float("-inf")

    def hurry(self) -> None:
        """We leave: whoever waits, and whoever will, waits for a few seconds more."""
        self._leaving = min(self._leaving, time.monotonic())

    def is_over(self, since: float, opened: float) -> bool:
        """For an answer asked for ``since``, on a connection ``opened`` then: as of time.monotonic().

        Where one connection hung, those that were open are likely to: or a letter that needs several, one after the
        other, would wait out each.
        """
        now = time.monotonic()
        usual = WHEN_ANOTHER_HUNG if opened < self._hung else self._limit
        over = now > min(since + usual, max(since, self._leaving) + WHEN_LEAVING)
        if now > since + self._limit:  # a shorter wait proves nothing: it would make those suspect that came since
            self._hung = now
        return over


class ImpatientConnection(psycopg.Connection[Any]):
    """Hangs up on a server that does not answer in time.

    A server whose processes stand still heeds no timeout that it was told, and while its kernel acknowledges, neither
    keepalives nor tcp_user_timeout see anything. Who hangs up gets OperationalError, as from a server that died.
    """

    patience: Patience | None = None  # None: for as long as it takes
    opened = float("-inf")  # time.monotonic()

    def wait(self, gen: PQGen[T], *arguments: Any, **named: Any) -> T:
        """All that a connection waits for comes through here, but for connecting, which has a timeout of its own."""
        if self.patience is not None:
            gen = _bounded(gen, partial(self.patience.is_over, opened=self.opened), self.pgconn.socket)
        return super().wait(gen, *arguments, **named)


def _bounded(steps: PQGen[T], is_over: Callable[[float], bool], descriptor: int) -> Generator[Any, Any, T]:
    """The same steps. psycopg looks in ten times a second, ready or not."""
    since = time.monotonic()
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and is_over(since):
                _hang_up(descriptor)
            wanted = steps.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


def _hang_up(descriptor: int) -> None:
    """The driver sees its end at once, and does with it what it does with every end; its descriptor stays its own."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as same:
        same.shutdown(socket.SHUT_RDWR)
