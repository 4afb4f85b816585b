"""Rows under headings, as lines of text that can be read and copied at any width."""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAP, INDENT = "  ", "    "
NOTHING = "-"
# What leaves the row for lines of its own when the screen is too narrow, first to last: words before addresses,
# addresses before the little that sums a row up. What is not named stays.
LEAVING = (
    *("detail", "sentence", "reply", "last reply", "why", "operators", "source", "file", "receipt to"),
    *("recipient", "mailbox", "sender", "patient", "who", "domain", "state", "requirement"),
    *("subject", "issuer", "asked"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    width: int
    right: bool

    def fill(self, cell: str) -> str:
        blank = " " * (self.width - cell_len(cell))
        return blank + cell if self.right else cell + blank


def lines(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = (), width: int | None = None
) -> Iterator[str]:
    """The heading, then each row on a line: aligned, and never cut.

    ``width``: of the screen, in characters; None: any. Where a row is wider, whole columns follow it as ``name: cell``
    on lines of their own. Words wrap between them only, so that an id or an address stays in one piece; one that is
    longer than a line is left to the terminal, which copies it whole.
    """
    columns = [
        _Column(name=name, width=max(cell_len(row[at]) for row in (names, *rows)), right=name in right)
        for at, name in enumerate(names)
    ]
    below = _leaving(columns, width)
    beside = [at for at in range(len(columns)) if at not in below]
    for row in (names, *rows):
        yield GAP.join(columns[at].fill(row[at]) for at in beside).rstrip()
        if row is not names and width is not None:
            yield from _below([f"{names[at]}: {row[at]}" for at in sorted(below) if row[at] != NOTHING], width)


def _leaving(columns: Sequence[_Column], width: int | None) -> set[int]:
    """Which columns have no room; the first always has."""
    below: set[int] = set()
    if width is None:
        return below
    at = {column.name: number for number, column in enumerate(columns) if number}
    for name in (name for name in LEAVING if name in at):
        kept = [column.width for number, column in enumerate(columns) if number not in below]
        if sum(kept) + len(GAP) * (len(kept) - 1) <= width:
            break
        below.add(at[name])
    return below


def _below(cells: Sequence[str], width: int) -> Iterator[str]:
    """Cells that went below their row: as many on a line as fit, a longer one wrapped."""
    line = ""
    for cell in cells:
        if line and cell_len(INDENT + line + GAP + cell) <= width:
            line += GAP + cell
            continue
        if line:
            yield from _wrapped(line, width)
        line = cell
    if line:
        yield from _wrapped(line, width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width=max(width, 2 * len(INDENT) + 1),
        initial_indent=INDENT,
        subsequent_indent=2 * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
