"""The registry of the patients whose mailboxes we keep."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "patients",
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_matricule", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("sealed_email", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_password", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("patient"),
        sqlite_with_rowid=False,
    )
    op.create_index("patients_since", "patients", ["since"], unique=False)
    op.create_index("patients_state", "patients", ["state", "since"], unique=False)
