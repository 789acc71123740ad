"""Which signed refusals are in the log, and both of their forms"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logged_refusals",
        sa.Column("dispatch_id", sa.String, sa.ForeignKey("dispatches.id"), primary_key=True),
        sa.Column("from_size", sa.BigInteger, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("stamp", sa.LargeBinary, nullable=False),
        sa.Column("receipt", sa.LargeBinary),
        sa.Column("certified", sa.LargeBinary),
    )


def downgrade() -> None:
    op.drop_table("logged_refusals")
