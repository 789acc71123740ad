"""What certifies a release, as of when it was taken"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stamped_releases",
        sa.Column("task_id", sa.String, sa.ForeignKey("tasks.id"), primary_key=True),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("stamp", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("stamped_releases")
