"""Letters that patients of ours have not opened."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "unopened",
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("spool_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("unopened_patient", "unopened", ["patient"], unique=False)
    op.create_index("unopened_delivered_at", "unopened", ["delivered_at"], unique=False)
