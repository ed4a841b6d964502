"""Engines and the GPUs below them, and the channels above them."""

from __future__ import annotations

from deploy.monitoring.panels import Board, Color, Look, Panel, Query, Row, Step, Unit, quantiles, rates, share, worse_above

_GPU = "GPUs and NVIDIA's dcgm-exporter"


def _gpu(expression: str) -> Query:
    return Query(expression, "{{Hostname}} {{gpu}}")


ENGINES = Row(
    "Engines",
    (
        Panel(
            "Running",
            "Requests in an engine's batch, by replica.",
            (Query("vllm:num_requests_running", "{{model_name}} {{instance}}/{{replica}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Waiting",
            "Requests that an engine has not scheduled yet, by replica.",
            (Query("vllm:num_requests_waiting", "{{model_name}} {{instance}}/{{replica}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "KV cache in use",
            "By replica; blocks that hold a prefix nobody uses count as free.",
            (Query("vllm:kv_cache_usage_perc", "{{model_name}} {{instance}}/{{replica}}"),),
            Unit.SHARE,
            steps=worse_above(0.9, 0.97),
            maximum=1,
        ),
        Panel(
            "Prompt tokens computed",
            "Prefill of each model.",
            (rates("vllm:prompt_tokens_total", "model_name"),),
            Unit.TOKENS_PER_S,
        ),
        Panel(
            "Tokens generated", "Decode of each model.", (rates("vllm:generation_tokens_total", "model_name"),), Unit.TOKENS_PER_S
        ),
        Panel(
            "Preemptions",
            "Requests thrown out of the batch for lack of KV cache, to be computed again.",
            (rates("vllm:num_preemptions_total", "model_name"),),
            Unit.EVENTS_PER_S,
            steps=worse_above(0.01, 0.1),
        ),
        Panel(
            "Prefill, p95",
            "From scheduling to the first token.",
            quantiles("vllm:request_prefill_time_seconds", 0.95, by=("model_name",)),
            Unit.SECONDS,
        ),
        Panel(
            "Wait, p95",
            "Before the first scheduling.",
            quantiles("vllm:request_queue_time_seconds", 0.95, by=("model_name",)),
            Unit.SECONDS,
        ),
        Panel(
            "Between tokens",
            "vLLM's inter-token latency.",
            quantiles("vllm:inter_token_latency_seconds", 0.5, 0.99, by=("model_name",)),
            Unit.SECONDS,
        ),
        Panel(
            "Tokens in a step",
            "Mean over steps: how full batches are.",
            (share("vllm:iteration_tokens_total_sum", "vllm:iteration_tokens_total_count", "model_name"),),
            Unit.NUMBER,
        ),
        Panel(
            "Answers by their end",
            "`stop`, `length`, `abort` …",
            (rates("vllm:request_success_total", "finished_reason"),),
            Unit.REQUESTS_PER_S,
            stacked=True,
        ),
        Panel(
            "Streams", "By what writes them.", (rates("ossature_engine_streams_total", "model", "front_end"),), Unit.REQUESTS_PER_S
        ),
    ),
)

LIFE = Row(
    "Starts and ends",
    (
        Panel("Replicas ready", "By model.", (Query("min by (model) (ossature_replicas_ready)", "{{model}}"),), Unit.NUMBER),
        Panel(
            "Cold start by phase",
            "The slowest living replica.",
            (Query("max by (model, phase) (ossature_engine_cold_start_phase_seconds)", "{{model}} {{phase}}"),),
            Unit.SECONDS,
            Look.BARS,
        ),
        Panel(
            "Deaths and ended processes",
            "In an hour: engines that stopped, and processes of any kind that have ended.",
            (
                Query("sum(increase(ossature_engine_deaths_total[1h]))", "engines"),
                Query("sum(increase(ossature_exporter_folded_processes_total[1h]))", "processes"),
            ),
            Unit.NUMBER,
            steps=worse_above(1, 3),
        ),
    ),
)

_ADAPTER = "a tuned model that has answered"

ADAPTERS = Row(
    "Adapters of tuned models, by base model",
    (
        Panel(
            "Held by engines",
            "In memory.",
            (Query("sum by (model) (ossature_adapters_held)", "{{model}}"),),
            Unit.NUMBER,
            width=6,
            needs=_ADAPTER,
        ),
        Panel(
            "Time to load, p95",
            "From the replica's disk into the engine.",
            quantiles("ossature_adapter_load_seconds", 0.95, by=("model",)),
            Unit.SECONDS,
            width=6,
            needs=_ADAPTER,
        ),
        Panel(
            "Files on replicas' disks",
            "All that the nodes keep.",
            (Query("sum by (model) (ossature_adapter_cache_bytes)", "{{model}}"),),
            Unit.BYTES,
            width=6,
            needs=_ADAPTER,
        ),
        Panel(
            "Failures",
            "Requests in an hour without their adapter: missing or damaged files, or one that does not fit.",
            (Query("sum by (model) (increase(ossature_adapter_failures_total[1h]))", "{{model}}"),),
            Unit.NUMBER,
            width=6,
            steps=worse_above(1, 10),
        ),
    ),
)

GPUS = Row(
    "GPUs (all that this Prometheus knows)",
    (
        Panel(
            "Busy",
            "Share of time in which any kernel ran: says little of how well.",
            (_gpu("DCGM_FI_DEV_GPU_UTIL"),),
            Unit.PERCENT,
            maximum=100,
            needs=_GPU,
        ),
        Panel(
            "Tensor cores active",
            "Share of cycles: high in prefill.",
            (_gpu("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"),),
            Unit.SHARE,
            maximum=1,
            needs=_GPU,
        ),
        Panel(
            "Memory bus active",
            "Share of cycles: what bounds decode.",
            (_gpu("DCGM_FI_PROF_DRAM_ACTIVE"),),
            Unit.SHARE,
            maximum=1,
            needs=_GPU,
        ),
        Panel(
            "Memory in use",
            "Weights and KV cache are taken at the start, so that it is flat; growth is a leak.",
            (_gpu("DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)"),),
            Unit.SHARE,
            maximum=1,
            needs=_GPU,
        ),
        Panel("Power", "A drop below its neighbours: throttled.", (_gpu("DCGM_FI_DEV_POWER_USAGE"),), Unit.WATTS, needs=_GPU),
        Panel("Temperature", "Of the chip.", (_gpu("DCGM_FI_DEV_GPU_TEMP"),), Unit.CELSIUS, steps=worse_above(80, 88), needs=_GPU),
        Panel(
            "Last Xid error",
            "0: none. NVIDIA's list of Xid errors says which ones mean a broken GPU.",
            (_gpu("DCGM_FI_DEV_XID_ERRORS"),),
            Unit.NUMBER,
            width=24,
            height=6,
            steps=(Step(1, Color.BAD),),
            needs=_GPU,
        ),
    ),
)

RELAY = Row(
    "Channels between engines and gateways",
    (
        Panel(
            "Open",
            "Channels of replicas to gateways.",
            (Query("sum by (instance) (ossature_relay_channels)", "{{instance}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Connections",
            "`again`: after a loss; `refused`: without a valid proof.",
            (rates("ossature_relay_connections_total", "outcome"),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Ends",
            "`silent`: a host has vanished; `protocol`: a defect.",
            (rates("ossature_relay_channel_ends_total", "reason"),),
            Unit.EVENTS_PER_S,
        ),
        Panel("Bytes", "As gateways see them.", (rates("ossature_relay_bytes_total", "direction"),), Unit.BYTES_PER_S),
        Panel(
            "Answers in a message",
            "How many streams share one message: grows with the batch.",
            (share("ossature_relay_frames_total", "ossature_relay_messages_total", legend="pieces"),),
            Unit.NUMBER,
        ),
        Panel(
            "Waiting for slow clients",
            "Bytes that gateways hold for clients that read slowly; at the bound the slowest reader's answer is given up.",
            (Query("sum by (instance) (ossature_relay_waiting_bytes)", "{{instance}}"),),
            Unit.BYTES,
        ),
        Panel(
            "Given up",
            "Answers, in ten minutes.",
            (Query("sum(increase(ossature_relay_given_up_total[10m]))", "answers"),),
            Unit.NUMBER,
            steps=worse_above(1, 10),
        ),
        Panel(
            "Processes",
            "Living ones that export metrics, by node.",
            (Query("ossature_exporter_processes", "{{instance}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Time of a scrape",
            "To read and merge a node's metrics.",
            (Query("ossature_exporter_collect_duration_seconds", "{{instance}}"),),
            Unit.SECONDS,
        ),
    ),
)

BOARD = Board(
    "ossature-engines",
    "Ossature: engines and GPUs",
    "Batches, KV cache and speed of each engine, how replicas start and end, GPUs, and the channels to the gateways.",
    (ENGINES, LIFE, ADAPTERS, GPUS, RELAY),
)
