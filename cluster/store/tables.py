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
    Text,
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


class StoredCompletionRow(Base):
    """A chat completion that was asked to be kept.

    Its organization and project are copied from the key, without foreign keys: a copy is written beside an answer that is being
    given, which must wait for no other table. ``response`` is OpenAI's object without ``metadata``, which may change.
    """

    __tablename__ = "stored_completions"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    key_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    model: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    created_us: Mapped[int]
    """When it was captured, in Unix microseconds: the order of lists."""
    size_bytes: Mapped[int]
    metadata_json: Mapped[bytes] = mapped_column(LargeBinary)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    response: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        # With the size, so that what an organization has stored can be summed without touching its rows.
        Index("ix_stored_completions_scope", "org_id", "project_id", "created_us", "id", "size_bytes"),
        Index("ix_stored_completions_model", "org_id", "project_id", "model", "created_us", "id"),
        Index("ix_stored_completions_created_us", "created_us"),
    )


class StoredCompletionTagRow(Base):
    """One pair of a stored completion's metadata, to be found by; scope and order are repeated for the index."""

    __tablename__ = "stored_completion_tags"

    completion_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("stored_completions.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(512))
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    created_us: Mapped[int]

    __table_args__ = (
        Index("ix_stored_completion_tags_pair", "org_id", "project_id", "key", "value", "created_us", "completion_id"),
    )


class FileRow(Base):
    """An uploaded file whose content is in object storage, whole and durable, under a name made of ``org_id`` and ``id``."""

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    key_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    filename: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(String(32))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_us: Mapped[int]
    expires_at: Mapped[int | None]
    """Unix seconds; ``None``: never."""

    __table_args__ = (
        Index("ix_files_scope", "org_id", "project_id", "created_us", "id"),
        Index("ix_files_expires_at", "expires_at"),
    )


class JobRow(Base):
    """A job. JSON columns hold what users see; the rest is how workers agree on who runs it."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    key_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    kind: Mapped[str] = mapped_column(String(48))
    state: Mapped[str] = mapped_column(String(16))
    spec: Mapped[bytes] = mapped_column(LargeBinary)
    progress: Mapped[bytes] = mapped_column(LargeBinary)
    result: Mapped[bytes | None] = mapped_column(LargeBinary)
    error: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_us: Mapped[int]
    """Unix microseconds: the order of lists and of turns."""
    started_at: Mapped[int | None]
    finished_at: Mapped[int | None]
    attempts: Mapped[int]
    """Runs that have begun."""
    failures: Mapped[int]
    """Runs in a row that ended in an unexpected error or with their worker, since the last step."""
    available_at: Mapped[float]
    """When a queued job may be leased: later than its creation after a failed run."""
    lease_token: Mapped[int]
    """Rises with each lease: a worker that holds an older one can write nothing."""
    lease_owner: Mapped[str | None] = mapped_column(String(LABEL_LENGTH))
    lease_expires_at: Mapped[float | None]
    """``None``: nobody has it."""
    event_sequence: Mapped[int]
    """Number of its last event."""
    revision: Mapped[int]
    """Rises with each change that users can see."""

    __table_args__ = (
        Index("ix_jobs_scope", "org_id", "project_id", "kind", "created_us", "id"),
        # What workers look for is a small part of all jobs.
        Index(
            "ix_jobs_open",
            "org_id",
            "state",
            "created_us",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_jobs_finished_at", "finished_at"),
    )


class JobTurnRow(Base):
    """An organization's turn with the workers. Whoever leases one of its jobs has this row locked."""

    __tablename__ = "job_turns"

    org_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    leased_us: Mapped[int]
    """When one of its jobs was leased last, in Unix microseconds; 0: never."""


class JobStepRow(Base):
    """A step of a job that was done, and what it gave."""

    __tablename__ = "job_steps"

    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(LABEL_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    output: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[int]


class JobEventRow(Base):
    """An event of a job; its number is given while the job's row is locked, so that there are no gaps and no twins."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    created_at: Mapped[int]
    level: Mapped[str] = mapped_column(String(8))
    type: Mapped[str] = mapped_column(String(48))
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    key: Mapped[str | None] = mapped_column(String(LABEL_LENGTH))

    __table_args__ = (UniqueConstraint("job_id", "key"),)


class FineTuningCheckpointRow(Base):
    """The weights of a fine-tuning job at the end of an epoch. Seen once ``published``: then there is a model of this name."""

    __tablename__ = "fine_tuning_checkpoints"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("jobs.id", ondelete="CASCADE"))
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    step: Mapped[int]
    model: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    path: Mapped[str] = mapped_column(Text)
    """Where the trainer left it."""
    metrics: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[int]
    published: Mapped[bool]

    __table_args__ = (UniqueConstraint("job_id", "step"),)


class TunedModelRow(Base):
    """A model that an organization had tuned. Its files are in the store of tuned models, under names made of ``location``."""

    __tablename__ = "tuned_models"

    name: Mapped[str] = mapped_column(String(LABEL_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    base_model: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    location: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    config_sha256: Mapped[str] = mapped_column(String(64))
    config_bytes: Mapped[int]
    weights_sha256: Mapped[str] = mapped_column(String(64))
    weights_bytes: Mapped[int]
    rank: Mapped[int]
    job_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    checkpoint_step: Mapped[int | None]
    created_us: Mapped[int]
    """Unix microseconds: the order of lists."""
    changed_us: Mapped[int]
    """When ``state`` was set, in Unix microseconds."""

    __table_args__ = (
        Index("ix_tuned_models_scope", "org_id", "created_us", "name"),
        Index("ix_tuned_models_state", "state", "changed_us"),
    )


class AuditRow(Base):
    """One action of administration, or an attempt at one. A trigger refuses to change or delete rows.

    No foreign keys: the log outlives what it names. Empty text stands for what isn't known or doesn't apply.
    """

    __tablename__ = "audit_events"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    at_us: Mapped[int]
    """Unix microseconds."""
    action: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    outcome: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(ID_LENGTH))
    target: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    org_id: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    """Longer than an id: in an attempt it is what the caller wrote."""
    request_id: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    error: Mapped[str] = mapped_column(String(LABEL_LENGTH))
    details_json: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("ix_audit_events_at_us_id", "at_us", "id"),
        Index("ix_audit_events_org_id_at_us", "org_id", "at_us"),
    )


class RevisionRow(Base):
    """A counter that rises with each change of some kind. Raised inside the change's transaction, it orders the changes."""

    __tablename__ = "revisions"

    name: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    value: Mapped[int]
