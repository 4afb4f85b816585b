"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("patient"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "blocks",
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("bal", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_patient", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_bal", sa.LargeBinary(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("patient", "bal"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conversations",
        sa.Column("pair", sa.LargeBinary(), nullable=False),
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("bal", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_patient", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_bal", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pair"),
        sqlite_with_rowid=False,
    )
    op.create_index("conversations_bal", "conversations", ["bal"], unique=False)
    op.create_index("conversations_patient", "conversations", ["patient"], unique=False)
    op.create_table(
        "data_keys",
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("spool_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("warned", sa.SmallInteger(), nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("last_reply", sa.LargeBinary(), nullable=True),
        sa.Column("held_because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("spool_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["lease_until", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=True),
        sa.Column("sender", sa.LargeBinary(), nullable=True),
        sa.Column("recipient", sa.LargeBinary(), nullable=True),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reply_code", sa.SmallInteger(), nullable=True),
        sa.Column("reply_status", sa.Text(), nullable=False),
        sa.Column("next_hop", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_at", "journal", ["at"], unique=False)
    op.create_index(
        "journal_message_id",
        "journal",
        ["message_id"],
        unique=False,
        sqlite_where=sa.text("message_id IS NOT NULL"),
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(
        "journal_recipient",
        "journal",
        ["recipient"],
        unique=False,
        sqlite_where=sa.text("recipient IS NOT NULL"),
        postgresql_where=sa.text("recipient IS NOT NULL"),
    )
    op.create_index(
        "journal_sender",
        "journal",
        ["sender"],
        unique=False,
        sqlite_where=sa.text("sender IS NOT NULL"),
        postgresql_where=sa.text("sender IS NOT NULL"),
    )
    op.create_index(
        "journal_spool_id",
        "journal",
        ["spool_id"],
        unique=False,
        sqlite_where=sa.text("spool_id IS NOT NULL"),
        postgresql_where=sa.text("spool_id IS NOT NULL"),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pair", sa.LargeBinary(), nullable=False),
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=True),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("receipt_to", sa.LargeBinary(), nullable=False),
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.SmallInteger(), nullable=False),
        sa.Column("receipt_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("letters_message_id", "letters", ["message_id"], unique=False)
    op.create_index("letters_patient", "letters", ["patient"], unique=False)
    op.create_table(
        "messages",
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("wire_size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("inline", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("spool_id"),
    )
    op.create_table(
        "store_secret",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "strikes",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
        sqlite_with_rowid=False,
    )
