"""Every setting of the cluster, typed, with its unit in its name and a safe default.

The YAML file has this shape; ``docs/configuration.md`` and ``ossature config schema`` are generated from it. Values that depend
on each other are checked here, so that a contradiction is refused at start with the path of the field.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from cluster.config.consistency import cluster_problems
from cluster.config.problems import Contradiction
from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.edges import AdmissionSettings, GatewaySettings, GrpcSettings, HttpSettings
from cluster.config.settings.evals import EvalsSettings
from cluster.config.settings.identity import IdentitySettings
from cluster.config.settings.images import ChatImageSettings
from cluster.config.settings.jobs import JobsSettings
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.prompt_cache import PromptCacheSettings
from cluster.config.settings.ray_cluster import RaySettings
from cluster.config.settings.realtime import RealtimeSettings
from cluster.config.settings.routing import RelaySettings, RoutingSettings
from cluster.config.settings.section import Section
from cluster.config.settings.speech import SpeechSettings
from cluster.config.settings.storage import FilesSettings, StoredCompletionsSettings
from cluster.config.settings.telemetry import LoggingSettings, MetricsSettings, TracingSettings
from cluster.config.settings.tuning import TunedModelsSettings, TuningSettings


class ClusterConfig(Section):
    """The whole configuration."""

    name: str = Field("ossature", pattern=r"^[a-z0-9-]{1,40}$", description="Name of this cluster, shown by `ossature status`.")
    data_dir: Path = Field(
        Path(".run"),
        validate_default=False,
        description="Folder for the embedded database, secrets, logs and run-time files (relative to the current folder). It is "
        "made for its owner alone; one that exists keeps its mode.",
    )
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Cluster secret, from which cache salts are derived; unset: made once in the data folder.",
    )
    accepted_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Another generation of `secret`, accepted beside it and used for nothing new, while one takes the other's "
        "place; unset: the one in the data folder, where `secret` comes from there, too.",
    )
    http: HttpSettings = Field(default_factory=HttpSettings, description="HTTP edge.")
    grpc: GrpcSettings = Field(default_factory=GrpcSettings, description="gRPC edge.")
    metrics: MetricsSettings = Field(default_factory=MetricsSettings, description="Prometheus endpoint.")
    ray: RaySettings = Field(default_factory=RaySettings, description="Ray.")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings, description="Gateways.")
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="Database.")
    identity: IdentitySettings = Field(default_factory=IdentitySettings, description="API keys.")
    admission: AdmissionSettings = Field(default_factory=AdmissionSettings, description="Admission.")
    prompt_cache: PromptCacheSettings = Field(default_factory=PromptCacheSettings, description="Prompt caching.")
    routing: RoutingSettings = Field(default_factory=RoutingSettings, description="Routing.")
    relay: RelaySettings = Field(default_factory=RelaySettings, description="Token relay.")
    realtime: RealtimeSettings = Field(default_factory=RealtimeSettings, description="Realtime sessions.")
    speech: SpeechSettings = Field(default_factory=SpeechSettings, description="Speech in and out.")
    images: ChatImageSettings = Field(default_factory=ChatImageSettings, description="Images in chats.")
    stored_completions: StoredCompletionsSettings = Field(
        default_factory=StoredCompletionsSettings, description="Stored completions."
    )
    files: FilesSettings = Field(default_factory=FilesSettings, description="Files.")
    evals: EvalsSettings = Field(default_factory=EvalsSettings, description="Evals.")
    tuned_models: TunedModelsSettings = Field(default_factory=TunedModelsSettings, description="Tuned models.")
    tuning: TuningSettings = Field(default_factory=TuningSettings, description="Fine-tuning.")
    jobs: JobsSettings = Field(default_factory=JobsSettings, description="Jobs.")
    logging: LoggingSettings = Field(default_factory=LoggingSettings, description="Logs.")
    tracing: TracingSettings = Field(default_factory=TracingSettings, description="Traces.")
    models: list[ModelSettings] = Field(min_length=1, description="Models to serve.")

    @property
    def secret_generations(self) -> tuple[bytes, ...]:
        """The secret, then the one accepted beside it, if any. For a prepared configuration, which names a secret."""
        assert self.secret is not None
        both = (self.secret, self.accepted_secret)
        return tuple(secret.get_secret_value().encode() for secret in both if secret is not None)

    @model_validator(mode="after")
    def _consistent(self) -> ClusterConfig:
        if problems := list(cluster_problems(self)):
            raise Contradiction(problems)
        return self
