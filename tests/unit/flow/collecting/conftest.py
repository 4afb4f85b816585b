"""A gateway that collects from a mailbox elsewhere, over twins."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mssgw.core.journal import Entry, JournalEvent
from tests.collecting import Bal, configured
from tests.stories.worlds import delivering

Make = Callable[..., Awaitable[Bal]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """A gateway that collects with these lines of configuration; it delivers until the test is over."""
    async with AsyncExitStack() as stack:

        async def make_one(*lines: str) -> Bal:
            bal = Bal(configured(tmp_path, *lines))
            await stack.enter_async_context(delivering(bal.world.flow))
            return bal

        yield make_one


@pytest.fixture
async def bal(make: Make) -> Bal:
    return await make()


def reason(note: bytes) -> str:
    return note.decode().partition("Motif : ")[2].partition("\r\n")[0]


async def accepted(bal: Bal, number: int) -> Entry:
    """The journal line of the letter's acceptance."""
    lines = await bal.world.desk.trace(message_id=f"<{number}@ailleurs>", limit=9)
    (entry,) = [each for each in lines if each.event is JournalEvent.ACCEPTED]
    return entry
