"""Durable jobs."""

from __future__ import annotations

from pydantic import Field, model_validator

from cluster.config.problems import Contradiction, Problem
from cluster.config.settings.section import Section


class JobsSettings(Section):
    """Durable jobs (evals, fine-tuning) and the workers that run them."""

    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for the worker.")
    resources: dict[str, float] = Field(default_factory=dict, description="Custom Ray resources for the worker.")
    max_running: int = Field(8, ge=1, le=1000, description="Jobs that one worker runs at a time.")
    max_running_per_organization: int = Field(
        2, ge=1, description="Jobs of one organization that run at a time, on all workers together; the others wait."
    )
    max_waiting_per_organization: int = Field(
        1000, ge=1, description="Jobs of one organization that are not finished; a further one gets 429."
    )
    max_spec_bytes: int = Field(8 << 20, ge=4096, description="Largest description of a job, in bytes of JSON.")
    lease_s: float = Field(
        30.0,
        gt=0,
        description="For how long a worker has a job without saying so again, in seconds; after that, another one goes on with it. "
        "Clocks of the workers' hosts must agree to a fraction of this.",
    )
    heartbeat_s: float = Field(
        5.0,
        gt=0,
        description="How often a worker says that it still has its jobs, and asks whether they are to stop, in seconds; at most a "
        "third of `lease_s`.",
    )
    poll_interval_s: float = Field(
        2.0, gt=0, description="How often a worker with room looks for jobs that other processes have made, in seconds."
    )
    watch_interval_s: float = Field(
        1.0, gt=0, description="How often somebody who watches a job is told of what happened in another process, in seconds."
    )
    max_attempts: int = Field(
        5,
        ge=1,
        le=1000,
        description="Runs of a job in a row that may end in an unexpected error, or with their worker, without one step more; then "
        "the job has failed.",
    )
    retry_delay_s: float = Field(
        5.0, ge=0, description="Wait after the first such error, in seconds; it doubles with each further one."
    )
    max_retry_delay_s: float = Field(300.0, ge=0, description="Longest of these waits, in seconds.")
    stop_grace_s: float = Field(
        30.0,
        gt=0,
        description="How long a job that is to stop (cancelled, paused, worker shutting down) may take to leave off by itself, in "
        "seconds; then it is broken off.",
    )
    retention_s: float = Field(
        7_776_000.0,
        ge=1,
        description="How long the events and steps of a finished job are kept, in seconds (90 days). The job itself stays.",
    )
    purge_interval_s: float = Field(3600.0, gt=0, description="How often a worker deletes what is past its retention, in seconds.")

    @model_validator(mode="after")
    def _heartbeats_keep_leases(self) -> JobsSettings:
        if self.heartbeat_s > self.lease_s / 3:
            raise Contradiction(
                [Problem(("heartbeat_s",), f"must be at most a third of lease_s ({self.lease_s:g}): one may come late")]
            )
        return self
