"""Every setting of the cluster, typed, with its unit in its name and a safe default.

The YAML file has this shape; ``docs/configuration.md`` and ``ossature config schema`` are generated from it. Values that depend
on each other are checked here, so that a contradiction is refused at start with the path of the field.
"""

from __future__ import annotations

import ipaddress
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from cluster.config.consistency import cluster_problems, engine_problems, model_problems, speech_problems
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
    max_watches_per_organization: int = Field(
        100, ge=1, description="Jobs that one organization may watch at a time on one gateway."
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
    lost_after_s: float = Field(
        30.0,
        gt=0,
        le=50,
        description="Silence of Ray's control service after which `ossature serve` gives Ray up and ends with an error, in "
        "seconds; longer than a restart of that service where it has Redis. Ray itself ends its processes after 60 s.",
    )
    haproxy: bool = Field(True, description="Let HAProxy carry HTTP and gRPC to the gateways instead of Ray Serve's Python proxy.")


class GatewaySettings(Section):
    """The gateway deployment: edges, identity, routing."""

    replicas: int = Field(1, ge=1, description="Gateway replicas.")
    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for one gateway.")
    resources: dict[str, float] = Field(
        default_factory=dict, description="Custom Ray resources for one gateway: binds gateways to the nodes that offer them."
    )
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
    admin_key: SecretStr | None = Field(
        None,
        description="Admin key that is valid from the start (`sk-admin-` and 48 random letters and digits); unset: made once in "
        "the data folder.",
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
    max_waiting_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        description="Bytes of answers that may wait in one gateway for all its slow clients together (relay `stepped`); with more, "
        "the answer that holds most, of the organization that holds most, is ended.",
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


class ImageSettings(Section):
    """Images that clients name: how large they may be, and where they may be fetched from."""

    max_image_bytes: int = Field(10 << 20, ge=1024, le=64 << 20, description="Largest image file, in bytes.")
    max_image_pixels: int = Field(
        40_000_000, ge=1024, le=80_000_000, description="Largest image, in pixels; decoding takes up to 4 bytes each."
    )
    fetch_timeout_s: float = Field(
        20.0, gt=0, le=300, description="Longest time to fetch an image, redirects included, in seconds."
    )
    fetch_attempts: int = Field(2, ge=1, le=5, description="How often an image is asked for whose server fails or doesn't answer.")
    max_redirects: int = Field(3, ge=0, le=10, description="Redirects that are followed; each is checked like the first URL.")
    max_concurrent_fetches: int = Field(8, ge=1, le=64, description="Images that one gateway, or one job, fetches at a time.")
    any_port: bool = Field(False, description="Fetch images from any port; off: from 80 and 443 alone.")
    allowed_networks: str = Field(
        "",
        max_length=4096,
        description="Networks that images may be fetched from although they are not public, separated by commas: `10.20.0.0/16`. "
        "Every client can then read images from there.",
    )

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, networks: str) -> str:
        for network in filter(None, networks.split(",")):
            ipaddress.ip_network(network.strip())
        return networks


class ChatImageSettings(ImageSettings):
    """Images in chats with models that see (`models[].image_input`)."""

    fetch: bool = Field(
        True, description="Gateways fetch images that chats name by `https://` or `http://`. Off: images come in data URLs alone."
    )
    max_images: int = Field(10, ge=1, le=1000, description="Images in one request, over all of its messages.")
    max_total_bytes: int = Field(
        40 << 20, ge=1024, le=1 << 30, description="Image files of one request together, in bytes; a gateway has them in memory."
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
    """Realtime sessions: conversations over a WebSocket at `/v1/realtime` or a gRPC call."""

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
    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = Field(
        "low",
        description="How long the model thinks before it speaks, in sessions that don't say (`reasoning.effort`); nothing is heard "
        "while it does. Unset: the model's own default. Models that don't reason ignore it.",
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="Sampling temperature of sessions that set none; those of the current protocol can't. Unset: the model's own.",
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
    max_responses: int = Field(4, ge=2, description="Responses of a session in progress, one place always the conversation's own.")
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
    """Speech in and out, for realtime sessions and audio requests. Off: they are in writing."""

    enabled: bool = Field(True, description="Deploy recognizer and synthesizer.")
    recognizer: Literal["pocketsphinx", "whisper", "vllm"] = Field(
        "pocketsphinx",
        description="What turns speech into text. `pocketsphinx`: English, on the processor, from its own wheel. `whisper`: any "
        "checkpoint of Whisper's architecture, through transformers. `vllm`: any model that vLLM transcribes with (Whisper, "
        "Voxtral, Qwen3-ASR, …), by an engine of the replica's own. The model of the last two is `recognizer_model`.",
    )
    recognizer_model: str | None = Field(
        None,
        min_length=1,
        description="Folder with the recognizer's weights (relative to the current folder), or a Hugging Face repository id. For "
        "`whisper` and `vllm`, which have no default.",
    )
    recognizer_device: str = Field(
        "cpu",
        pattern=r"^(cpu|cuda(:\d+)?)$",
        description="Where `whisper` runs: `cpu`, `cuda` or `cuda:1`. `vllm` runs where its build does.",
    )
    recognizer_engine: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of `vllm`, under its own names with underscores, as in `models[].engine`.",
    )
    synthesizer: Literal["auto", "flite", "espeak", "kokoro"] = Field(
        "auto",
        description="What turns text into speech. `flite`: six English presets, needs Debian's `libflite1`. `espeak`: the program "
        "`espeak-ng`, plainly a machine. `auto`: flite where it is installed, else espeak. `kokoro`: the network of that name in "
        "ONNX, named by `synthesizer_model`; needs `espeak-ng` for phonemes.",
    )
    synthesizer_model: str | None = Field(
        None,
        min_length=1,
        description="Folder with the synthesizer's network and voices (relative to the current folder), or a Hugging Face "
        "repository id. For `kokoro`, which has no default.",
    )
    synthesizer_file: str | None = Field(
        None,
        pattern=r"^[^/.][^/]*(/[^/.][^/]*)*$",
        description="ONNX file of `synthesizer_model`, where it has several; unset: `onnx/model.onnx`, or the only one.",
    )
    synthesizer_device: str = Field(
        "cpu",
        pattern=r"^(cpu|cuda(:\d+)?)$",
        description="Where `kokoro` runs: `cpu`, `cuda` or `cuda:1` (which take the package `onnxruntime-gpu`).",
    )
    synthesizer_threads: int = Field(2, ge=1, le=64, description="Processor threads for one clause of `kokoro`.")
    default_voice: str = Field("alloy", min_length=1, max_length=64, description="Voice of sessions that name none.")
    vad_model: Path | None = Field(
        None, description="ONNX file of Silero's voice activity network; unset: the one of the installed `silero-vad` wheel."
    )
    replicas: int = Field(1, ge=1, description="Replicas of the speech deployment.")
    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for one replica.")
    num_gpus: float = Field(0.0, ge=0, description="GPUs that Ray reserves for one replica; less than 1 to share one.")
    resources: dict[str, float] = Field(default_factory=dict, description="Custom Ray resources for one replica.")
    max_ongoing_requests: int = Field(200, ge=1, description="Utterances, heard or spoken, that one replica works on at a time.")
    graceful_shutdown_timeout_s: float = Field(
        20.0, ge=0, description="How long a replica that is being replaced may finish its utterances, in seconds."
    )
    recognizer_workers: int = Field(
        2,
        ge=1,
        le=256,
        description="People who may speak at once on one replica: decoder processes of PocketSphinx (about 130 MiB each), or "
        "utterances that Whisper or vLLM works on at a time.",
    )
    synthesizer_workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Synthesizer processes of one replica, or clauses that Kokoro works on at a time; each is lent for one clause.",
    )
    worker_wait_s: float = Field(10.0, gt=0, description="Longest wait for a free process, in seconds; then 503.")
    utterance_idle_timeout_s: float = Field(
        30.0, gt=0, description="After how long without audio an utterance that nobody ends is dropped, in seconds."
    )
    max_utterance_s: float = Field(120.0, gt=0, le=3600, description="Longest utterance to recognize, in seconds of audio.")
    max_text_chars: int = Field(4096, ge=1, le=1 << 20, description="Longest text to speak at once, in characters.")
    max_file_s: float = Field(1800.0, gt=0, description="Longest audio file to transcribe, in seconds of audio.")
    max_file_bytes: int = Field(25 << 20, ge=1024, description="Largest audio file to transcribe, in bytes.")
    upload_timeout_s: float = Field(120.0, gt=0, description="Longest wait for an audio file to arrive, in seconds.")
    max_recordings: int = Field(
        4,
        ge=1,
        description="Recordings (files, and audio in chats) that one gateway works on at a time; each takes up to `max_file_bytes` "
        "and 48,000 bytes a second of its audio. More wait for `worker_wait_s`, then get 503.",
    )
    max_recordings_per_organization: int = Field(
        4, ge=1, description="Recordings of one organization that one gateway works on or lets wait at a time; more get 429."
    )
    max_spoken_chats_per_organization: int = Field(
        32,
        ge=1,
        description="Chat requests of one organization with audio in them that one gateway works on at a time; more get 429.",
    )
    max_answer_chars: int = Field(
        16384,
        ge=1,
        le=1 << 20,
        description="Longest chat answer to speak that is not streamed, in characters (16,384: about 20 minutes, 50 MB of `wav`); "
        "it ends there, with the finish reason `length`.",
    )
    audio_id_ttl_s: int = Field(
        3600, ge=1, le=30 * 86400, description="How long the id of a spoken answer stands for its transcript, in seconds."
    )
    remembered_recordings: int = Field(
        1000,
        ge=0,
        description="Recordings in chats whose transcripts one gateway keeps in memory, by organization and digest, so that a "
        "conversation's earlier turns are not recognized again with each later one; 0: none.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> SpeechSettings:
        if problems := list(speech_problems(self)):
            raise Contradiction(problems)
        return self


class StoredCompletionsSettings(Section):
    """Chat completions that clients ask to be kept (`store: true`)."""

    enabled: bool = Field(True, description="Keep completions that ask for it; off: `store: true` gets 400.")
    retention_s: float = Field(
        2_592_000.0, ge=1, description="How long a stored completion is kept, in seconds (30 days). Holds for those there are, too."
    )
    purge_interval_s: float = Field(
        300.0, gt=0, description="How often each gateway deletes what is past its retention, in seconds. It is invisible at once."
    )
    max_completions_per_organization: int = Field(
        1_000_000, ge=1, description="Stored completions of one organization; further ones are answered, but not kept."
    )
    max_bytes_per_organization: int = Field(
        20 << 30, ge=1 << 20, description="Bytes of one organization's stored completions; further ones are answered, but not kept."
    )
    max_completion_bytes: int = Field(
        16 << 20, ge=64 << 10, description="Largest completion to keep, request and answer together, in bytes of JSON."
    )
    max_image_bytes: int = Field(
        8 << 20, ge=0, description="Larger images of a request are left out of what is kept of it, in bytes of the image file."
    )
    max_waiting_bytes: int = Field(
        64 << 20, ge=1 << 20, description="Completions that may wait in one gateway to be written, in bytes; more are not kept."
    )
    commit_timeout_s: float = Field(
        5.0, gt=0, description="Longest wait of an answer's end for its completion to be on disk, in seconds."
    )


class FilesSettings(Section):
    """Files that clients upload (`/v1/files`)."""

    storage_url: str | None = Field(
        None,
        min_length=1,
        description="Where contents are kept: a folder, or an address that fsspec knows, such as `s3://bucket/prefix` (needs "
        "`pip install 's3fs'`; credentials come from the environment). All gateways must see the same. Unset: `files` in the data "
        "folder.",
    )
    max_file_bytes: int = Field(512 << 20, ge=1024, description="Largest file, in bytes; larger ones get 413.")
    max_bytes_per_organization: int = Field(
        100 << 30, ge=1024, description="Bytes of all files of one organization; an upload beyond gets 403."
    )
    max_files_per_organization: int = Field(10_000, ge=1, description="Files of one organization; an upload beyond gets 403.")
    upload_timeout_s: float = Field(3600.0, gt=0, description="Longest time for an upload, in seconds.")
    sweep_interval_s: float = Field(
        300.0,
        gt=0,
        description="How often each gateway deletes expired files, in seconds. They are invisible at once.",
    )
    orphan_age_s: float = Field(
        86_400.0,
        gt=0,
        description="Age at which content without a file is taken for the remains of an upload and deleted, in seconds; more than "
        "`upload_timeout_s`. Each gateway looks 24 times in this period.",
    )

    @model_validator(mode="after")
    def _orphans_outlive_uploads(self) -> FilesSettings:
        if self.orphan_age_s <= self.upload_timeout_s:
            raise Contradiction(
                [
                    Problem(
                        ("orphan_age_s",),
                        f"must be longer than upload_timeout_s ({self.upload_timeout_s:g}): an upload is no orphan",
                    )
                ]
            )
        return self


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


class LoggingSettings(Section):
    """What the cluster writes to its logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level that is logged.")
    json_lines: bool = Field(True, description="One JSON object a line; off: plain text.")
    prompts: bool = Field(
        False,
        description="Log the text of every request's prompt, at level INFO: whoever reads the logs then reads what users wrote. "
        "Off: no line holds any of it.",
    )


class TracingSettings(Section):
    """Distributed traces, for OpenTelemetry: one span for a request, its routing, its way to an engine, queue, prefill, decode."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$",
        description="Where finished spans are sent by OTLP: `http://collector:4318`, or with `protocol: grpc` "
        "`http://collector:4317`; `https://` for TLS. Gateways, engines and jobs must reach it. Unset: nothing is traced.",
    )
    protocol: Literal["http", "grpc"] = Field("http", description="OTLP's protocol: `http` (protobuf in POST) or `grpc`.")
    headers: SecretStr | None = Field(
        None,
        min_length=3,
        description="Headers that are sent along, like a key of the collector: `name=value`, separated by commas.",
    )
    service_name: str = Field(
        "ossature",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="First part of `service.name`; the process's part follows: `ossature-gateway`, `…-engine`, `…-jobs`.",
    )
    sample_ratio: float = Field(
        0.1, ge=0, le=1, description="Share of requests and runs of jobs that are traced; for each it is decided once."
    )
    follow_callers: bool = Field(
        False,
        description="Trace a request that brings a `traceparent` if, and only if, its flags say that the caller does. Off: by "
        "`sample_ratio`, as any other. Either way its spans join the caller's trace.",
    )
    timeout_s: float = Field(5.0, gt=0, le=60, description="Longest time to send a batch of spans, in seconds.")
    max_waiting_spans: int = Field(
        8192,
        ge=64,
        le=1_000_000,
        description="Spans that wait in one process to be sent; with more, the oldest are dropped. No request waits.",
    )

    @field_validator("headers")
    @classmethod
    def _pairs(cls, headers: SecretStr | None) -> SecretStr | None:
        for pair in headers.get_secret_value().split(",") if headers is not None else ():
            name, separator, _ = pair.partition("=")
            if not separator or not name.strip():
                raise ValueError("must be name=value pairs, separated by commas")
        return headers


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
