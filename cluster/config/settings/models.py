"""Models that are served."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cluster.config.consistency import engine_problems, model_problems
from cluster.config.problems import Contradiction, Problem
from cluster.config.settings.section import Section

ModelId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]


class PlacementSettings(Section):
    """What one engine replica reserves in Ray. Bundles default to one per tensor/pipeline rank."""

    cpus_per_worker: float = Field(1.0, ge=0, description="Logical CPUs for each worker of the engine.")
    gpus_per_worker: float = Field(
        0.0, ge=0, le=1, description="GPUs for each worker of the engine: 0 on CPU, else 1, or less to share a GPU."
    )
    strategy: Literal["PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD"] = Field(
        "STRICT_PACK", description="Ray placement group strategy; `PACK` lets a replica span nodes."
    )
    resources_per_worker: dict[str, float] = Field(default_factory=dict, description="Custom Ray resources for each worker.")


class AutoscalingSettings(Section):
    """How many replicas a model has, by the requests that they work on and, where it is switched on, by how well those are served.

    Where the nodes come from is Ray's or Kubernetes' part.
    """

    min_replicas: int = Field(1, ge=1, description="Fewest engine replicas.")
    max_replicas: int = Field(1, ge=1, description="Most engine replicas.")
    target_ongoing_requests: float = Field(
        32.0,
        gt=0,
        description="Requests that each replica should work on, those that wait for one included; more of them add replicas, fewer "
        "take some away.",
    )
    target_ttft_ms: float | None = Field(
        None,
        gt=0,
        description="Time to first token that nine prompts in ten should keep, in milliseconds from their arrival at a replica. "
        "While more are late, replicas are added, a quarter at a time, and none is taken away; unset: not looked at.",
    )
    max_forced_off_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of a model's requests that load may force off the replica that has their prefix cached, over half a "
        "minute. Above it replicas are added as with `target_ttft_ms`; unset: not looked at.",
    )
    upscale_delay_s: float = Field(30.0, ge=0, description="How long more replicas must be wanted before they start, in seconds.")
    downscale_delay_s: float = Field(600.0, ge=0, description="How long fewer must be wanted before some end, in seconds.")

    @model_validator(mode="after")
    def _ordered(self) -> AutoscalingSettings:
        if self.max_replicas < self.min_replicas:
            raise Contradiction([Problem(("max_replicas",), f"must not be less than min_replicas ({self.min_replicas})")])
        return self


class AdapterSettings(Section):
    """Models that were tuned on top of this one: LoRA adapters, which its running engines load on demand."""

    enabled: bool = Field(
        False,
        description="Serve tuned models of this base. The engine then reserves memory for adapters, and computes a little slower.",
    )
    max_rank: int = Field(
        16,
        ge=1,
        le=512,
        description="Largest rank of an adapter. Each of `max_running` takes memory for this rank, whatever its own.",
    )
    max_running: int = Field(
        4, ge=1, le=64, description="Different adapters in one batch of an engine; requests of further ones wait in its queue."
    )
    max_loaded: int = Field(
        16, ge=1, le=256, description="Adapters that one engine holds in memory; the one that was used least lately goes first."
    )
    cache_bytes: int = Field(
        8 << 30,
        ge=1 << 20,
        description="Adapter files that one replica keeps on its own disk, in bytes; the least lately used go first.",
    )
    load_ms: float = Field(
        50.0,
        ge=0,
        description="What it costs to send a request to a replica that has not loaded its adapter, in milliseconds, as long as no "
        "load there has been measured.",
    )


class ModelTuningSettings(Section):
    """What fine-tuning trains of this model. What engines can't load as an adapter becomes a model of its own."""

    weights: Literal["adapter", "full"] = Field(
        "adapter",
        description="`adapter`: low-rank matrices beside the weights; `full`: every weight. The result of `full` is always a model "
        "of its own, which takes `tuned_models.max_merged_models`.",
    )
    rank: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Rank of the adapters that are trained. Above `adapters.max_rank` they are merged. Unset: the recipe's, or "
        "`adapters.max_rank` if that is less.",
    )
    experts: bool = Field(
        False, description="Train adapters on a mixture's experts too. No engine here loads these, so that they are merged."
    )


class ModelSettings(Section):
    """One served model."""

    id: ModelId = Field(description="Name that clients use.")
    source: str = Field(
        min_length=1,
        description="Folder with weights and configuration (relative to the current folder), or a Hugging Face repository id.",
    )
    organization: str | None = Field(None, description="Id of the one organization that may use the model; unset: all may.")
    created: int = Field(1_767_225_600, ge=0, description="Creation time shown to clients, in Unix seconds.")
    owned_by: str = Field("ossature", description="Owner shown to clients.")
    replicas: int = Field(1, ge=1, description="Engine replicas. To switch a model off, remove it from the list.")
    autoscaling: AutoscalingSettings | None = Field(
        None, description="Let the number of replicas follow the load, instead of `replicas`. Unset: it doesn't."
    )
    max_ongoing_requests: int = Field(64, ge=1, description="Requests that one replica works on at a time.")
    max_queued_requests: int = Field(
        256, ge=-1, description="Requests that each gateway lets wait for a replica before it answers 503; -1: no limit."
    )
    start_timeout_s: float = Field(1800.0, gt=0, description="Longest time for a replica to load its model, in seconds.")
    graceful_shutdown_timeout_s: float = Field(
        600.0, ge=0, description="How long a replica that is being replaced may finish its streams, in seconds."
    )
    upgrade: Literal["replace", "surge"] = Field(
        "replace",
        description="How replicas are exchanged when a change needs new ones, one at a time: `replace` ends one and starts its "
        "successor in its room, so that one is missing meanwhile (with a single replica, all); `surge` starts the successor first. "
        "That takes room for one replica more, its GPUs included, and without it the change waits.",
    )
    health_check_period_s: float = Field(2.0, gt=0, description="Seconds between health checks of a replica.")
    health_check_timeout_s: float = Field(30.0, gt=0, description="Seconds after which an unanswered health check has failed.")
    placement: PlacementSettings = Field(default_factory=PlacementSettings, description="Resources of one replica.")
    harmony_front_end: Literal["lean", "vllm"] = Field(
        "lean",
        description="What writes the chat streams of gpt-oss models: `lean`, for a fraction of the processor time, or `vllm`, its "
        "serving class as it is. Clients see no difference. Other models' streams are always vLLM's.",
    )
    audio_input: bool = Field(
        False,
        description="The model takes `input_audio` parts: realtime sessions give it the user's audio itself, and need no "
        "recognizer to be answered.",
    )
    image_input: bool = Field(False, description="The model takes `image_url` parts; limits are in `images`.")
    adapters: AdapterSettings = Field(default_factory=AdapterSettings, description="Tuned models on top of this one.")
    tuning: ModelTuningSettings = Field(default_factory=ModelTuningSettings, description="What fine-tuning trains of this model.")
    environment: dict[str, str] = Field(
        default_factory=dict,
        description="Environment variables of the engine's processes. Not for secrets: Ray passes them on by command lines and "
        "shows them. What Ray is started with, like `HF_TOKEN`, engines have anyway.",
    )
    engine: dict[str, Any] = Field(
        default_factory=dict,
        description="vLLM engine arguments under vLLM's own names (`tensor_parallel_size`, `max_model_len`, …), checked by vLLM.",
    )

    @property
    def world_size(self) -> int:
        """Workers of one replica: tensor times pipeline times prefill context parallel size."""
        sizes = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size")
        return math.prod(int(self.engine.get(name, 1)) for name in sizes)

    @field_validator("engine")
    @classmethod
    def _engine_allowed(cls, engine: dict[str, Any]) -> dict[str, Any]:
        if problems := list(engine_problems(engine)):
            raise Contradiction(problems)
        return engine

    @model_validator(mode="after")
    def _consistent(self) -> ModelSettings:
        if problems := list(model_problems(self)):
            raise Contradiction(problems)
        return self
