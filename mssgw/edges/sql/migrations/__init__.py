"""Alembic migrations, run by the daemon at start."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.sql.dialects import database

HEAD = "0012"  # the revision that tables.py describes
MOVED = "moved"  # in place of a revision


def migrate(url: str) -> None:
    """Bring the database of that URL up to date; other processes wait. Blocks. Raises StoreUnavailable."""
    place = database(url)
    with place.migration_lock():
        engine = place.engine(writing=True)
        try:
            with engine.connect() as connection:
                revision = _revision(connection)
                if revision == MOVED:
                    raise StoreUnavailable("this store was moved by `mssgw db copy`: set store.url to where it went")
                if revision is not None and revision > HEAD:  # four digits
                    _go_on_beside_a_later(revision, shared=place.keeps_bodies)
                elif revision != HEAD:
                    place.wait_as_needed(connection)  # an index over a year's trace
                    _upgrade(connection)
        except (SQLAlchemyError, OSError) as error:
            raise place.failure(error) from None


def _revision(connection: Connection) -> str | None:
    with connection.begin():
        there = inspect(connection)
        found: str | None = None
        if there.has_table("alembic_version"):
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found is None and there.has_table("messages"):  # lost with a page: no upgrade begins from there
            cure = f"give that row back from a backup; {HEAD} is its value, if this version of mssgw ran last"
            raise StoreUnavailable(f"the database has lost its revision (table alembic_version): {cure}")
        return found


def _go_on_beside_a_later(revision: str, *, shared: bool) -> None:
    """While nodes are replaced one by one an earlier one may start anew, or type a command: migrations only add.

    One machine alone has gone back to an earlier version. Raises StoreUnavailable there.
    """
    if not shared:
        raise StoreUnavailable(
            f"a later version of mssgw has used this database (revision {revision}, ours is {HEAD}): install that one "
            "again, or give back the database from before the upgrade"
        )


def _upgrade(connection: Connection) -> None:
    from alembic import command  # takes a while: commands of an operator do without it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "mssgw.edges.sql:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
