"""What a way of averaging keeps between rounds; where a paused study returns to"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rounds", sa.Column("kept", sa.String))
    op.add_column("studies", sa.Column("paused_from", sa.String))


def downgrade() -> None:
    op.drop_column("studies", "paused_from")
    op.drop_column("rounds", "kept")
