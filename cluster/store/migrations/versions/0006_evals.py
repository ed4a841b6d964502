"""Evals, their runs and output items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evals",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("key_id", sa.String(48), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("metadata_json", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.LargeBinary, nullable=False),
        sa.Column("shown_source", sa.LargeBinary, nullable=False),
        sa.Column("criteria", sa.LargeBinary, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evals"),
    )
    op.create_index("ix_evals_created", "evals", ["org_id", "project_id", "created_us", "id"])
    op.create_index("ix_evals_updated", "evals", ["org_id", "project_id", "updated_us", "id"])
    op.create_table(
        "eval_runs",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("eval_id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("key_id", sa.String(48), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("metadata_json", sa.LargeBinary, nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("data_source", sa.LargeBinary, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_runs"),
        sa.ForeignKeyConstraint(["eval_id"], ["evals.id"], name="fk_eval_runs_eval_id", ondelete="CASCADE"),
    )
    op.create_index("ix_eval_runs_eval", "eval_runs", ["eval_id", "created_us", "id"])
    op.create_index("ix_eval_runs_org_id", "eval_runs", ["org_id"])
    op.create_table(
        "eval_run_totals",
        sa.Column("run_id", sa.String(48), nullable=False),
        sa.Column("item_count", sa.BigInteger, nullable=True),
        sa.Column("totals", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_eval_run_totals"),
        sa.ForeignKeyConstraint(["run_id"], ["eval_runs.id"], name="fk_eval_run_totals_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "eval_output_items",
        sa.Column("run_id", sa.String(48), nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("item_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("item", sa.LargeBinary, nullable=False),
        sa.Column("sample", sa.LargeBinary, nullable=False),
        sa.Column("grades", sa.LargeBinary, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "place", name="pk_eval_output_items"),
        sa.ForeignKeyConstraint(["run_id"], ["eval_runs.id"], name="fk_eval_output_items_run_id", ondelete="CASCADE"),
        sa.UniqueConstraint("id", name="uq_eval_output_items_id"),
    )
    op.create_index("ix_eval_output_items_status", "eval_output_items", ["run_id", "status", "place"])


def downgrade() -> None:
    for table in ("eval_output_items", "eval_run_totals", "eval_runs", "evals"):
        op.drop_table(table)
