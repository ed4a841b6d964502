"""Evals."""

from __future__ import annotations

from pydantic import Field

from cluster.config.settings.section import Section


class EvalsSettings(Section):
    """Evals (`/v1/evals`): their runs and graders."""

    python_graders: bool = Field(
        True, description="Run graders in Python, where this host has bubblewrap and its sandbox holds; off: they are refused."
    )
    bubblewrap: str = Field("bwrap", min_length=1, description="Program that makes the sandbox: a name in PATH, or its path.")
    sandbox_concurrency: int = Field(2, ge=1, le=1024, description="Sandboxes that run at a time in one process.")
    sandbox_memory_bytes: int = Field(512 << 20, ge=64 << 20, description="Address space of one sandbox, in bytes.")
    sandbox_cpu_s: int = Field(10, ge=1, le=3600, description="Processor time of one grading in Python, in seconds.")
    sandbox_wall_s: float = Field(30.0, gt=0, le=7200, description="Longest grading in Python, start included, in seconds.")
    sandbox_output_bytes: int = Field(
        64 << 10, ge=4096, le=16 << 20, description="What a grader may print, on both streams together, in bytes."
    )
    sandbox_tmp_bytes: int = Field(32 << 20, ge=4096, description="A sandbox's own `/tmp`, in bytes of memory.")
    sandbox_file_bytes: int = Field(16 << 20, ge=4096, description="Largest file in a sandbox's `/tmp`, in bytes.")
    sandbox_open_files: int = Field(64, ge=16, le=4096, description="Files that a grader may have open.")
    sandbox_input_bytes: int = Field(8 << 20, ge=4096, description="Source, sample and item together, as JSON, in bytes.")
    judge_attempts: int = Field(
        3, ge=1, le=10, description="How often a model that grades is asked about one item before the item counts as an error."
    )
    judge_max_delay_s: float = Field(30.0, gt=0, description="Longest wait before a busy cluster is asked again, in seconds.")
    judge_timeout_s: float = Field(120.0, gt=0, description="Longest answer of a model that grades, in seconds.")
    item_concurrency: int = Field(8, ge=1, le=1024, description="Items of one run that are sampled and graded at a time.")
    sample_attempts: int = Field(
        8, ge=1, le=100, description="How often an evaluated model is asked about one item before the item counts as an error."
    )
    sample_max_delay_s: float = Field(
        30.0, gt=0, description="Longest wait before a busy cluster is asked about an item again, in seconds."
    )
    sample_timeout_s: float = Field(600.0, gt=0, description="Longest answer of an evaluated model, in seconds.")
    max_items_per_run: int = Field(50_000, ge=1, le=100_000, description="Items of one run; a source with more is refused.")
    max_item_bytes: int = Field(4 << 20, ge=1024, description="Longest line of a file that is evaluated, in bytes.")
    max_source_bytes: int = Field(256 << 20, ge=1024, description="Largest file that is evaluated, in bytes.")
    max_evals_per_organization: int = Field(1000, ge=1, description="Evals of one organization; a further one gets 403.")
    max_runs_per_organization: int = Field(10_000, ge=1, description="Kept runs of one organization; a further one gets 403.")
    run_retention_s: float = Field(
        7_776_000.0,
        ge=1,
        description="How long a run is kept after its end, with its output items, in seconds (90 days). Holds for those there are, "
        "too. Evals themselves stay.",
    )
    purge_interval_s: float = Field(
        3600.0, gt=0, description="How often each gateway deletes runs that are past their retention, in seconds."
    )
