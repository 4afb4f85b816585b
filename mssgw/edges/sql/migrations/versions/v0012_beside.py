"""An index for what waits for one next hop, beside the backlog of another."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index(
        "deliveries_of_domain",
        "deliveries",
        ["domain", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued' AND coalesce(lease_until, 0) = 0"),
        postgresql_where=sa.text("state = 'queued' AND coalesce(lease_until, 0) = 0"),
    )
