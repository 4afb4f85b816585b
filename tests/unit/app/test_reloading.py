"""A reload reads beside the event loop, and swaps in it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import cast

import pytest

from mssgw.app.config import ConfigErrors, Problem
from mssgw.app.reloading import Ready, Reloads
from mssgw.edges import systemd

LIMIT = 10.0


class File:
    """A file that takes as long to read as the test says. ``reads``: how many there were; ``taken``: what, where."""

    def __init__(self) -> None:
        self.content, self.events, self.said = "old", list[str](), list[str]()
        self.told = list[dict[str, object]]()
        self.reading, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.taken: list[tuple[str, int]] = []
        self.error: Exception | None = None
        self.reads = 0
        self.reloads = Reloads(self.read, self.take, telemetry=self, say=self.said.append)

    def read(self) -> Ready:
        content, error = self.content, self.error
        self.reads += 1
        self.reading.release()
        assert self.go_on.acquire(timeout=LIMIT)
        if error is not None:
            raise error
        return cast("Ready", content)

    def take(self, ready: Ready) -> None:
        self.taken.append((cast("str", ready), threading.get_ident()))

    def event(self, name: str, *, alarm: bool = False, **fields: object) -> None:
        self.events.append(name)
        self.told.append(fields)

    async def being_read(self) -> None:
        """Wait until it is; the event loop turns meanwhile."""
        async with asyncio.timeout(LIMIT):
            while not self.reading.acquire(blocking=False):  # noqa: ASYNC110 - a thread tells no Event
                await asyncio.sleep(0.001)

    async def read_in_full(self, times: int) -> None:
        """Wait until so many readings have ended."""
        async with asyncio.timeout(LIMIT):
            while self.said.count(systemd.READY) < times:  # noqa: ASYNC110 - a list tells nobody
                await asyncio.sleep(0.001)


@pytest.fixture
async def file() -> AsyncIterator[File]:
    file = File()
    task = asyncio.create_task(file.reloads.run())
    yield file
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    file.go_on.release(10)


async def test_nobody_waits_while_a_large_file_is_read(file):
    """The event loop turns, and nothing of the file is in force before all of it is read."""
    file.reloads.ask()
    await file.being_read()
    assert file.taken == []
    file.go_on.release()
    await file.read_in_full(1)
    assert file.taken == [("old", threading.get_ident())]


async def test_a_file_that_changes_while_it_is_read_is_read_once_more(file):
    """However often we are told: what is in force in the end is the last."""
    file.reloads.ask()
    await file.being_read()
    for content in ("newer", "newest"):
        file.content = content
        file.reloads.ask()
    file.go_on.release(10)
    await file.read_in_full(2)
    await asyncio.sleep(0.05)  # a third reading would have begun by now
    assert [content for content, _ in file.taken] == ["old", "newest"]
    assert file.reads == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            FileNotFoundError("credential:tls-key exists only inside the service"),
            "credential:tls-key exists only inside",
        ),
        (FileNotFoundError(2, "No such file", "/etc/tls.key"), "/etc/tls.key: No such file"),
    ],
)
async def test_a_file_that_is_not_there_is_named(file, error, expected):
    """Whether the system misses it, or we do."""
    file.error = error
    file.go_on.release(10)
    file.reloads.ask()
    await file.read_in_full(1)
    (told,) = file.told
    assert told["expected"].startswith(expected)


@pytest.mark.parametrize("error", [ConfigErrors([Problem("mssgw.toml", 1, "", "no")]), ZeroDivisionError()])
async def test_whatever_is_wrong_with_a_file_the_next_is_read(file, error):
    """The old configuration stays in force, with an alarm."""
    file.error = error
    file.go_on.release(10)
    file.reloads.ask()
    await file.read_in_full(1)
    assert file.taken == []
    assert file.events == ["config.refused"]
    file.error, file.content = None, "mended"
    file.reloads.ask()
    await file.read_in_full(2)
    assert [content for content, _ in file.taken] == ["mended"]
