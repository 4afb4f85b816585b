"""Alembic migrations, run by the daemon at start."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from mssgw.core.errors import StoreUnavailable
from mssgw.edges.sql.dialects import database

MOVED = "moved"  # in place of a revision


def migrate(url: str) -> None:
    """Bring the database of that URL up to date; other processes wait. Blocks. Raises StoreUnavailable."""
    place = database(url)
    config = Config()
    config.set_main_option("script_location", "mssgw.edges.sql:migrations")
    with place.migration_lock():
        engine = place.engine(writing=True)
        try:
            with engine.connect() as connection:
                if _is_moved(connection):
                    raise StoreUnavailable("this store was moved by `mssgw db copy`: set store.url to where it went")
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (SQLAlchemyError, OSError) as error:
            raise place.failure(error) from None


def _is_moved(connection: Connection) -> bool:
    with connection.begin():
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == MOVED
