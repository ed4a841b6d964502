"""Stored completions with their metadata, and files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_completions",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("key_id", sa.String(48), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("metadata_json", sa.LargeBinary, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stored_completions"),
    )
    op.create_index("ix_stored_completions_scope", "stored_completions", ["org_id", "project_id", "created_us", "id", "size_bytes"])
    op.create_index("ix_stored_completions_model", "stored_completions", ["org_id", "project_id", "model", "created_us", "id"])
    op.create_index("ix_stored_completions_created_us", "stored_completions", ["created_us"])
    op.create_table(
        "stored_completion_tags",
        sa.Column("completion_id", sa.String(48), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.String(512), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("completion_id", "key", name="pk_stored_completion_tags"),
        sa.ForeignKeyConstraint(
            ["completion_id"],
            ["stored_completions.id"],
            name="fk_stored_completion_tags_completion_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_stored_completion_tags_pair",
        "stored_completion_tags",
        ["org_id", "project_id", "key", "value", "created_us", "completion_id"],
    )
    op.create_table(
        "files",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("org_id", sa.String(48), nullable=False),
        sa.Column("project_id", sa.String(48), nullable=False),
        sa.Column("key_id", sa.String(48), nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )
    op.create_index("ix_files_scope", "files", ["org_id", "project_id", "created_us", "id"])
    op.create_index("ix_files_expires_at", "files", ["expires_at"])


def downgrade() -> None:
    for table in ("files", "stored_completion_tags", "stored_completions"):
        op.drop_table(table)
