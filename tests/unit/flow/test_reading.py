"""Reading a letter leaves the event loop to others."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from mssgw.core.message import MessageHead
from mssgw.flow.reading import BREATH, LONG, PIECE, READING_TOO_LONG, Reading, TooManyLong, Turns
from mssgw.formats.mime import Scanner

SHORT_HEADER = b"Subject: bonjour\r\n"
LONG_HEADER = SHORT_HEADER + b"X-Long: " + b"x\r\n " * (LONG // 4) + b"x\r\n"


class Costly(Scanner):
    """Every piece, and the end, takes as long as what is made for it; ``turns``: the loop's, at each of them."""

    def __init__(self, loop_turns: list[int], turns: list[int]) -> None:
        self._loop_turns, self._at = loop_turns, turns
        super().__init__()

    def _take_time(self) -> None:
        self._at.append(len(self._loop_turns))
        time.sleep(1.2 * BREATH)

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        self._take_time()
        super().feed(chunk)

    def finish(self) -> MessageHead:
        self._take_time()
        return super().finish()


class Watched(Scanner):
    """Tells in which thread it finished, and how much it was fed at once."""

    thread: threading.Thread | None = None
    most = 0

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        self.most = max(self.most, len(chunk))
        super().feed(chunk)

    def finish(self) -> MessageHead:
        self.thread = threading.current_thread()
        return super().finish()


@pytest.mark.parametrize(("header", "aside"), [(SHORT_HEADER, False), (LONG_HEADER, True)])
@pytest.mark.parametrize("rest", [b"", b"\r\nBonjour\r\n" * 20_000])
async def test_a_long_header_is_read_in_a_thread(header: bytes, rest: bytes, aside: bool) -> None:
    """Even when the letter is nothing but a header; a short one would only be delayed by a thread."""
    scanner = Watched()
    reading = Reading(scanner, Turns())
    await reading.take(header + rest)
    head = await reading.head(10.0)
    assert head.subject == "bonjour"
    assert (scanner.thread is not threading.main_thread()) is aside


@pytest.fixture
async def loop_turns() -> AsyncIterator[list[int]]:
    """Grows with every turn of the event loop."""
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(len(turns))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    yield turns
    task.cancel()


async def test_a_large_chunk_is_read_in_pieces_between_which_others_have_their_turn(loop_turns: list[int]) -> None:
    at: list[int] = []
    await Reading(Costly(loop_turns, at), Turns()).take(SHORT_HEADER + b"x" * (4 * PIECE))
    assert len(at) == len(set(at)) == 5


async def test_costly_pieces_of_many_letters_are_not_read_in_the_same_turn_of_the_loop(loop_turns: list[int]) -> None:
    """Thirty of 20 ms each would keep everybody else waiting for most of a second; so would thirty final dots."""
    at: list[int] = []
    turns = Turns()
    letters = [Reading(Costly(loop_turns, at), turns) for _ in range(10)]
    await asyncio.gather(*(letter.take(SHORT_HEADER) for letter in letters))
    await asyncio.gather(*(letter.head(10.0) for letter in letters))
    assert len(at) == len(set(at)) == 20


async def test_what_is_cheap_alone_does_not_add_up_either(loop_turns: list[int]) -> None:
    """A hundred letters, each of whose pieces takes a little less than would be noticed."""

    def work() -> None:
        at.append(len(loop_turns))
        time.sleep(0.4 * BREATH)

    at: list[int] = []
    turns = Turns()
    await asyncio.gather(*(turns.read(work) for _ in range(20)))
    assert max(Counter(at).values()) <= 3


async def test_ordinary_letters_are_read_without_waiting(loop_turns: list[int]) -> None:
    """Nothing else happens meanwhile: each wait would cost more than the reading."""
    scanner = Watched()
    before = len(loop_turns)
    await Reading(scanner, Turns()).take(SHORT_HEADER + b"\r\n" + b"x" * (2 * PIECE))
    assert len(loop_turns) == before
    assert scanner.most == PIECE


async def test_long_headers_are_read_one_at_a_time_and_not_waited_for_without_end() -> None:
    """The peer tries again (451); whoever has a short header does not even wait."""
    turns = Turns()
    long, short = Reading(Scanner(), turns), Reading(Scanner(), turns)
    await long.take(LONG_HEADER)
    await short.take(SHORT_HEADER)
    async with turns.long:
        assert (await short.head(0.0)).subject == "bonjour"
        with pytest.raises(TooManyLong) as caught:
            await long.head(0.01)
        assert caught.value.reply is READING_TOO_LONG
    assert (await long.head(10.0)).subject == "bonjour"
    assert not turns.long.locked()
