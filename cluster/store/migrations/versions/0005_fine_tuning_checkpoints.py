"""Checkpoints of fine-tuning jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fine_tuning_checkpoints",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("job_id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("metrics", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fine_tuning_checkpoints"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_fine_tuning_checkpoints_job_id", ondelete="CASCADE"),
        sa.UniqueConstraint("job_id", "step", name="uq_fine_tuning_checkpoints_job_id_step"),
    )


def downgrade() -> None:
    op.drop_table("fine_tuning_checkpoints")
