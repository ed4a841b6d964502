"""Tuned models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tuned_models",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("base_model", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("location", sa.String(200), nullable=False),
        sa.Column("config_sha256", sa.String(64), nullable=False),
        sa.Column("config_bytes", sa.BigInteger, nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("weights_bytes", sa.BigInteger, nullable=False),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.String(48), nullable=True),
        sa.Column("checkpoint_step", sa.BigInteger, nullable=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tuned_models"),
    )
    op.create_index("ix_tuned_models_scope", "tuned_models", ["org_id", "created_us", "name"])
    op.create_index("ix_tuned_models_state", "tuned_models", ["state", "changed_us"])


def downgrade() -> None:
    op.drop_table("tuned_models")
