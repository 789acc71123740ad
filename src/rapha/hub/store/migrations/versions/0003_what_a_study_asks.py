"""What a study asks of the sites: training, or feasibility alone"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studies", sa.Column("asks", sa.String, nullable=False, server_default="training"))


def downgrade() -> None:
    op.drop_column("studies", "asks")
