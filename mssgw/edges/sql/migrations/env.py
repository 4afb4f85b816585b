"""Alembic calls this; the connection comes from ``migrate`` or, for developers, from the test that compares."""

from alembic import context

from mssgw.edges.sql.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
