"""Organizations, projects, API keys, the usage ledger, revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name="fk_projects_org_id"),
        sa.UniqueConstraint("org_id", "name", name="uq_projects_org_id_name"),
        sa.UniqueConstraint("id", "org_id", name="uq_projects_id_org_id"),
    )
    op.create_index(
        "ix_projects_one_default",
        "projects",
        ["org_id"],
        unique=True,
        sqlite_where=sa.text("is_default"),
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=True),
        sa.Column("project_id", sa.String(48), nullable=True),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("hint", sa.String(4), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger, nullable=True),
        sa.Column("revoked_at", sa.BigInteger, nullable=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_hash", name="uq_api_keys_secret_hash"),
        sa.ForeignKeyConstraint(["project_id", "org_id"], ["projects.id", "projects.org_id"], name="fk_api_keys_project_id_org_id"),
        sa.CheckConstraint(
            "(admin AND org_id IS NULL AND project_id IS NULL) OR (NOT admin AND org_id IS NOT NULL AND project_id IS NOT NULL)",
            name=op.f("ck_api_keys_scope"),
        ),
    )
    op.create_index("ix_api_keys_org_id", "api_keys", ["org_id"])
    op.create_index("ix_api_keys_revision", "api_keys", ["revision"])
    op.create_table(
        "usage_ledger",
        sa.Column("request_id", sa.String(200), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("key_id", sa.String(48), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("edge", sa.String(200), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("shown_cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(200), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("duration_s", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage_ledger"),
    )
    op.create_index("ix_usage_ledger_org_id_started_at", "usage_ledger", ["org_id", "started_at"])
    revisions = op.create_table(
        "revisions",
        sa.Column("name", sa.String(48), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_revisions"),
    )
    op.bulk_insert(revisions, [{"name": "identity", "value": 0}])


def downgrade() -> None:
    for table in ("revisions", "usage_ledger", "api_keys", "projects", "organizations"):
        op.drop_table(table)
