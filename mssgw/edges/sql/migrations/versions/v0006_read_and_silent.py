"""Letters that nobody has read, exchanges that fell silent, and mailboxes whose readers are to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_UNREAD = "receipt_at IS NULL AND length(receipt_to) > 0"


def upgrade() -> None:
    op.create_index(
        "letters_unread",
        "letters",
        ["seen_at"],
        unique=False,
        sqlite_where=sa.text(_UNREAD),
        postgresql_where=sa.text(_UNREAD),
    )
    # Which exchanges of a mailbox are open since when, without looking at those of all the others.
    op.drop_index("conversations_bal", "conversations")
    op.create_index("conversations_bal", "conversations", ["bal", "state", "since"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("mailbox", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_mailbox", sa.LargeBinary(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "notifications_due",
        "notifications",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("waiting > 0"),
        postgresql_where=sa.text("waiting > 0"),
    )
