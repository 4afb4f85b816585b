"""What commands print: tables for people, JSON lines for machines."""

import dataclasses
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import click

from mssgw.app.cli import columns
from mssgw.app.cli.people import shown
from mssgw.app.telemetry.redact import scrub
from mssgw.core.addresses import Address
from mssgw.core.replies import Reply


def json_line(value: Mapping[str, Any], *, full: bool = False) -> None:
    """Print one JSON object on one line; ``full``: with the patients' addresses (see people.shown)."""
    click.echo(json.dumps(plain(value, full=full), ensure_ascii=False))


def plain(value: Any, *, full: bool) -> Any:
    """The value as JSON types. Fields that hide from repr (subjects, people) stay hidden; ``full``: see json_line."""
    match value:
        case Address():
            return printable(shown(value, full=full))
        case Enum():
            return value.name.lower().replace("_", "-") if isinstance(value, int) else value.value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case Reply():  # a peer may quote the address
            return {"code": value.code, "status": value.status, "text": value.text if full else scrub(value.text)}
        case Mapping():
            return {str(key): plain(item, full=full) for key, item in value.items()}
        case frozenset() | set():
            return sorted(plain(item, full=full) for item in value)
        case list() | tuple():
            return [plain(item, full=full) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = (field for field in dataclasses.fields(value) if field.repr)
            return {field.name: plain(getattr(value, field.name), full=full) for field in fields}
        case _:
            return value


def table(names: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print rows under their headings, aligned and never cut; cells hold plain text, control characters shown as ``?``.

    Piped, a row is one line whatever its length. On a terminal columns that have no room follow below; see columns.
    ``right``: columns of numbers.
    """
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    screen = sys.stdout.isatty()
    heading, *body = columns.lines(
        names, cells, right=right, width=shutil.get_terminal_size().columns if screen else None
    )
    click.echo(click.style(heading, bold=True) if screen else heading)
    for line in body:
        click.echo(line)


def sentence(text: str) -> None:
    """Print a line of words, control characters shown as ``?``; on a terminal wrapped between them, never cut."""
    line = printable(text)
    if sys.stdout.isatty():
        width = max(20, shutil.get_terminal_size().columns)
        line = textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    click.echo(line)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Print ``name: value`` lines, aligned; empty values are left out."""
    kept = [(name, printable(str(value))) for name, value in pairs if value not in ("", None)]
    width = max((len(name) for name, _ in kept), default=0) + 1
    for name, value in kept:
        click.echo(f"{name + ':':<{width}} {value}")


def printable(text: str) -> str:
    """The text without what would steer a terminal: a mailbox may lawfully hold C1 controls (RFC 6531)."""
    return "".join(char if char.isprintable() else "?" for char in text)


def when(moment: datetime | None) -> str:
    """A moment in local time with its offset, to the second; "-" for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S%z") if moment else "-"


def span(length: timedelta) -> str:
    """A duration as people say it: 45s, 12m, 3h05m, 2d04h."""
    seconds = max(0, int(length.total_seconds()))
    match seconds:
        case _ if seconds < 60:
            return f"{seconds}s"
        case _ if seconds < 3600:
            return f"{seconds // 60}m"
        case _ if seconds < 86400:
            return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
        case _:
            return f"{seconds // 86400}d{seconds % 86400 // 3600:02d}h"


def octets(size: int) -> str:
    """A size in the units of people: octets below 10 000, then kB and MB of 1024."""
    match size:
        case _ if size < 10_000:
            return str(size)
        case _ if size < 10_000 * 1024:
            return f"{size / 1024:.0f}k"
        case _:
            return f"{size / 1024 / 1024:.1f}M"
