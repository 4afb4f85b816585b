"""``mssgw db``: the database itself."""

import re
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from mssgw.app.cli import letters, paper
from mssgw.app.cli.exits import Code, Failure
from mssgw.app.cli.opening import at_the_office, become_owner, config_option
from mssgw.app.cli.people import operator
from mssgw.app.office import Office

_SQLITE, _POSTGRES = re.compile(r"sqlite:///.+"), re.compile(r"postgresql(\+psycopg)?://[^/]*/.+")


@click.group()
def db() -> None:
    """The database."""


@db.command()
@config_option
@click.option("--from", "source", metavar="URL", help="The SQLite database. [default: store.url of the configuration]")
@click.option("--to", "target", metavar="URL", required=True, help="The PostgreSQL database, which must be empty.")
@click.option("--keep-source", is_flag=True, help="Leave the source fit for use: only to try things out.")
def copy(config_path: Path, source: str | None, target: str, keep_source: bool) -> None:
    """Copy an installation from SQLite to PostgreSQL, large letters included. Stop the daemon first.

    All or nothing: a copy that is cut short leaves the target empty, and a target that is not empty is refused. Rows
    are counted on both sides before it is done. Nothing is decrypted: the master key stays the same.

    The password of the target is that of [store] password_file.

    Afterwards the source opens no more: two daemons, one on each, would deliver every waiting letter twice. Put the
    new URL into store.url, start the daemon, then delete the old database and spool: they still hold letters.

    \b
    Examples:
      systemctl stop 'mssgw*.socket' mssgw.service
      mssgw db copy --to 'postgresql+psycopg://mssgw@db.chu.fr/mssgw?sslmode=verify-full'
    """
    if source is not None and not _SQLITE.fullmatch(source):  # a URL may hold a password, and is not repeated
        raise Failure(Code.DATA, "db copy: --from: expected sqlite:////var/lib/mssgw/mssgw.db")
    if not _POSTGRES.fullmatch(target):
        raise Failure(
            Code.DATA, "db copy: --to: expected postgresql+psycopg://HOST/DATABASE, as in `mssgw db copy --help`"
        )
    from mssgw.app import config as configuration  # they pull in the database: not for --help
    from mssgw.app.config.store_checks import holds_password

    if holds_password(target):
        raise Failure(
            Code.DATA, "db copy: --to: expected no password, which `ps` shows: put it into [store] password_file"
        )
    from mssgw.app.stores import with_password
    from mssgw.edges.sql.dialects import database
    from mssgw.edges.store_lock import store_lock

    config = configuration.load(config_path)
    become_owner(config.gateway.state_dir)
    try:
        database(target)
        from mssgw.edges.sql.copying import copy_store  # needs the extra

        with store_lock(config.gateway.state_dir, alone=True), _progress() as progress:
            task = progress.add_task("", total=None)

            def advance(table: str, done: int, total: int) -> None:
                progress.update(task, description=table, completed=done, total=total)

            counts = copy_store(
                source or config.database_url,
                with_password(target, config),
                config.spool_dir,
                advance,
                keep_source=keep_source,
            )
    except ValueError as error:
        raise Failure(Code.DATA, str(error)) from None
    paper.facts(counts.items())
    if counts["missing"]:
        click.echo("mssgw: missing: letters whose spool file was not there, or cut; they will be set aside", err=True)


@db.command()
@at_the_office(alone=True, limit=None)
async def mend(office: Office) -> None:
    """Find the deliveries that a damaged page took along, after the database was repaired. Stop the daemon first.

    Of a letter whose deliveries are lost nothing would ever leave, and its sender would not be told. Each one is held,
    `row-lost`, for nobody knows whether it had left: `queue show`, then `release` or `bounce`. What the trace knows to
    be delivered or bounced is not held. Running it again is harmless.

    \b
    Example:
      mssgw db mend
      mssgw queue list --state held
    """
    held = await office.desk.mend(operator=operator(), now=office.clock.now())
    click.echo(f"{letters.count(held, 'lost delivery is', 'lost deliveries are')} held")


def _progress() -> Progress:
    """A bar on stderr when that is a terminal."""
    screen = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.completed}")
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
