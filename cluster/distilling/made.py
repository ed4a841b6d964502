"""Makes what a distillation needs, unless it has made it before and did not live to write that down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cluster.distilling.cluster_api import ClusterApi, eval_path
from cluster.distilling.state import State

TAG: Final = "distillation"
"""The key in the metadata of runs and jobs that has the distillation's id."""

_LOST: Final = ("failed", "canceled", "cancelled")
"""What ended so is of no use: it is made again by whoever goes on."""


@dataclass(frozen=True, slots=True)
class Maker:
    api: ClusterApi
    state: State

    def file(self, path: Path, purpose: str, name: str) -> dict[str, Any]:
        """Files have no metadata: the id is in their name."""
        filename = self.filename(name)
        return self.found_file(purpose, filename) or self.api.upload(path, purpose, filename)

    def export(self, metadata: Mapping[str, str], model: str, name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The file, and the export's summary, which is not known of one that was made before."""
        filename = self.filename(name)
        found = self.found_file("fine-tune", filename)
        if found is not None:
            return found, None
        body = {"metadata": dict(metadata), "model": model, "filename": filename}
        made = self.api.post("/v1/chat/completions/export", body)
        return made["file"], made["summary"]

    def run(self, eval_id: str, role: str, data_source: Mapping[str, Any]) -> dict[str, Any]:
        tags = {TAG: self.state.id, "role": role}
        for run in self.api.pages(f"{eval_path(eval_id)}/runs", order="desc"):
            if tags.items() <= run["metadata"].items() and run["status"] not in _LOST:
                return run
        body = {"name": f"{role} of {self.state.plan.suffix}", "metadata": tags, "data_source": data_source}
        return self.api.post(f"{eval_path(eval_id)}/runs", body)

    def job(self, body: Mapping[str, Any]) -> dict[str, Any]:
        for job in self.api.pages("/v1/fine_tuning/jobs", **{f"metadata[{TAG}]": self.state.id}):
            if job["status"] not in _LOST:
                return job
        return self.api.post("/v1/fine_tuning/jobs", {**body, "metadata": {TAG: self.state.id}})

    def filename(self, name: str) -> str:
        return f"{self.state.id}.{name}"

    def found_file(self, purpose: str, filename: str) -> dict[str, Any] | None:
        return next((file for file in self.api.pages("/v1/files", purpose=purpose) if file["filename"] == filename), None)
