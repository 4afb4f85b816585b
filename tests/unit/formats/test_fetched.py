"""A letter as a mailbox gives it: into wire form, under the rules of DATA, however it is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.data_phase import LINE_LIMIT, DataDecoder, Problem
from mssgw.formats.fetched import WireForm, has_header, header_of, message_id_of, reverse_path_of
from mssgw.formats.wire import stuffed, unstuffed

OCTETS = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"bc", b"\r", b"\n", b"\0", b"."]), max_size=25).map(b"".join)
CLEAN = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"bc", b"..", b"\r\n."]), max_size=25).map(b"".join)
CUTS = st.lists(st.integers(0, 60), max_size=6)


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    return [content[begin:end] for begin, end in itertools.pairwise(edges)]


def wired(content: bytes, cuts: list[int], limit: int = 10_000) -> tuple[bytes, Problem | None, int]:
    form = WireForm(limit)
    wire = b"".join(form.feed(piece) for piece in pieces(content, cuts)) + form.end()
    return wire, form.problem, form.size


@given(CLEAN, CUTS)
def test_clean_content_comes_through_to_the_octet(content: bytes, cuts: list[int]) -> None:
    """Stuffed as SMTP would have brought it, and with a line end when it had none."""
    whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert wired(content, cuts) == (stuffed(whole), None, len(whole))
    assert unstuffed(stuffed(whole)) == whole


@given(OCTETS, CUTS)
def test_any_content_is_judged_as_data_would_judge_it_whatever_the_cuts(content: bytes, cuts: list[int]) -> None:
    """Unless its first line ends with LF alone: then all of them may."""
    wire, problem, _ = wired(content, cuts)
    assert (problem, wire if problem is None else b"") == (
        wired(content, [])[1],
        wired(content, [])[0] if problem is None else b"",
    )
    first = content.find(b"\n")
    if first >= 0 and content[max(first - 1, 0) : first] != b"\r":
        return
    decoder = DataDecoder(10_000)
    decoder.feed(stuffed(content) + (b"" if content.endswith(b"\r\n") or not content else b"\r\n") + b".\r\n")
    assert problem is decoder.problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: b\n\nc\n", None),
        (b"a: b\n\nc\r\n", Problem.BARE_CR),
        (b"a: b\r\n\r\nc\n", Problem.BARE_LF),
        (b"a: b\n\nc\rd\n", Problem.BARE_CR),
        (b"\n", None),
        (b"a\0", Problem.NUL),
        (b"a\r", Problem.BARE_CR),
    ],
)
def test_a_store_that_ends_lines_with_lf_does_so_throughout(content: bytes, problem: Problem | None) -> None:
    assert wired(content, [])[1] is problem


def test_a_letter_without_any_line_end_is_no_reason_to_hold_all_of_it_in_memory() -> None:
    form = WireForm(100 * LINE_LIMIT)
    assert form.feed(b"x" * LINE_LIMIT) == b""
    form.feed(b"x" * 10)
    assert form.problem is Problem.LONG_LINE


def test_the_limit_counts_octets_without_stuffed_dots() -> None:
    assert wired(b"..\r\n" * 10, [], limit=40)[1:] == (None, 40)
    assert wired(b"..\r\n" * 10, [], limit=39)[1] is Problem.TOO_BIG


class TestHeader:
    @pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
    def test_it_is_read_whatever_ends_its_lines(self, ends: bytes) -> None:
        block = ends.join([b"Return-Path: <a@b.fr>", b"Message-ID:", b" <1@x>", b"", b"From: <c@d.fr>"])
        assert has_header(block)
        assert not has_header(block[:30])
        header = header_of(block)
        assert message_id_of(header) == "<1@x>"
        path = reverse_path_of(header)
        assert path is not None
        assert path.key == "a@b.fr"

    @pytest.mark.parametrize(
        ("block", "key"),
        [
            (b"Return-Path: <>\r\nFrom: <c@d.fr>", None),
            (b"Return-Path: < > (nobody)\r\nFrom: <c@d.fr>", None),
            (b"Return-Path: a@b.fr\r\n", "a@b.fr"),
            (b"Return-Path:\r\nFrom: <c@d.fr>", "c@d.fr"),
            (b"Return-Path: <@x.fr:a@b.fr>\r\nFrom: <c@d.fr>", "c@d.fr"),
            (b"From: <c@d.fr>, <e@f.fr>", None),
            (b"From: <c@d.fr>\r\nFrom: <c@d.fr>", "c@d.fr"),
            (b"Subject: x", None),
            (b"", None),
        ],
    )
    def test_the_reverse_path_is_the_return_path_else_the_one_author(self, block: bytes, key: str | None) -> None:
        path = reverse_path_of(header_of(block))
        assert (path.key if path is not None else None) == key

    def test_one_that_never_ends_is_not_waited_for(self) -> None:
        assert has_header(b"x" * 300_000)

    @given(st.binary(max_size=200))
    def test_whatever_the_octets_it_never_raises(self, octets: bytes) -> None:
        reverse_path_of(header_of(octets))
