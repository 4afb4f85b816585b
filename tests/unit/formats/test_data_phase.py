"""The DATA decoder: one stream, one answer, however the network cut it; checked against an obvious reading."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mssgw.formats.data_phase import DataDecoder, Problem

LINE_LIMIT = 12
KINDS = {13: Problem.BARE_CR, 10: Problem.BARE_LF, 0: Problem.NUL}

pieces = st.sampled_from(
    [b"\r\n", b".", b"\r", b"\n", b"\0", b"a", b"abcdef", b"\r\n.", b"\r\n.\r\n", b"..", b"\r\n.."]
)
streams = st.lists(pieces, max_size=40).map(b"".join)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def decode(chunks, limit: int, line_limit: int = LINE_LIMIT):
    """Outcome of a decoder fed with these chunks: done, leftover, problem, and content with counts if all is well."""
    decoder = DataDecoder(limit, line_limit=line_limit)
    content, rest = b"", b""
    for chunk in chunks:
        if decoder.done:
            rest += chunk
        else:
            content += decoder.feed(chunk)
    if decoder.problem or not decoder.done:
        return decoder.done, decoder.leftover + rest, decoder.problem
    return True, decoder.leftover + rest, None, content, decoder.size


def obvious(stream: bytes, limit: int):
    """The same by reading octet after octet."""
    end = (b"\r\n" + stream).find(b"\r\n.\r\n")
    body, leftover = (stream, b"") if end < 0 else (stream[:end], stream[end + 3 :])
    size, in_line, problem = 0, 0, None
    for at, octet in enumerate(body):
        before, after = body[at - 1 : at], body[at + 1 : at + 2]
        in_crlf = (octet == 13 and after == b"\n") or (octet == 10 and before == b"\r")
        if octet == 13 and after == b"" and end < 0:
            break  # nobody can tell yet
        if octet in KINDS and not in_crlf:
            problem = KINDS[octet]
        elif in_line >= LINE_LIMIT and not in_crlf:
            problem = Problem.LONG_LINE
        elif octet == 46 and in_line == 0:
            tail = body[at:]
            if end < 0 and tail in (b".", b".\r"):
                break
            if after not in (b".", b"\r", b"\n", b"\0"):
                problem = Problem.LONE_DOT
                break
            in_line = 1
            continue
        elif size == limit:
            problem = Problem.TOO_BIG
        if problem:
            break
        size += 1
        in_line = 0 if octet == 10 else in_line + 1
    if problem or end < 0:
        return end >= 0, leftover, problem
    return True, leftover, None, body, size


@settings(max_examples=600)
@given(stream=streams, places=st.lists(st.integers(0, 400), max_size=12), limit=st.integers(0, 60))
@example(stream=b".\r\n", places=[1, 2], limit=0)
@example(stream=b"\r\n.\r\n", places=[1, 2, 3, 4], limit=2)
def test_any_cut_of_a_stream_gives_what_reading_octet_by_octet_gives(stream, places, limit):
    """Content, counts, leftover and the first problem depend on the stream alone."""
    assert decode(cut(stream, places), limit) == obvious(stream, limit)
    assert decode([stream], limit) == obvious(stream, limit)
    assert decode([bytes([octet]) for octet in stream], limit) == obvious(stream, limit)


@settings(max_examples=150)
@given(
    width=st.integers(1, 9), lines=st.integers(2, 9), at=st.integers(0, 90), put=st.sampled_from([b"\r", b"\n", b"\0"])
)
def test_one_naked_octet_in_evenly_cut_lines_is_seen_wherever_it_stands(width, lines, at, put):
    """The short cut for base64-like text may not hide anything: overwrite any one octet and compare."""
    text = (b"x" * width + b"\r\n") * lines
    at %= len(text)
    stream = text[:at] + put + text[at + 1 :] + b"\r\n.\r\n"
    assert decode([stream], 1000) == obvious(stream, 1000)


@pytest.mark.parametrize("dots", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("tail", [b"", b"\r\n..x", b"\r\n...y"])
def test_the_end_is_found_however_many_dots_stand_before_it(dots, tail):
    """Dots are looked at one by one first; a text of many is searched in another way."""
    for text in (b"a." * dots, b"." * (dots and dots + 1) + b"b", b"a" + b"." * dots):
        stream = text + tail + b"\r\n.\r\nQUIT\r\n"
        assert decode([stream], 1000, 4096) == decode([bytes([octet]) for octet in stream], 1000, 4096)
        assert decode([stream], 1000, 4096)[:3] == (True, b"QUIT\r\n", None)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"\n.\n", Problem.BARE_LF),
        (b"\n.\r\n", Problem.BARE_LF),
        (b"\r.\r\n", Problem.BARE_CR),
        (b"\r.\r", Problem.BARE_CR),
        (b"\r\n.\n", Problem.BARE_LF),
        (b"\r\n.\r", Problem.BARE_CR),
        (b"\r\n\0.\r\n", Problem.NUL),
        (b"\r\n.\0\r\n", Problem.NUL),
        (b"\r\r\n.\r\r\n", Problem.BARE_CR),
        (b"\r\n.--boundary\r\n", Problem.LONE_DOT),
        (b"\r\n.5 mg\r\n", Problem.LONE_DOT),
        (b"\r\n.a\n.\r\n", Problem.LONE_DOT),
    ],
)
def test_smuggling_payloads_are_a_problem_and_never_an_end(payload, problem):
    """Everything up to the true end mark belongs to the message, and nothing of it is given."""
    smuggled = b"MAIL FROM:<forged@example.fr>\r\n"
    decoder = DataDecoder(10_000)
    stream = b"Subject: a\r\n\r\nhello" + payload + smuggled
    assert decoder.feed(stream) == b""
    assert not decoder.done
    decoder.feed(b"\r\n.\r\nQUIT\r\n")
    assert (decoder.done, decoder.problem, decoder.leftover) == (True, problem, b"QUIT\r\n")


@pytest.mark.parametrize("dots", [b"", b"..\r\n", b"..a\r\n...b\r\n"])
def test_the_limit_passes_and_one_octet_more_does_not(dots):
    """Stuffed dots are not counted, so a message of dot lines may be longer on the wire than the limit (SD-1)."""
    stuffed = dots.count(b"\r\n")
    room = 1000 - (len(dots) - stuffed) - 2
    fits, over = (dots + b"x" * (room + more) + b"\r\n.\r\n" for more in (0, 1))
    assert decode([fits], 1000, 4096)[2] is None
    assert decode([fits], 1000, 4096)[3:] == (fits[:-3], 1000)
    assert decode([over], 1000, 4096)[2] is Problem.TOO_BIG


def test_a_line_of_1_mib_passes_and_one_octet_more_does_not():
    """Lines are never re-wrapped, so they are bounded instead."""
    for more, problem in ((0, None), (1, Problem.LONG_LINE)):
        decoder = DataDecoder(10_485_760)
        decoder.feed(b"a\r\n" + b"x" * (1_048_576 + more) + b"\r\n.\r\n")
        assert (decoder.done, decoder.problem) == (True, problem)
