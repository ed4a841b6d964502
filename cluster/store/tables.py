"""The tables, as the newest migration leaves them (a test compares the two).

Times are Unix seconds. Every row carries its organization. Ids are made by the cluster, never by the database, so that a row can
be named before it is written.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_LENGTH = 48
NAME_LENGTH = 100
LABEL_LENGTH = 200
"""Longest model id, request id or error code in the ledger, in characters."""

IDENTITY_REVISION = "identity"
"""Name of the revision that rises with each change after which a cached key may be wrong."""


class Base(DeclarativeBase):
    # Fixed names, so that later migrations can address each constraint on both databases.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {int: BigInteger, float: Double}


class OrganizationRow(Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), unique=True)
    created_at: Mapped[int]


class ProjectRow(Base):
    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    is_default: Mapped[bool]
    created_at: Mapped[int]

    __table_args__ = (
        UniqueConstraint("org_id", "name"),
        UniqueConstraint("id", "org_id"),
        Index(
            "ix_projects_one_default",
            "org_id",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
    )


class ApiKeyRow(Base):
    """A key, or what may be kept of it: the SHA-256 of its secret and the last four characters."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    org_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    admin: Mapped[bool]
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hint: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[int]
    last_used_at: Mapped[int | None]
    revoked_at: Mapped[int | None]
    revision: Mapped[int] = mapped_column(index=True)
    """The identity revision that this key's last change made."""

    __table_args__ = (
        # A key's project is always one of the key's organization.
        ForeignKeyConstraint(["project_id", "org_id"], ["projects.id", "projects.org_id"]),
        CheckConstraint(
            "(admin AND org_id IS NULL AND project_id IS NULL) OR (NOT admin AND org_id IS NOT NULL AND project_id IS NOT NULL)",
            name="scope",
        ),
        Index("ix_api_keys_org_id", "org_id"),
    )


class UsageRow(Base):
    """One finished request. No foreign keys: the ledger outlives what it names, and a bill needs no join to be written."""

    __tablename__ = "usage_ledger"

    request_id: Mapped[str] = mapped_column(String(LABEL_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    key_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    model: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    edge: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    shown_cached_tokens: Mapped[int]
    status: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    started_at: Mapped[float]
    duration_s: Mapped[float]

    __table_args__ = (Index("ix_usage_ledger_org_id_started_at", "org_id", "started_at"),)


class RevisionRow(Base):
    """A counter that rises with each change of some kind. Raised inside the change's transaction, it orders the changes."""

    __tablename__ = "revisions"

    name: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    value: Mapped[int]
