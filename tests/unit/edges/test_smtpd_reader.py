"""The command reader: no connection keeps the others waiting by what it pipelines."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from mssgw.edges.smtpd_reader import CommandReader


class Clock:
    """The event loop as the reader sees it when it need not wait: its clock, which stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False


def reader_of(commands: int, clock: Clock) -> CommandReader:
    reader = CommandReader(limit=100_000, loop=clock)  # type: ignore[arg-type]
    reader._transport = SimpleNamespace(is_closing=lambda: False)  # type: ignore[assignment]
    reader.feed_data(b"MAIL FROM:<a@x.fr>\r\n" * commands)
    return reader


@contextmanager
def turns() -> Iterator[list[None]]:
    """Grows by one at each turn that another connection has."""
    had: list[None] = []

    async def other() -> None:
        while True:
            had.append(None)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    try:
        yield had
    finally:
        task.cancel()


@pytest.mark.parametrize(("cost", "others"), [(0.0, 2), (0.001, 50), (0.01, 100), (0.5, 100)])
async def test_a_connection_that_pipelines_gives_way_by_the_time_that_its_commands_take(
    cost: float, others: int
) -> None:
    """Of 100 pipelined commands: after each when one takes milliseconds, else after 50."""
    clock = Clock()
    reader = reader_of(100, clock)
    with turns() as had:
        for _ in range(100):
            await reader.readuntil()
            clock.now += cost
    assert others - 2 <= len(had) <= others
