"""The fine-tuning job: created once, followed to its end, its events told as they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cluster.distilling.cluster_api import ClusterApi, Watcher, job_path
from cluster.distilling.made import Maker
from cluster.distilling.plan import DistillationFailed
from cluster.distilling.state import State

POLL_S: Final = 2.0
MAX_POINTS: Final = 400
"""Of the curve of losses that is kept: more could not be told apart in a chart."""

_ENDED: Final = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Tuning:
    api: ClusterApi
    state: State
    maker: Maker
    watcher: Watcher
    sleep: Callable[[float], None] = time.sleep

    def run(self, training_file: str) -> dict[str, Any]:
        """What is recorded of the job. Raises :class:`DistillationFailed` for one that does not succeed."""
        job = self._follow(self._started(training_file))
        if job["status"] != "succeeded":
            error = job.get("error") or {}
            reason = error.get("message") or "it was cancelled"
            raise DistillationFailed(f"the fine-tuning job {job['id']} is {job['status']}: {reason}", error.get("code"))
        return {
            "job_id": job["id"],
            "model": job["fine_tuned_model"],
            "trained_tokens": job["trained_tokens"],
            "seed": job["seed"],
            "hyperparameters": job["method"]["supervised"]["hyperparameters"],
            "created_at": job["created_at"],
            "finished_at": job["finished_at"],
            "losses": self._losses(job["id"]),
        }

    def _started(self, training_file: str) -> dict[str, Any]:
        known = self.state.outputs.get("job")
        if known is not None:
            job = self.api.find(job_path(known))
            if job is not None and job["status"] not in ("failed", "cancelled"):
                return job
        plan = self.state.plan
        body: dict[str, Any] = {
            "model": plan.student,
            "training_file": training_file,
            "suffix": plan.suffix,
            "method": {"type": "supervised", "supervised": {"hyperparameters": dict(plan.hyperparameters)}},
        }
        job = self.maker.job(body if plan.seed is None else {**body, "seed": plan.seed})
        self.state.record(job=job["id"])
        return job

    def _follow(self, job: dict[str, Any]) -> dict[str, Any]:
        path = job_path(job["id"])
        last: str | None = None
        paused = False
        while True:
            # The job first: when it has ended, all its events are there.
            job = self.api.get(path)
            for event in self._new_events(path, last):
                last = event["id"]
                self.watcher.event(event)
            if job["status"] in _ENDED:
                return job
            if job.get("paused") and not paused:
                self.watcher.say(f"The job {job['id']} is paused: it goes on after `ossature fine-tune resume {job['id']}`.")
            paused = bool(job.get("paused"))
            self.sleep(POLL_S)

    def _new_events(self, path: str, last: str | None) -> list[dict[str, Any]]:
        """After ``last``, oldest first; the cluster lists the newest first."""
        found: list[dict[str, Any]] = []
        for event in self.api.pages(f"{path}/events"):
            if event["id"] == last:
                break
            found.append(event)
        return found[::-1]

    def _losses(self, job_id: str) -> list[list[float]]:
        """``[step, training loss]``, oldest first, thinned evenly."""
        points = []
        for event in self._new_events(job_path(job_id), None):
            data = event.get("data") or {}
            if event.get("type") == "metrics" and isinstance(data.get("train_loss"), int | float):
                points.append([data["step"], data["train_loss"]])
        points = sorted({point[0]: point for point in points}.values())
        stride = -(-len(points) // MAX_POINTS) or 1
        return points[::stride]
