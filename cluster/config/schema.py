"""Every setting of the cluster, typed, with its unit in its name and a safe default.

The YAML file has this shape; ``docs/configuration.md`` and ``ossature config schema`` are generated from it. Values that depend
on each other are checked here, so that a contradiction is refused at start with the path of the field.
"""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from cluster.config.consistency import cluster_problems, engine_problems, model_problems
from cluster.config.problems import Contradiction, Problem

Port = Annotated[int, Field(ge=1, le=65535)]
ModelId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
DATABASE_DRIVERS = ("postgresql+asyncpg", "sqlite+aiosqlite")


class Section(BaseModel):
    """A group of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class HttpSettings(Section):
    """The OpenAI-compatible HTTP edge."""

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Anything but loopback must be asked for here, and needs a firewall or NetworkPolicy: "
        "the ports of Ray, of Serve's replicas (which unpickle what they are sent) and of HAProxy's statistics are then open too.",
    )
    port: Port = Field(8000, description="TCP port of the HTTP edge.")
    max_body_bytes: int = Field(32 << 20, ge=1024, description="Largest request body, in bytes; larger ones get 413.")
    max_json_depth: int = Field(64, ge=8, le=512, description="Deepest nesting of a JSON body.")
    write_timeout_s: float = Field(
        60.0,
        gt=0,
        description="Longest wait for a client to take a piece of its answer, in seconds; then its generation is aborted.",
    )
    body_timeout_s: float = Field(30.0, gt=0, description="Longest wait for a request body to arrive, in seconds.")
    keep_alive_s: float = Field(
        15.0,
        gt=0,
        description="A streamed answer of which nothing was sent for so many seconds (twice that at most) gets a comment line, so "
        "that no proxy or client takes it for dead.",
    )


class GrpcSettings(Section):
    """The gRPC edge. It listens on the HTTP edge's address."""

    enabled: bool = Field(True, description="Serve gRPC.")
    port: Port = Field(9000, description="TCP port of the gRPC edge.")
    reflection: bool = Field(True, description="Serve gRPC server reflection, which tells clients the API's shape.")
    write_timeout_s: float = Field(
        60.0,
        gt=0,
        description="Longest wait for a client to take a message of a stream, in seconds; then its generation is aborted.",
    )


class MetricsSettings(Section):
    """The Prometheus endpoint: one per node, for all processes there."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(9464, description="TCP port of the metrics endpoint on each node.")
    max_organizations: int = Field(
        1000, ge=1, description="Organizations with a label of their own; later ones are counted together as `other`."
    )


class RaySettings(Section):
    """The Ray cluster underneath."""

    address: str | None = Field(
        None,
        description="Address of a running Ray cluster (`auto` or `host:port`); unset starts one on this machine. "
        "Its nodes are to be started with what `ossature config ray-environment` prints, and behind a firewall or NetworkPolicy: "
        "the ports of Ray, of Serve's replicas (which unpickle what they are sent) and of HAProxy's statistics are open there.",
    )
    num_cpus: float | None = Field(None, gt=0, description="Logical CPUs of a Ray started here; unset: as many as the machine has.")
    object_store_memory_bytes: int = Field(
        128 << 20,
        ge=80 << 20,
        description="Ray's object store on a Ray started here, in bytes. Requests do not pass through it.",
    )
    haproxy: bool = Field(True, description="Let HAProxy carry HTTP and gRPC to the gateways instead of Ray Serve's Python proxy.")


class GatewaySettings(Section):
    """The gateway deployment: edges, identity, routing."""

    replicas: int = Field(1, ge=1, description="Gateway replicas.")
    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for one gateway.")
    max_ongoing_requests: int = Field(1000, ge=1, description="Requests that one gateway works on at a time.")
    graceful_shutdown_timeout_s: float = Field(
        600.0, ge=0, description="How long a gateway that is being replaced may finish its streams, in seconds."
    )


class DatabaseSettings(Section):
    """Where organizations, projects, keys and the usage ledger live."""

    url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL (`postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`); unset: SQLite in the data folder.",
    )
    pool_size: int = Field(5, ge=1, le=100, description="Connections that each gateway keeps to PostgreSQL.")
    timeout_s: float = Field(5.0, gt=0, description="Longest wait for a connection or a statement, in seconds.")

    @field_validator("url")
    @classmethod
    def _supported(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        driver, separator, rest = url.get_secret_value().partition("://")
        if not separator or driver not in DATABASE_DRIVERS:
            raise ValueError(f"must start with {' or '.join(f'{name}://' for name in DATABASE_DRIVERS)}")
        if driver.startswith("sqlite") and (not rest.strip("/") or ":memory:" in rest or "mode=memory" in rest):
            raise ValueError("an in-memory SQLite is a different, empty database in every process; name a file")
        return url


class IdentitySettings(Section):
    """API keys."""

    development_organization: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Organization to create at start, with an API key written to `endpoints.json`; for trials. Unset: none.",
    )
    poll_interval_s: float = Field(
        0.25,
        gt=0,
        le=0.5,
        description="How often each gateway looks for revoked keys, in seconds; a revocation holds within 1 s.",
    )
    outage_grace_s: float = Field(
        30.0, ge=0, description="How long keys already known keep working while the database can't be reached, in seconds."
    )
    max_cached_keys: int = Field(100_000, ge=100, description="Keys that each gateway remembers.")


class AdmissionSettings(Section):
    """Limits that protect the cluster from one caller."""

    max_concurrent_requests_per_organization: int = Field(
        256, ge=1, description="Requests of one organization that one gateway works on at a time; more get 429."
    )
    request_timeout_s: float = Field(600.0, gt=0, description="Longest life of a request, in seconds.")


class Retention(StrEnum):
    IN_MEMORY = "in_memory"
    EXTENDED = "24h"


class PromptCacheSettings(Section):
    """How long a cached prompt prefix may be reused."""

    default_retention: Retention = Field(Retention.IN_MEMORY, description="Retention of requests that name none.")
    in_memory_period_s: float = Field(3600.0, ge=1, description="Longest life of an `in_memory` prefix, in seconds.")
    extended_period_s: float = Field(86400.0, ge=1, description="Longest life of a `24h` prefix, in seconds.")

    @model_validator(mode="after")
    def _ordered(self) -> PromptCacheSettings:
        if self.extended_period_s < self.in_memory_period_s:
            raise Contradiction(
                [Problem(("extended_period_s",), f"must not be shorter than in_memory_period_s ({self.in_memory_period_s:g})")]
            )
        return self


class RoutingSettings(Section):
    """Which replica answers a request."""

    policy: Literal["affinity", "rendezvous", "bounded_hashing", "least_load", "power_of_two", "round_robin", "random"] = Field(
        "affinity",
        description="How a replica is chosen: `affinity` looks for the one where the prompt costs least, by what is cached and "
        "what waits there. The others are there to be compared with: `rendezvous` (homes and bounded load, no memory) and "
        "`bounded_hashing` (of a fixed length of prompt) keep equal beginnings together, the rest don't.",
    )
    index: Literal["soft", "precise"] = Field(
        "soft",
        description="How `affinity` knows what replicas have cached. `soft`: by what was sent there and by the cached tokens of "
        "answers. `precise`: engines tell of each block that they store or evict, and the soft index is for what they don't tell "
        "of; takes `relay.implementation: stepped`.",
    )
    load_factor: float = Field(
        1.25, ge=1.0, le=4.0, description="A replica is eligible while its load is at most this factor times the mean."
    )
    min_affinity_tokens: int = Field(
        1024, ge=0, description="Shorter prompts (estimated from their bytes) go to the least loaded replica."
    )
    block_bytes: int = Field(512, ge=64, le=65536, description="Bytes of canonical prompt per block of the prefix chain.")
    index_entries: int = Field(
        200_000,
        ge=1000,
        description="Prefix hashes that each gateway remembers for each model, over all organizations: once to choose anchors, and "
        "once to know which replica holds what.",
    )
    recompute_weight: float = Field(
        2.0,
        ge=1.0,
        le=10.0,
        description="How much a millisecond of computing cached tokens again weighs against one of waiting: 1 goes by time to "
        "first token alone, more spares engines and keeps cached-token counts up.",
    )
    report_period_s: float = Field(
        0.25,
        gt=0,
        le=10,
        description="How often replicas tell gateways through Ray Serve what others sent them, and with `index: precise` what they "
        "have cached, in seconds.",
    )
    load_period_s: float = Field(
        0.02,
        gt=0,
        le=10,
        description="How often at most a replica tells what others sent it to the gateways that have a channel to it (relay "
        "`stepped`), in seconds. It does so only when something has changed.",
    )


class RelaySettings(Section):
    """From engine replica to gateway."""

    implementation: Literal["handle", "stepped"] = Field(
        "stepped",
        description="`stepped`: engine replicas dial back to the gateway and send one message per engine step with what is new for "
        "all its requests. `handle`: Ray Serve's streaming handle, coalesced; opens no port of its own.",
    )
    calls: Literal["channel", "handle"] = Field(
        "channel",
        description="How the `stepped` relay sends a request to a replica that it has a channel with: over that channel, or by Ray "
        "Serve's handle. Either way Serve counts and limits it in the replica.",
    )
    first_port: int = Field(
        0,
        ge=0,
        le=65_436,
        description="Gateways listen for engine replicas on the first free one of 100 TCP ports from here, which a firewall or "
        "NetworkPolicy can name. 0: on any free port.",
    )
    max_buffered_bytes: int = Field(
        4 << 20,
        ge=64 << 10,
        description="Bytes of an answer that may wait for one slow client; with more, its replica takes nothing further from the "
        "engine's output until the client has read.",
    )
    max_request_bytes: int = Field(
        128 << 20, ge=4 << 20, description="Largest message between gateway and engine replica, in bytes."
    )
    peer_timeout_s: float = Field(
        20.0,
        ge=1.0,
        description="How long the other end of a channel of the `stepped` relay may be silent before it counts as dead, in "
        "seconds. The end of a process or a closed connection is noticed at once; this is for hosts that vanish.",
    )


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
    max_ongoing_requests: int = Field(64, ge=1, description="Requests that one replica works on at a time.")
    max_queued_requests: int = Field(
        256, ge=-1, description="Requests that each gateway lets wait for a replica before it answers 503; -1: no limit."
    )
    start_timeout_s: float = Field(1800.0, gt=0, description="Longest time for a replica to load its model, in seconds.")
    graceful_shutdown_timeout_s: float = Field(
        600.0, ge=0, description="How long a replica that is being replaced may finish its streams, in seconds."
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
    environment: dict[str, str] = Field(default_factory=dict, description="Environment variables of the engine's processes.")
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


class RealtimeSettings(Section):
    """Realtime sessions: conversations over a WebSocket at `/v1/realtime`."""

    enabled: bool = Field(True, description="Serve realtime sessions.")
    default_model: ModelId | None = Field(
        None,
        description="Model of sessions that name none, or one of OpenAI's realtime models. Unset: they must name one of `models`.",
    )
    instructions: str = Field(
        "You are a helpful assistant in a spoken conversation. Answer briefly, in plain sentences.",
        max_length=65536,
        description="Instructions of sessions that set none.",
    )
    max_sessions: int = Field(500, ge=1, description="Sessions that one gateway holds at a time; more get 503.")
    max_sessions_per_organization: int = Field(
        100, ge=1, description="Sessions of one organization that one gateway holds at a time; more get 429."
    )
    max_session_s: float = Field(3600.0, gt=0, description="Longest life of a session, in seconds.")
    idle_timeout_s: float = Field(
        900.0, gt=0, description="How long a client may send nothing at all before its session is ended, in seconds."
    )
    write_timeout_s: float = Field(
        30.0, gt=0, description="Longest wait for a client to take an event, in seconds; then its session is ended."
    )
    max_frame_bytes: int = Field(
        16 << 20,
        ge=64 << 10,
        description="Largest event of a client, in bytes. The web server takes no WebSocket message above 16 MiB.",
    )
    max_unsent_bytes: int = Field(
        1 << 20,
        ge=64 << 10,
        description="Events that may wait for a slow client, in bytes, before its answer pauses; at four times that, nothing more "
        "is read from it.",
    )
    max_input_audio_bytes: int = Field(
        15 << 20,
        ge=1 << 20,
        description="Audio of a session that waits to be committed, in bytes (48,000 a second). A turn that reaches it ends.",
    )
    max_kept_audio_bytes: int = Field(
        32 << 20,
        ge=0,
        description="Audio of a session's items that is kept to be retrieved, in bytes; the oldest is forgotten first.",
    )
    max_text_chars: int = Field(4 << 20, ge=64 << 10, description="Text of all of a session's items, in characters.")
    max_items: int = Field(1000, ge=10, description="Items of a session's conversation.")
    max_responses: int = Field(4, ge=1, description="Responses of a session in progress at a time, those out of band included.")
    early_recognition: bool = Field(
        True, description="Recognize in the silence that may end a turn, so that the words are there when it does."
    )
    early_generation: bool = Field(
        False,
        description="Answer in that silence, too; what turns out to have been too early is thrown away, and has cost tokens.",
    )
    heard_by_clock: bool = Field(
        True,
        description="Take an interrupted answer as heard for no longer than its audio was out, if the client says nothing better.",
    )


class SpeechSettings(Section):
    """Speech in and out, for realtime sessions. `ossature serve` does not deploy it yet: its sessions are in writing."""

    enabled: bool = Field(True, description="Serve speech, once `ossature serve` deploys it.")
    recognizer: Literal["pocketsphinx", "whisper"] = Field(
        "pocketsphinx",
        description="What turns speech into text. `pocketsphinx`: English, on the processor, from its own wheel. `whisper`: any "
        "checkpoint of Whisper's architecture, named by `recognizer_model`.",
    )
    recognizer_model: str | None = Field(
        None,
        min_length=1,
        description="Folder with the recognizer's weights (relative to the current folder), or a Hugging Face repository id. For "
        "`whisper`, which has no default.",
    )
    recognizer_device: str = Field(
        "cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="Where the recognizer's model runs: `cpu`, `cuda` or `cuda:1`."
    )
    synthesizer: Literal["auto", "flite", "espeak"] = Field(
        "auto",
        description="What turns text into speech. `flite`: six English presets, needs Debian's `libflite1`. `espeak`: the program "
        "`espeak-ng`, plainly a machine. `auto`: flite where it is installed, else espeak.",
    )
    default_voice: str = Field("alloy", min_length=1, max_length=64, description="Voice of sessions that name none.")
    vad_model: Path | None = Field(
        None, description="ONNX file of Silero's voice activity network; unset: the one of the installed `silero-vad` wheel."
    )
    replicas: int = Field(1, ge=1, description="Replicas of the speech deployment.")
    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for one replica.")
    num_gpus: float = Field(0.0, ge=0, description="GPUs that Ray reserves for one replica; less than 1 to share one.")
    max_ongoing_requests: int = Field(200, ge=1, description="Utterances, heard or spoken, that one replica works on at a time.")
    recognizer_workers: int = Field(
        2,
        ge=1,
        le=256,
        description="People who may speak at once on one replica: decoder processes of PocketSphinx (about 130 MiB each), or "
        "utterances that Whisper works on at a time.",
    )
    synthesizer_workers: int = Field(
        1, ge=1, le=256, description="Synthesizer processes of one replica; each is lent for one clause at a time."
    )
    worker_wait_s: float = Field(10.0, gt=0, description="Longest wait for a free process, in seconds; then 503.")
    utterance_idle_timeout_s: float = Field(
        30.0, gt=0, description="After how long without audio an utterance that nobody ends is dropped, in seconds."
    )
    max_utterance_s: float = Field(120.0, gt=0, le=3600, description="Longest utterance to recognize, in seconds of audio.")
    max_text_chars: int = Field(4096, ge=1, le=1 << 20, description="Longest text to speak at once, in characters.")
    max_file_s: float = Field(1800.0, gt=0, description="Longest audio file to transcribe, in seconds of audio.")
    max_file_bytes: int = Field(25 << 20, ge=1024, description="Largest audio file to transcribe, in bytes.")

    @model_validator(mode="after")
    def _model_named(self) -> SpeechSettings:
        if self.recognizer == "whisper" and self.recognizer_model is None:
            raise Contradiction([Problem(("recognizer_model",), "must be given for the recognizer whisper")])
        if self.recognizer_device != "cpu" and not self.num_gpus:
            raise Contradiction([Problem(("num_gpus",), f"must be given for recognizer_device {self.recognizer_device}")])
        return self


class LoggingSettings(Section):
    """What the cluster writes to its logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level that is logged.")
    json_lines: bool = Field(True, description="One JSON object a line; off: plain text.")


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
    speech: SpeechSettings = Field(default_factory=SpeechSettings, description="Speech; not deployed by `ossature serve` yet.")
    logging: LoggingSettings = Field(default_factory=LoggingSettings, description="Logs.")
    models: list[ModelSettings] = Field(min_length=1, description="Models to serve.")

    @model_validator(mode="after")
    def _consistent(self) -> ClusterConfig:
        if problems := list(cluster_problems(self)):
            raise Contradiction(problems)
        return self
