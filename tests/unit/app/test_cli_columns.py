"""How tables are laid out: readable at 80 columns, and every id and address in one piece."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.app.cli import columns, paper

ID, ADDRESS = "1M7ZTY3TH5M3REAG", "*************89@patient.mssante.fr"
TIMELINE = ("when", "id", "event", "who", "sender", "recipient", "detail")
ACCEPTED = (
    *("2026-11-21 20:57:05+0100", ID, "accepted", "person unknown (chu)", "dr.martin@chu.mssante.fr", ADDRESS),
    "250 2.0.0 queued",
)
BOUNCED = (
    *("2026-11-21 20:57:06+0100", ID, "bounced", "operator anne", "-", ADDRESS),
    "operator; 550 5.7.0 Message retire de la file par l'exploitant de la passerelle",
)


def test_a_row_wider_than_the_screen_goes_on_below_with_its_words_whole() -> None:
    """At 80 columns the sum of a line stays a table; its long cells follow, named, and empty ones are left out."""
    told = list(columns.lines(TIMELINE, [ACCEPTED, BOUNCED], width=80))
    assert told == [
        "when                      id                event     who",
        "2026-11-21 20:57:05+0100  1M7ZTY3TH5M3REAG  accepted  person unknown (chu)",
        "    sender: dr.martin@chu.mssante.fr",
        f"    recipient: {ADDRESS}  detail: 250 2.0.0 queued",
        "2026-11-21 20:57:06+0100  1M7ZTY3TH5M3REAG  bounced   operator anne",
        f"    recipient: {ADDRESS}",
        "    detail: operator; 550 5.7.0 Message retire de la file par l'exploitant de la",
        "        passerelle",
    ]


def test_a_row_that_fits_is_one_line() -> None:
    """On a wide screen nothing leaves its column; numbers stand right."""
    assert list(columns.lines(("id", "no", "state"), [(ID, "7", "queued")], right=("no",), width=80)) == [
        "id                no  state",
        "1M7ZTY3TH5M3REAG   7  queued",
    ]


def test_wide_characters_count_for_what_they_take() -> None:
    """A combining accent takes no room, an ideograph two."""
    rows = [("a\u0301", "x"), ("国", "x"), ("ab", "x")]
    assert list(columns.lines(("n", "m"), rows)) == ["n   m", "a\u0301   x", "国  x", "ab  x"]


WORD = st.text("ABCxyz019@.-", min_size=1, max_size=60)
CELL = st.lists(WORD, min_size=1, max_size=9).map(" ".join)


@given(st.lists(st.tuples(*[CELL] * len(TIMELINE)), max_size=4), st.integers(1, 200))
def test_no_word_is_ever_broken_or_lost(rows: list[tuple[str, ...]], width: int) -> None:
    """Whatever the cells and the screen; a cell that is only "-" says nothing and may go."""
    said = " ".join(columns.lines(TIMELINE, rows, width=width)).split()
    for row in rows:
        for cell in row:
            assert cell == "-" or set(cell.split()) <= set(said)


@given(st.lists(st.tuples(*[CELL] * len(TIMELINE)), max_size=4))
def test_for_a_pipe_a_row_is_a_line(rows: list[tuple[str, ...]]) -> None:
    """grep, awk and cut see whole rows, whatever COLUMNS says."""
    told = list(columns.lines(TIMELINE, rows))
    assert len(told) == 1 + len(rows)
    assert all(cell in line for row, line in zip(rows, told[1:], strict=True) for cell in row)


@pytest.mark.parametrize(("terminal", "lines"), [(True, 6), (False, 3)])
def test_a_table_knows_a_terminal_from_a_pipe(terminal: bool, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command, read by a person of 80 columns, or by a program."""
    monkeypatch.setenv("COLUMNS", "80")
    reading, writing = os.openpty() if terminal else os.pipe()
    with open(reading, "rb", buffering=0) as there, open(writing, "w", encoding="utf-8") as here:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", here)
            paper.table(TIMELINE, [ACCEPTED, (*BOUNCED[:-1], "operator")])
        print("end", file=here, flush=True)
        read = b""
        while not read.endswith((b"end\n", b"end\r\n")):
            read += there.read(10_000)
    printed = read.decode().replace("\r\n", "\n").removesuffix("end\n")
    assert printed.count("\n") == lines
    assert printed.count(ID) == 2
    assert printed.count(ADDRESS) == 2
