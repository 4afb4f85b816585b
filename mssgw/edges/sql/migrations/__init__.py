"""Alembic migrations, run by the daemon at start."""

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from mssgw.edges.sql.dialects import database


def migrate(url: str) -> None:
    """Bring the database of that URL up to date; other processes wait. Blocks. Raises StoreUnavailable."""
    place = database(url)
    config = Config()
    config.set_main_option("script_location", "mssgw.edges.sql:migrations")
    with place.migration_lock():
        engine = place.engine(writing=True)
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (SQLAlchemyError, OSError) as error:
            raise place.failure(error) from None
