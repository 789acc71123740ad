"""The first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _people_and_sites()
    _studies()
    _work()
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("study_id", sa.String),
        sa.Column("site", sa.String),
        sa.Column("round", sa.Integer),
        sa.Column("facts", sa.LargeBinary, nullable=False),
    )
    op.create_index("audit_of_study", "audit", ["study_id", "number"])
    _audit_is_never_changed()


def _audit_is_never_changed() -> None:
    """A log that can be rewritten by mistake is none."""
    here = op.get_bind().dialect.name
    if here == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''the audit log is never changed''; END'"
        )
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_never_changed()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER audit_no_{verb} BEFORE {verb.upper()} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is never changed'); END"
        )


def _people_and_sites() -> None:
    op.create_table(
        "sites",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("public_key", sa.String, nullable=False),
        sa.Column("keyid", sa.String, nullable=False),
        sa.Column("profile", sa.LargeBinary),
        sa.Column("enrolled_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "enrolment_codes",
        sa.Column("code_hash", sa.String, primary_key=True),
        sa.Column("site", sa.String, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("used_by", sa.String),
    )
    op.create_table(
        "researcher_tokens",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("secret_hash", sa.String, nullable=False),
        sa.Column("researcher", sa.String, nullable=False),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("study", sa.LargeBinary, nullable=False),
        sa.Column("researcher", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("delivery", sa.LargeBinary),
    )
    op.create_table(
        "dispatches",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("study_id", sa.String, sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("site", sa.String, sa.ForeignKey("sites.id"), nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("feasible", sa.LargeBinary),
        sa.Column("decision", sa.LargeBinary),
        sa.Column("reason", sa.String),
        sa.Column("stopped", sa.Boolean, nullable=False),
        sa.UniqueConstraint("study_id", "site"),
    )
    op.create_index("dispatches_of_site", "dispatches", ["site", "stopped"])


def _work() -> None:
    op.create_table(
        "rounds",
        sa.Column("study_id", sa.String, sa.ForeignKey("studies.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("do", sa.String, nullable=False),
        sa.Column("weights_in", sa.String),
        sa.Column("weights_out", sa.String),
        sa.Column("deadline", sa.DateTime, nullable=False),
        sa.Column("closed_at", sa.DateTime),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("study_id", sa.String, sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("dispatch_id", sa.String, sa.ForeignKey("dispatches.id"), nullable=False),
        sa.Column("site", sa.String, sa.ForeignKey("sites.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("do", sa.String, nullable=False),
        sa.Column("task", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("result", sa.LargeBinary),
        sa.Column("blob", sa.String),
        sa.UniqueConstraint("study_id", "number", "site"),
    )
    op.create_index("tasks_of_site", "tasks", ["site", "state"])
    op.create_index("ix_tasks_blob", "tasks", ["blob"])
    op.create_table(
        "uploads",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("site", sa.String, sa.ForeignKey("sites.id"), primary_key=True),
    )
    op.create_table(
        "delivered",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("study_id", sa.String, sa.ForeignKey("studies.id"), primary_key=True),
    )


def downgrade() -> None:
    for name in (
        "delivered",
        "uploads",
        "tasks",
        "rounds",
        "dispatches",
        "studies",
        "researcher_tokens",
        "enrolment_codes",
        "sites",
    ):
        op.drop_table(name)
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_never_changed()")
