"""Base64 that is without fault is decoded; any other is not."""

import base64
import binascii
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats import b64

WHITE = st.text(" \t\r\n", max_size=3).map(str.encode)


@given(st.binary(max_size=6_000), WHITE)
def test_what_was_encoded_comes_back(content: bytes, white: bytes) -> None:
    """In lines of any kind, short and long."""
    encoded = base64.b64encode(content)
    assert b64.strictly(encoded) == content
    assert (
        b64.strictly(white + b"\r\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76)) + white)
        == content
    )
    bare = encoded.rstrip(b"=")
    assert b64.strictly(bare, padded=False) == content
    if bare != encoded:
        with pytest.raises(b64.NotBase64):
            b64.strictly(bare)


@given(st.binary(min_size=2, max_size=3_000), st.data())
def test_one_wrong_octet_is_a_fault(content: bytes, data: st.DataObject) -> None:
    """Wherever it stands, a padding sign in the middle too."""
    encoded = base64.b64encode(content)
    at = data.draw(st.integers(0, len(encoded.rstrip(b"=")) - 2))  # in the place of the last, = may be padding
    wrong = data.draw(st.sampled_from([b"=", b"-", b"_", b"!", b"\0", b"\xc3", b".", b"\x0b"]))
    broken = encoded[:at] + wrong + encoded[at + 1 :]
    with pytest.raises(b64.NotBase64):
        b64.strictly(broken)


@given(st.text("AB/+= \r\n!", max_size=12).map(str.encode))
def test_it_is_as_strict_as_python(octets: bytes) -> None:
    """Of a few letters: what Python calls strict, white space apart, and padding of what is whole."""
    letters = octets.translate(None, b" \r\n")
    try:
        expected = binascii.a2b_base64(letters, strict_mode=True)
        if letters.endswith(b"=") and not len(letters.rstrip(b"=")) % 4:
            expected = None
    except binascii.Error:
        expected = None
    try:
        found = b64.strictly(octets)
    except b64.NotBase64:
        found = None
    assert found == expected


def streamed(octets: bytes, places: list[int]) -> bytes:
    """Through a stream, cut in these places."""
    stream = b64.Stream()
    edges = [0, *sorted(place % (len(octets) + 1) for place in places), len(octets)]
    return b"".join(stream.feed(octets[begin:end]) for begin, end in pairwise(edges)) + stream.end()


@given(st.binary(max_size=6_000), st.integers(1, 100), st.lists(st.integers(0, 9_000), max_size=9), st.booleans())
def test_what_was_encoded_comes_back_from_a_stream(content: bytes, width: int, places: list[int], padded: bool) -> None:
    encoded = base64.b64encode(content) if padded else base64.b64encode(content).rstrip(b"=")
    lines = b"\r\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
    assert streamed(lines, places) == content


def test_a_stream_waits_for_no_line_end_that_never_comes() -> None:
    stream = b64.Stream()
    assert sum(len(stream.feed(b"AAAA" * 1_000)) for _ in range(100)) > 280_000


@given(st.text("AB/+= \r\n!", max_size=24).map(str.encode), st.lists(st.integers(0, 24), max_size=6))
def test_a_stream_is_as_strict_as_the_whole(octets: bytes, places: list[int]) -> None:
    try:
        expected = b64.strictly(octets, padded=False)
    except b64.NotBase64:
        with pytest.raises(b64.NotBase64):
            streamed(octets, places)
    else:
        assert streamed(octets, places) == expected
