"""What several hubs on one database share besides: seen tokens, the public log, who they are"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seen_tokens",
        sa.Column("site", sa.String, primary_key=True),
        sa.Column("jti", sa.String, primary_key=True),
        sa.Column("forget_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_seen_tokens_forget_at", "seen_tokens", ["forget_at"])
    op.create_table(
        "log_files",
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "hub_identity",
        sa.Column("what", sa.String, primary_key=True),
        sa.Column("keys", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for name in ("hub_identity", "log_files", "seen_tokens"):
        op.drop_table(name)
