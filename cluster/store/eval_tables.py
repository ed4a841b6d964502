"""Tables of evals, their runs and what came out of each item. Rules as in :mod:`cluster.store.tables`."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cluster.store.tables import ID_LENGTH, Base

MODEL_LENGTH = 256
STATUS_LENGTH = 8
DIGEST_BYTES = 32


class EvalRow(Base):
    """``source``: its ``data_source_config`` as it was sent, ``shown_source``: as it is read back. JSON, like ``criteria``."""

    __tablename__ = "evals"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    key_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    name: Mapped[str] = mapped_column(Text)
    metadata_json: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[bytes] = mapped_column(LargeBinary)
    shown_source: Mapped[bytes] = mapped_column(LargeBinary)
    criteria: Mapped[bytes] = mapped_column(LargeBinary)
    size_bytes: Mapped[int]
    """Of what is shown of it."""
    created_us: Mapped[int]
    updated_us: Mapped[int]
    """Unix microseconds, as ``created_us``: the two orders of lists."""

    __table_args__ = (
        Index("ix_evals_created", "org_id", "project_id", "created_us", "id"),
        Index("ix_evals_updated", "org_id", "project_id", "updated_us", "id"),
    )


class EvalRunRow(Base):
    """Its state is that of the job of the same id."""

    __tablename__ = "eval_runs"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    eval_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("evals.id", ondelete="CASCADE"))
    org_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    key_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    name: Mapped[str] = mapped_column(Text)
    metadata_json: Mapped[bytes] = mapped_column(LargeBinary)
    model: Mapped[str] = mapped_column(String(MODEL_LENGTH))
    """The model that is asked; empty where none is."""
    data_source: Mapped[bytes] = mapped_column(LargeBinary)
    size_bytes: Mapped[int]
    """Of ``data_source``."""
    created_us: Mapped[int]

    __table_args__ = (
        Index("ix_eval_runs_eval", "eval_id", "created_us", "id"),
        Index("ix_eval_runs_org_id", "org_id"),
    )


class EvalRunTotalsRow(Base):
    """What a run has done so far: counts and usage of its items, as JSON. Apart from the run: this changes often, that is large.

    It changes in the transactions that write items, so that the two always agree. ``item_count``: ``None`` until it is known.
    """

    __tablename__ = "eval_run_totals"

    run_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("eval_runs.id", ondelete="CASCADE"), primary_key=True)
    item_count: Mapped[int | None]
    totals: Mapped[bytes] = mapped_column(LargeBinary)


class EvalOutputItemRow(Base):
    """What came out of the item at ``place`` (from 0) of a run's source: written once, and never changed.

    ``item_digest``: SHA-256 of the item, by which two runs are paired. ``item``, ``sample`` and ``grades`` are JSON.
    """

    __tablename__ = "eval_output_items"

    run_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("eval_runs.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    status: Mapped[str] = mapped_column(String(STATUS_LENGTH))
    item_digest: Mapped[bytes] = mapped_column(LargeBinary(DIGEST_BYTES))
    item: Mapped[bytes] = mapped_column(LargeBinary)
    sample: Mapped[bytes] = mapped_column(LargeBinary)
    grades: Mapped[bytes] = mapped_column(LargeBinary)
    size_bytes: Mapped[int]
    """Of the three together."""
    created_at: Mapped[int]

    __table_args__ = (Index("ix_eval_output_items_status", "run_id", "status", "place"),)
