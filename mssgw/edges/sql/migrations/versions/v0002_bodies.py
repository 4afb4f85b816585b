"""Bodies in PostgreSQL, and how PostgreSQL stores and tidies what changes all the time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Sealed octets do not compress: keep PostgreSQL from trying.
_SEALED = (("body_segments", "sealed"), ("messages", "sealed"), ("messages", "inline"))
# Every row is deleted within minutes of its last outcome: tidy by rows that went, not by a share of the table.
_BRIEF = ("body_segments", "messages", "data_keys", "deliveries")


def upgrade() -> None:
    op.create_table(
        "body_segments",
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("spool_id", "number"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, column in _SEALED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    for table in _BRIEF:
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500,"
            " autovacuum_analyze_scale_factor = 0.2)"
        )
