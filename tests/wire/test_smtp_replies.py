"""Reading replies: in order, whole, bounded, and none that nobody asked for."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssgw.core.replies import Reply
from mssgw.edges.smtp_replies import GARBLED, MAX_LINE, MAX_REPLY, Lost, Wire, to_reply


class Pipe(asyncio.Transport):
    """A transport that remembers: what a Wire does to it is all that is asked here."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.aborted = b"", False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
replies = st.tuples(st.integers(200, 599), st.lists(texts, min_size=1, max_size=4))


def wire_form(code: int, lines: list[str]) -> bytes:
    marks = "-" * (len(lines) - 1) + " "
    return "".join(f"{code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode()


@given(said=st.lists(replies, min_size=1, max_size=5), cuts=st.lists(st.integers(0, 400), max_size=8))
@settings(deadline=None)
def test_however_the_bytes_are_cut_the_replies_are_the_same(said: list[tuple[int, list[str]]], cuts: list[int]) -> None:
    async def read() -> list[Reply]:
        wire = Wire(Pipe())
        wire.write(b"", replies=len(said))
        raw = b"".join(wire_form(code, lines) for code, lines in said)
        ends = sorted({min(cut, len(raw)) for cut in cuts} | {0, len(raw)})
        for start, end in pairwise(ends):
            wire.data_received(raw[start:end])
        await wire.gather(len(said), 1)
        return [wire.take() for _ in said]

    assert asyncio.run(read()) == [to_reply(code, lines) for code, lines in said]


@given(chunks=st.lists(st.binary(max_size=200), max_size=20), owed=st.integers(0, 3))
@settings(deadline=None)
def test_whatever_a_peer_sends_it_is_a_reply_or_the_end(chunks: list[bytes], owed: int) -> None:
    """Nothing else is ever raised, and never are there more replies than were asked for."""

    async def read() -> int:
        wire, taken = Wire(Pipe()), 0
        wire.write(b"", replies=owed)
        for chunk in chunks:
            wire.data_received(chunk)
        wire.connection_lost(None)
        try:
            while True:
                assert 200 <= wire.take().code <= 599
                taken += 1
        except Lost:
            return taken

    assert asyncio.run(read()) <= owed


async def test_a_refusal_that_comes_while_we_still_write_wakes_us() -> None:
    """Some peers answer at their size limit and read no further."""
    wire = Wire(Pipe())
    wire.write(b"x" * 500_000 + b"\r\n.\r\n", replies=1)
    wire.pause_writing()
    waiting = asyncio.create_task(wire.reply(60))
    await asyncio.sleep(0)
    wire.data_received(b"552 5.3.4 Too big\r\n")
    assert await waiting == Reply(552, "5.3.4", "Too big")


@pytest.mark.parametrize("size", [MAX_LINE - 6, MAX_LINE + 1])
async def test_a_line_has_a_limit(size: int) -> None:
    pipe = Pipe()
    wire = Wire(pipe)
    wire.write(b"", replies=1)
    wire.data_received(b"250 " + b"x" * size)
    assert pipe.aborted is (size > MAX_LINE)


@pytest.mark.parametrize("more", [b"2", b"250 2.0.0 more\r\n", b"\r\n"])
async def test_what_follows_the_last_reply_asked_for_ends_the_connection(more: bytes) -> None:
    """Even half a line: the other half would begin the next reply."""
    pipe = Pipe()
    wire = Wire(pipe)
    wire.write(b"", replies=1)
    wire.data_received(b"250 ok\r\n" + more)
    assert pipe.aborted
    assert wire.take() == Reply(250, "", "ok")


async def test_a_reply_has_a_limit() -> None:
    pipe = Pipe()
    wire = Wire(pipe)
    wire.write(b"", replies=1)
    for _ in range(MAX_REPLY // 100 + 1):
        wire.data_received(b"250-" + b"x" * 96 + b"\r\n")
    assert pipe.aborted
    with pytest.raises(Lost) as lost:
        wire.take()
    assert lost.value.reply == GARBLED


@pytest.mark.parametrize(
    ("lines", "status", "text"),
    [
        (["5.1.1 No such", "5.1.1 mailbox"], "5.1.1", "No such mailbox"),
        (["5.1.1"], "5.1.1", ""),
        (["4.1.1 another class"], "", "4.1.1 another class"),
        (["5.1.1234 too long"], "", "5.1.1234 too long"),
        (["no status"], "", "no status"),
    ],
)
def test_the_status_is_taken_out_of_the_text(lines: list[str], status: str, text: str) -> None:
    """RFC 2034."""
    assert to_reply(550, lines) == Reply(550, status, text)
