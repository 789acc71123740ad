"""The keys that a site had before, when each is believed, and the signed changes between them"""

import sqlalchemy as sa
from alembic import op

from rapha.errors import ConfigurationError

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    twice = (
        op.get_bind().execute(sa.text("SELECT min(id), max(id) FROM sites GROUP BY keyid HAVING count(*) > 1")).first()
    )
    if twice:
        raise ConfigurationError(
            f"the sites {twice[0]} and {twice[1]} were enrolled with one key, and from this version on a key is one site's: "
            "nothing was changed; take one of them out of the table `sites`, and enrol it anew with a key of its own"
        )
    op.create_table(
        "site_keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String, sa.ForeignKey("sites.id"), nullable=False),
        sa.Column("keyid", sa.String, nullable=False, unique=True),
        sa.Column("public_key", sa.String, nullable=False),
        sa.Column("window", sa.LargeBinary),
    )
    op.create_index("ix_site_keys_site", "site_keys", ["site"])
    op.execute(
        "INSERT INTO site_keys (site, keyid, public_key) SELECT id, keyid, public_key FROM sites ORDER BY enrolled_at"
    )
    op.create_table(
        "key_changes",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String, sa.ForeignKey("sites.id")),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("receipt", sa.LargeBinary, nullable=False),
        sa.Column("from_size", sa.BigInteger, nullable=False),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("stamp", sa.LargeBinary),
        sa.Column("certified", sa.LargeBinary),
    )


def downgrade() -> None:
    for name in ("key_changes", "site_keys"):
        op.drop_table(name)
