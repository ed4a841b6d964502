"""Fine-tuning, and the models that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from cluster.config.problems import Contradiction, Problem
from cluster.config.settings.images import ImageSettings
from cluster.config.settings.section import Section


class TunedModelsSettings(Section):
    """Where the files of tuned models are kept; which models take them is said in `models[].adapters`."""

    storage_url: str | None = Field(
        None,
        min_length=1,
        description="A folder, or an address that fsspec knows, as `files.storage_url`, but not the same one. All gateways and "
        "engines must see it. Unset: `tuned-models` in the data folder.",
    )
    cache_dir: Path | None = Field(
        None,
        description="Folder on each node where engine replicas keep the adapters that they use. Unset: `adapters` in the data "
        "folder.",
    )
    max_models_per_organization: int = Field(
        1000, ge=1, description="Tuned models of one organization, checkpoints included; more are refused."
    )
    max_adapter_bytes: int = Field(2 << 30, ge=1 << 20, description="Largest adapter, in bytes of its files.")
    max_merged_models: int = Field(
        0,
        ge=0,
        le=100,
        description="Tuned models with weights of their own that the cluster keeps and serves, of all organizations together: what "
        "engines can't take as an adapter is merged into its base's weights. Each takes the CPUs and GPUs of one replica of its "
        "base, from the next start on. 0: none, and jobs whose result would be such a model are refused.",
    )
    max_merged_bytes: int = Field(
        64 << 30, ge=1 << 20, description="Largest tuned model with weights of its own, in bytes of its files."
    )
    lookup_lifetime_s: float = Field(
        2.0,
        ge=0,
        le=60,
        description="How long a gateway believes what it has read of a tuned model, in seconds: so long a model that was deleted "
        "through another gateway may still answer.",
    )
    sweep_interval_s: float = Field(
        600.0,
        gt=0,
        description="How often each gateway looks for what broken-off registrations and deletions have left, in seconds.",
    )
    upload_timeout_s: float = Field(
        3600.0, gt=0, description="Age at which a registration that has not ended is taken for broken off, in seconds."
    )


class ParityProbeSettings(Section):
    """The comparison of a tuned model, as it is served, with what was trained, before anybody may use it."""

    enabled: bool = Field(
        True,
        description="Publish a tuned model only when replicas of its base answer with it as the training did, by log-probabilities "
        "of held-out completions.",
    )
    rows: int = Field(
        16, ge=1, le=1024, description="Completions that are compared: the validation file's first, or the training file's last."
    )
    max_row_tokens: int = Field(
        512,
        ge=16,
        description="Longest of them, prompt included, in tokens; of longer ones the part around the answer's start.",
    )
    wait_s: float = Field(
        900.0, gt=0, description="How long to wait for a replica that answers, in seconds, before the job fails, unpublished."
    )


class TuningSettings(Section):
    """Fine-tuning (`/v1/fine_tuning/jobs`)."""

    enabled: bool = Field(
        False,
        description="Take fine-tuning jobs. Needs the extra `tuning` (`pip install 'ossature[tuning]'`) where jobs train, and "
        "models whose `source` is a folder that is there.",
    )
    launcher: Literal["ray", "process"] = Field(
        "ray",
        description="Who trains: `ray`, by Ray Train on whichever nodes have the room; `process`, in a process of the machine that "
        "the worker of jobs is on, for trials.",
    )
    device: Literal["cuda", "cpu"] = Field("cuda", description="What is trained on.")
    workers: int = Field(1, ge=1, le=64, description="Processes that train one job together (`launcher: ray`).")
    cpu_threads: int = Field(1, ge=1, le=256, description="Processor threads of each of them, with `device: cpu`.")
    resources: dict[str, float] = Field(
        default_factory=dict,
        description="Custom Ray resources for each of them: they train on nodes that offer these, and take no GPU from engines.",
    )
    checkpoint_every_steps: int | None = Field(
        None,
        ge=1,
        description="Steps after which a training saves itself, besides at the end of each epoch: what came after it is lost with "
        "a process. Unset: at the ends of epochs alone.",
    )
    work_dir: Path | None = Field(
        None,
        description="Folder for the rows, checkpoints and adapters of jobs; every node that trains must see it. Unset: `tuning` in "
        "the data folder.",
    )
    max_row_bytes: int = Field(
        144 << 20, ge=1 << 16, description="Longest line of a training file, in bytes. 144 MiB: ten images of 10 MB in base64."
    )
    min_examples: int = Field(10, ge=1, description="Fewest examples of a training file.")
    max_examples: int = Field(1_000_000, ge=1, description="Most examples of a training file.")
    max_image_examples: int = Field(50_000, ge=1, description="Most examples with images of a training file.")
    max_reported_problems: int = Field(
        100, ge=1, le=1000, description="Problems of a training file that a job names one by one; the others are counted."
    )
    max_rows_bytes: int = Field(
        64 << 30, ge=1 << 20, description="Largest file of converted rows, in bytes: with the fetched images, on disk."
    )
    images: ImageSettings = Field(default_factory=ImageSettings, description="Images of training examples.")
    parity_probe: ParityProbeSettings = Field(
        default_factory=ParityProbeSettings, description="The comparison of a tuned model with what was trained."
    )

    @model_validator(mode="after")
    def _one_process(self) -> TuningSettings:
        if self.launcher == "process" and self.workers > 1:
            raise Contradiction(
                [Problem(("workers",), "must be 1 with `launcher: process`: several train together under `ray` alone")]
            )
        return self
