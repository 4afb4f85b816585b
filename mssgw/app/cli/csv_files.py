"""CSV files that commands import: read line by line, errors told by line and column and never by value."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mssgw.app.cli.exits import Code, Failure

SHOWN = 20  # errors told one by one
Advance = Callable[[int], None]


class BadLine(Exception):
    """A line that cannot be imported; the text names each wrong column and what was expected, never the value."""


def rows(raw: BinaryIO, header: Sequence[str], advance: Advance) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells, stripped, of every line after the header. ``advance`` hears of octets.

    Raises Failure when it is no such CSV file at all.
    """
    reader = csv.reader(_text(raw, advance), strict=True)
    try:
        if tuple(name.strip().lower() for name in next(reader, [])) != tuple(header):
            raise Failure(Code.DATA, f"{raw.name}:1: expected the header {','.join(header)}, with commas")
        for cells in reader:
            if cells:
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise Failure(Code.DATA, f"{raw.name}:{reader.line_num}: expected CSV ({error})") from None


def _text(raw: BinaryIO, advance: Advance) -> Iterator[str]:
    for number, octets in enumerate(raw, 1):
        advance(len(octets))
        try:
            yield octets.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise Failure(Code.DATA, f"{raw.name}:{number}: expected UTF-8") from None


def tell(raw: BinaryIO, errors: Iterable[tuple[int, str]]) -> None:
    """Print what is wrong, a line each, as far as SHOWN."""
    for line, why in sorted(errors)[:SHOWN]:
        click.echo(f"mssgw: {raw.name}:{line}: {why}", err=True)


@contextmanager
def progress(raw: BinaryIO, doing: str) -> Iterator[Advance]:
    """A bar on stderr when that is a terminal; the callable takes how many octets were read."""
    try:
        total: int | None = os.fstat(raw.fileno()).st_size
    except OSError:
        total = None
    with bar(doing, total) as advance:
        yield advance


@contextmanager
def bar(doing: str, total: int | None) -> Iterator[Advance]:
    """The same for anything that is counted; ``total`` None: nobody knows how much there is."""
    screen = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as running:
        task = running.add_task(doing, total=total)
        yield lambda count: running.advance(task, count)
