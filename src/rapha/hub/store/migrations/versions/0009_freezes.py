"""What hospitals froze before their runs, and both forms of it"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logged_freezes",
        sa.Column("dispatch_id", sa.String, sa.ForeignKey("dispatches.id"), primary_key=True),
        sa.Column("freeze", sa.LargeBinary, nullable=False),
        sa.Column("from_size", sa.BigInteger, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("stamp", sa.LargeBinary, nullable=False),
        sa.Column("receipt", sa.LargeBinary),
        sa.Column("certified", sa.LargeBinary),
    )


def downgrade() -> None:
    op.drop_table("logged_freezes")
