"""``mssgw directory import``: read everything, write it beside the mail, say what changes, and only then go by it."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePath
from typing import BinaryIO

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, Failure, no
from mssgw.app.cli.opening import at_the_office, json_option
from mssgw.app.cli.people import operator
from mssgw.app.office import Office
from mssgw.core.directory import Change, Edition, Listing, UnusableDirectory, objections
from mssgw.edges.clock import SystemClock
from mssgw.flow.directory import Advance, Draft, Import, draft, made_at
from mssgw.formats import structures as types
from mssgw.formats.extraction import Extraction
from mssgw.formats.published import Published, published

_FILE = click.File("rb")  # opened before the command goes on as the gateway's user: root's files will do


@click.command("import", short_help="Take the national extraction of mailboxes.")
@click.argument("file", type=_FILE)
@click.option(
    "--structures", type=_FILE, help='Types of structures: CSV, "identification;code" (SA33, SA38, SA39: pharmacies).'
)
@click.option("--finess", type=_FILE, help="The extraction of FINESS establishments (categories 620, 628, 629).")
@click.option("--yes", is_flag=True, help="Take it without asking, although much of the one in force is gone.")
@json_option
@at_the_office(limit=None, founds=True)
async def import_(
    office: Office, file: BinaryIO, structures: BinaryIO | None, finess: BinaryIO | None, *, yes: bool, as_json: bool
) -> None:
    """Take the national extraction of mailboxes, as text or ZIP ("-": standard input), in the place of the last one.

    It does not say which structures are pharmacies: --structures or --finess (text or ZIP; or both) do, and later
    imports without them go on with what they said. Mail goes on meanwhile; a file that is not whole changes nothing.
    When more than a fifth of the mailboxes or of the pharmacies is gone, or the file is older than the one in force, it
    asks; where nobody can answer, it is refused (exit code 1) without --yes. Journalled with your name.

    \b
    Examples:
      mssgw directory import Extraction_Correspondance_MSSante.zip --finess etalab-cs1100507-stock.csv
      mssgw directory import - < Extraction_Correspondance_MSSante.zip
      mssgw directory import extraction.txt --structures structures.csv --yes --json
    """
    known = await _pharmacies(office, structures, finess)
    opened, read, made = _read(file, known)
    edition = Edition(
        made_at=made_at(opened.stamp or _stamp(file), _stat(file)[1], now := datetime.now(UTC)),
        imported_at=now,
        source=_name(file),
        fingerprint=opened.fingerprint,
        mailboxes=len(made),
        pharmacies=made.pharmacies,
        structures=len(known),
    )
    importing = Import(office.directory, SystemClock())
    with _progress("writing", len(made)) as advance:
        change = await importing.stage(made, known, advance)
    before = await office.directory.edition()
    against = [f"{kind}: {told}" for kind, told in objections(edition, before, change)]
    if against and not yes and not _confirmed(edition, change, against):
        await importing.abandon()
        await _tidy(office)
        raise no(f"directory import: refused, the one in force stays: {'; '.join(against)}; --yes takes it")
    await importing.adopt(edition, operator=operator())
    await _tidy(office)
    _tell(edition, change, read, made, as_json=as_json)
    _warn(office, edition)


async def _pharmacies(office: Office, structures: BinaryIO | None, finess: BinaryIO | None) -> frozenset[str]:
    """What the files say, else what was known before. Raises Failure."""
    given = [(structures, types.from_csv), (finess, types.from_finess)]
    found = [_whole(file, read) for file, read in given if file is not None]
    return frozenset().union(*found) if found else await office.directory.pharmacies()


def _whole(file: BinaryIO, read: Callable[[Published], frozenset[str]]) -> frozenset[str]:
    with _failing(file):
        return read(published(file, _name(file)))


def _read(file: BinaryIO, known: frozenset[str]) -> tuple[Published, Extraction, Draft]:
    """All of the extraction. Raises Failure."""
    with _failing(file):
        opened = published(file, _name(file), _stat(file)[0])
        read = Extraction(opened)
        with _progress("reading", opened.size) as advance:
            return opened, read, draft(_counted(read, opened, advance), known)


def _counted(read: Extraction, opened: Published, advance: Advance) -> Iterator[Listing]:
    told = 0
    for listing in read.listings():
        if opened.read != told:
            advance(opened.read - told)
            told = opened.read
        yield listing


@contextmanager
def _failing(file: BinaryIO) -> Iterator[None]:
    try:
        yield
    except UnusableDirectory as error:
        raise Failure(Code.DATA, f"{getattr(file, 'name', '<stdin>')}: {error}; nothing imported") from None


def _stamp(file: BinaryIO) -> datetime | None:
    return Published(name=_name(file), size=None, pieces=iter(())).stamp


def _name(file: BinaryIO) -> str:
    return PurePath(getattr(file, "name", "<stdin>")).name


def _stat(file: BinaryIO) -> tuple[int | None, datetime]:
    """Size, if known, and when it was written last: a pipe is written now."""
    try:
        found = os.fstat(file.fileno())
    except OSError:
        return None, datetime.now(UTC)
    if not stat.S_ISREG(found.st_mode):
        return None, datetime.now(UTC)
    return found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)


def _confirmed(edition: Edition, change: Change, against: list[str]) -> bool:
    """Ask whoever sits there; nobody means no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    for each in against:
        click.echo(f"warning: {each}", err=True)
    click.echo(f"{change.added} added, {change.removed} gone, {edition.mailboxes} in all", err=True)
    return click.confirm("Take it all the same?", err=True)


async def _tidy(office: Office) -> None:
    left = (await office.directory.overview()).leftover
    with _progress("erasing", left) as advance:
        await office.directory.tidy(advance)


@contextmanager
def _progress(doing: str, total: int | None) -> Iterator[Advance]:
    """A bar on stderr when that is a terminal; the callable takes how much more is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda much: progress.advance(task, much)


def _tell(edition: Edition, change: Change, read: Extraction, made: Draft, *, as_json: bool) -> None:
    told = {
        "mailboxes": edition.mailboxes,
        "pharmacies": edition.pharmacies,
        "made_at": edition.made_at,
        "before": change.before,
        "added": change.added,
        "removed": change.removed,
        "other_kind": change.other_kind,
        "pharmacies_gained": change.pharmacies_gained,
        "pharmacies_lost": change.pharmacies_lost,
        "rows": read.rows,
        "repeated": made.repeated,
        "unreadable": read.unreadable,
    }
    if as_json:
        paper.json_line(told | {"gained": change.gained, "lost": change.lost})
        return
    told["made_at"] = paper.when(edition.made_at)
    paper.facts((name.replace("_", " "), value) for name, value in told.items())
    for title, number, some in (
        ("Patients may write first to", change.pharmacies_gained, change.gained),
        ("Patients may no longer write first to", change.pharmacies_lost, change.lost),
    ):
        if some and change.before:  # the first time they are all new
            click.echo(f"\n{title}")
            for each in some:
                click.echo(f"  {paper.printable(each)}")
            if number > len(some):
                click.echo(f"  and {number - len(some)} more")


def _warn(office: Office, edition: Edition) -> None:
    if not edition.pharmacies:
        message = "no mailbox is known as a pharmacy's: import again with --structures or --finess"
        click.echo(f"warning: {message}", err=True)
    max_age = office.settings.directory_max_age
    if max_age is None:
        click.echo("warning: no [directory] in the configuration: the gateway does not go by it", err=True)
    elif edition.age(edition.imported_at) > max_age:
        click.echo("warning: it is too old to be gone by: see `mssgw directory status`", err=True)
