"""Reading a letter leaves the event loop to others."""

import asyncio
import threading

import pytest

from mssgw.core.message import MessageHead
from mssgw.flow.reading import LONG, PIECE, READING_TOO_LONG, Reading, TooManyLong
from mssgw.formats.mime import Scanner

SHORT_HEADER = b"Subject: bonjour\r\n"
LONG_HEADER = SHORT_HEADER + b"X-Long: " + b"x\r\n " * (LONG // 4) + b"x\r\n"


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
    reading = Reading(scanner, asyncio.Lock())
    await reading.take(header + rest)
    head = await reading.head(10.0)
    assert head.subject == "bonjour"
    assert (scanner.thread is not threading.main_thread()) is aside


async def test_a_large_chunk_is_read_in_pieces_between_which_others_have_their_turn() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    scanner = Watched()
    task = asyncio.ensure_future(other())
    await Reading(scanner, asyncio.Lock()).take(SHORT_HEADER + b"x" * (4 * PIECE))
    task.cancel()
    assert turns == 4
    assert scanner.most == PIECE


async def test_long_headers_are_read_one_at_a_time_and_not_waited_for_without_end() -> None:
    """The peer tries again (451); whoever has a short header does not even wait."""
    turn = asyncio.Lock()
    long, short = Reading(Scanner(), turn), Reading(Scanner(), turn)
    await long.take(LONG_HEADER)
    await short.take(SHORT_HEADER)
    async with turn:
        assert (await short.head(0.0)).subject == "bonjour"
        with pytest.raises(TooManyLong) as caught:
            await long.head(0.01)
        assert caught.value.reply is READING_TOO_LONG
    assert (await long.head(10.0)).subject == "bonjour"
    assert not turn.locked()
