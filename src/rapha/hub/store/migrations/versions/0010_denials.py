"""A hospital's no beside its yes: it may come after one"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dispatches", sa.Column("denial", sa.LargeBinary))
    op.execute("UPDATE dispatches SET denial = decision, decision = NULL WHERE state = 'denied'")


def downgrade() -> None:
    op.execute("UPDATE dispatches SET decision = denial WHERE state = 'denied'")
    op.drop_column("dispatches", "denial")
