"""A hospital's no beside its yes: it may come after one. A hub of before, which would write the one in the place of the other, fails at once"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE dispatches RENAME COLUMN decision TO answer")
    op.add_column("dispatches", sa.Column("denial", sa.LargeBinary))
    op.execute("UPDATE dispatches SET denial = answer, answer = NULL WHERE state = 'denied'")


def downgrade() -> None:
    op.execute("UPDATE dispatches SET answer = denial WHERE state = 'denied'")
    op.drop_column("dispatches", "denial")
    op.execute("ALTER TABLE dispatches RENAME COLUMN answer TO decision")
