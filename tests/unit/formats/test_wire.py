"""Dot-stuffing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.wire import Unstuffer, stuffed, to_wire, unstuffed

LINES = st.lists(st.sampled_from([b".", b"..", b".x", b"x.", b"", b"x"])).map(b"\r\n".join)


@given(LINES)
def test_what_is_stuffed_is_unstuffed_again(content):
    wire = stuffed(content)
    assert unstuffed(wire) == content
    assert not any(line.startswith(b".") and not line.startswith(b"..") for line in wire.split(b"\r\n"))


@pytest.mark.parametrize(
    ("saved", "wire"),
    [(b"a\n.b\nc", b"a\r\n..b\r\nc\r\n"), (b"a\r\nb\r\n", b"a\r\nb\r\n"), (b"a\rb", b"a\r\nb\r\n"), (b"", b"")],
)
def test_a_file_gets_the_line_ends_of_the_wire(saved, wire):
    assert to_wire(saved) == wire


@given(st.lists(st.sampled_from([b".", b"..", b"...", b"\r", b"\n", b"\r\n", b"\r\n.", b"x", b""]), max_size=12))
def test_a_body_in_pieces_is_unstuffed_as_the_whole_is(pieces):
    """Wherever it is cut."""
    unstuffer = Unstuffer()
    assert b"".join([*map(unstuffer.feed, pieces), unstuffer.end()]) == unstuffed(b"".join(pieces))
