"""The directory of mailboxes: editions of the national extraction, and what operators set by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "directory_editions",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("mailboxes", sa.Integer(), nullable=False),
        sa.Column("pharmacies", sa.Integer(), nullable=False),
        sa.Column("structures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("generation"),
        sqlite_with_rowid=False,
    )
    op.create_index("directory_editions_standing", "directory_editions", ["standing"], unique=False)
    op.create_table(
        "directory_mailboxes",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("structure", sa.Text(), nullable=False),
        sa.Column("pharmacy", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "mailbox"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "directory_overrides",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("pharmacy", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "directory_pharmacies",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("structure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "structure"),
        sqlite_with_rowid=False,
    )
