"""Responses of IMAP servers: cut and read, or Garbled; nothing else, whatever comes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.imap_reading import (
    MAX_LINE,
    Data,
    Garbled,
    GoOn,
    Responses,
    Status,
    fetched,
    numbers,
    parse,
    read,
)

FETCH = b'* 12 FETCH (UID 7 FLAGS (\\Seen $A) BODY[HEADER.FIELDS (X-A "b")] {6}\r\n(* {)} X "q\\"(" Y NIL)\r\n'
TALK = (
    b"* OK hello {3}\r\n* 3 EXISTS\r\n+ go on {1}\r\n"
    + FETCH
    + b"* LIST () {0}\r\n {3}\r\nabc\r\nA1 OK [X 1 2] done\r\n"
)


def cut(data: bytes, *, budget: int = 1 << 20) -> list[tuple[bytes, ...]]:
    return list(Responses(budget).feed(data))


def test_lines_and_literals_make_responses() -> None:
    """A literal may hold anything; braces in words for people are no literals."""
    hello, exists, go_on, fetch, listed, end = cut(TALK)
    assert read(hello) == Status("*", "OK")
    assert read(exists) == Data("EXISTS", 3, (b"",))
    assert isinstance(read(go_on), GoOn)
    data = read(fetch)
    assert isinstance(data, Data)
    assert data.number == 12
    assert fetched(data) == {
        "UID": b"7",
        "FLAGS": [b"\\Seen", b"$A"],
        'BODY[HEADER.FIELDS (X-A "B")]': b"(* {)}",
        "X": b'q"(',
        "Y": None,
    }
    assert parse(read(listed).raw) == [[], b"", b"abc"]  # type: ignore[union-attr]
    assert read(end) == Status("A1", "OK", "X", b"1 2")


@given(st.lists(st.integers(0, len(TALK)), max_size=8))
def test_it_makes_no_difference_how_they_come(cuts: list[int]) -> None:
    """Octet by octet or all at once."""
    responses, edges = Responses(1 << 20), [0, *sorted(cuts), len(TALK)]
    got = [raw for start, end in itertools.pairwise(edges) for raw in responses.feed(TALK[start:end])]
    assert got == cut(TALK)
    assert not responses.pending


_WORDS = [b"* ", b"1 ", b"FETCH ", b"(", b")", b"[", b"]", b'"', b"\\", b"{3}\r\n", b"{99}", b"\r\n", b"OK", b" ", b"A"]


@given(st.lists(st.sampled_from(_WORDS) | st.binary(max_size=4), max_size=30).map(b"".join))
def test_whatever_comes_is_read_or_garbled(data: bytes) -> None:
    """No other error, so that one place ends the connection."""
    try:
        for raw in cut(data):
            said = read(raw)
            if isinstance(said, Data):
                fetched(said)
    except Garbled:
        pass


@pytest.mark.parametrize("step", [7, 100, 5_000])
def test_what_was_asked_for_comes_in_however_large_the_steps(step: int) -> None:
    """A literal that fills the budget, all at once too."""
    data = b"* 1 FETCH (B {2000}\r\n" + b"x" * 2_000 + b")\r\n"
    responses = Responses(len(data))
    got = [raw for at in range(0, len(data), step) for raw in responses.feed(data[at : at + step])]
    assert [len(part) for part in got[0]] == [len(b"* 1 FETCH (B "), 2_000, 1]


@pytest.mark.parametrize(
    "data",
    [b"x" * (MAX_LINE + 1), b"* X {5000}\r\n", b"* X {1}\r\na" * 600, b"* 1 EXISTS\r\n" * 200],
)
def test_no_more_comes_in_than_was_asked_for(data: bytes) -> None:
    """One line, one literal, many of either."""
    with pytest.raises(Garbled):
        cut(data, budget=1 << 20 if len(data) > MAX_LINE else 2_000)


@pytest.mark.parametrize("text", [b"(" * 100, b"(a", b"a)", b'"a', b"[a", b'a"b', b"(a))"])
def test_what_does_not_match_is_garbled(text: bytes) -> None:
    with pytest.raises(Garbled):
        parse([text])


@pytest.mark.parametrize("text", [b"(UID 1 UID 2)", b"(UID)", b"UID 1", b"((a) 1)", b"", b"(A 1) (B 2)"])
def test_what_is_no_list_of_items_is_garbled(text: bytes) -> None:
    """Of one item twice, which counts? The same twice harms nobody."""
    with pytest.raises(Garbled):
        fetched(Data("FETCH", 1, (text,)))
    assert fetched(Data("FETCH", 1, (b"(UID 1 uid 1)",))) == {"UID": b"1"}


@pytest.mark.parametrize("text", [b"0", b"4294967296", b"1.5", b"-1", b"(1)", b"NIL", b"\xb2"])
def test_uids_are_in_their_range(text: bytes) -> None:
    with pytest.raises(Garbled):
        numbers(parse([text]))
    assert numbers(parse([b"1 4294967295"])) == [1, 4_294_967_295]
