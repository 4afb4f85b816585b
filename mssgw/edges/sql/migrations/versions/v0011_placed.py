"""Under which number a letter was put into a patient's inbox, so that it is known from what he puts there himself."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("unopened", sa.Column("uid_validity", sa.BigInteger(), nullable=True))
    op.add_column("unopened", sa.Column("uid", sa.BigInteger(), nullable=True))
