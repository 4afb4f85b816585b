"""Indexes for a long queue: nothing that is asked regularly looks at every row any more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("blocks_since", "blocks", ["since"], unique=False)
    op.create_index("conversations_state", "conversations", ["state", "since"], unique=False)
    op.create_index(
        "deliveries_not_queued",
        "deliveries",
        ["state", "due_at"],
        unique=False,
        sqlite_where=sa.text("state <> 'queued'"),
        postgresql_where=sa.text("state <> 'queued'"),
    )
    # It was restricted to `spool_id IS NOT NULL`. Of a column that is never NULL SQLite knows that to be true, forgets
    # the condition, and then cannot tell that a question about one letter implies it: it read the whole journal.
    op.drop_index("journal_spool_id", "journal")
    op.create_index("journal_spool_id", "journal", ["spool_id"], unique=False)
    op.create_index("strikes_at", "strikes", ["at"], unique=False)
