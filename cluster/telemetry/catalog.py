"""Every metric of ours, as a table. The instruments, ``docs/metrics.md`` and the checks of a live scrape are made from it.

Names follow Prometheus' conventions: prefix ``ossature_``, base units (seconds, bytes), ``_total`` on counters. Label values come
from closed sets (configured models, known edges, codes of ``cluster.errors``) or are bounded in number (organizations).
"""

from __future__ import annotations

from cluster.telemetry.definition import Kind, Metric, Source

# Seconds. A cached prefix of a small model answers in milliseconds, a long cold prefill in minutes.
TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
ADAPTER_LOAD_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TPOT_BUCKETS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0)
QUEUE_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
# A decision is hashing plus arithmetic: tens of microseconds; milliseconds mean trouble.
DECISION_BUCKETS = (10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3)
RANK_BUCKETS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0)
# A session lasts from a test call of seconds to its limit of an hour.
SESSION_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0)
# People notice an answer that comes later than 0.3 s, and give up on one that comes after some seconds.
VOICE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
# From a small eval to a fine-tuning of a day.
JOB_BUCKETS = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)
LEDGER_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Metric(
    "ossature_requests_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Authenticated requests that have ended, by how: `ok`, `cancelled` (the client went away) or the code of the error.",
    labels=("org", "model", "edge", "code"),
    at_start=False,
    example='sum by (model) (rate(ossature_requests_total{code!="ok"}[5m])) / sum by (model) (rate(ossature_requests_total[5m]))',
)
TOKENS = Metric(
    "ossature_tokens_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Tokens of answers that were completed: the engine counts with its last piece, so that a request which was cancelled or cut "
    "off adds nothing, whatever it had generated (`vllm:prompt_tokens_total` and `vllm:generation_tokens_total` count that, too). "
    "`cached` is the engine's exact count of prompt tokens found in its prefix cache, `shown_cached` the rounded count that "
    "clients were shown; both are part of `prompt`, so never sum over `kind`.",
    labels=("org", "model", "edge", "kind"),
    at_start=False,
    example='sum(rate(ossature_tokens_total{kind="cached"}[5m])) / sum(rate(ossature_tokens_total{kind="prompt"}[5m]))',
)
TTFT = Metric(
    "ossature_time_to_first_token_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "From a request's arrival at the gateway to the first piece of its answer.",
    labels=("model", "edge"),
    unit="seconds",
    buckets=TTFT_BUCKETS,
    example="histogram_quantile(0.95, sum by (le, model) (rate(ossature_time_to_first_token_seconds_bucket[5m])))",
)
TPOT = Metric(
    "ossature_time_per_output_token_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Mean time between a request's output tokens after the first, one observation a request.",
    labels=("model", "edge"),
    unit="seconds",
    buckets=TPOT_BUCKETS,
    example="histogram_quantile(0.95, sum by (le, model) (rate(ossature_time_per_output_token_seconds_bucket[5m])))",
)
DURATION = Metric(
    "ossature_request_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "From a request's arrival at the gateway to the end of its answer, whatever the outcome.",
    labels=("model", "edge"),
    unit="seconds",
    buckets=DURATION_BUCKETS,
    example="histogram_quantile(0.99, sum by (le, model) (rate(ossature_request_duration_seconds_bucket[5m])))",
)
QUEUE = Metric(
    "ossature_queue_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Time that a request waited in its engine before it was first scheduled.",
    labels=("model", "edge"),
    unit="seconds",
    buckets=QUEUE_BUCKETS,
    example="histogram_quantile(0.95, sum by (le, model) (rate(ossature_queue_duration_seconds_bucket[5m])))",
)
DECISION = Metric(
    "ossature_routing_decision_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Time that the router took to choose a replica.",
    labels=("model",),
    unit="seconds",
    buckets=DECISION_BUCKETS,
    example="histogram_quantile(0.99, sum by (le) (rate(ossature_routing_decision_duration_seconds_bucket[5m])))",
)
AFFINITY = Metric(
    "ossature_affinity_outcomes_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Routed requests by how they met the home of their prefix: `home`, `known` (a later replica of the same order "
    "that holds it), `spilled` (one that does not), `none` (no affinity wanted).",
    labels=("model", "outcome"),
    example='sum by (model) (rate(ossature_affinity_outcomes_total{outcome="spilled"}[5m]))',
)
RANK = Metric(
    "ossature_affinity_rank",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Place of the chosen replica in the prefix's fixed order of homes; 0 is the first home.",
    labels=("model",),
    buckets=RANK_BUCKETS,
    example="histogram_quantile(0.9, sum by (le, model) (rate(ossature_affinity_rank_bucket[15m])))",
)
FORCED_OFF = Metric(
    "ossature_affinity_forced_off_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Requests that load kept from the replica that holds most of their prompt (1,024 tokens or more): affinity pressure, a "
    "reason to add replicas.",
    labels=("model",),
    example="sum by (model) (rate(ossature_affinity_forced_off_total[5m]))",
)
PREDICTED_TOKENS = Metric(
    "ossature_routing_cached_tokens_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Cached prompt tokens of answered requests that had an anchor: `predicted` by the router when it chose, and `actual` by the "
    "engine. They should grow alike.",
    labels=("model", "kind"),
    example='sum by (model) (rate(ossature_routing_cached_tokens_total{kind="actual"}[5m]))',
)
INDEX_ENTRIES = Metric(
    "ossature_routing_index_entries",
    Kind.GAUGE,
    Source.GATEWAY,
    "What gateways remember for routing: blocks of prompts to choose anchors by, who holds which block, marks told by replicas, "
    "and popular prefixes; the sum of the node's gateways. Bounded for each gateway and model by twice `routing.index_entries` and "
    "five sixteenths of it for marks and popularity.",
    labels=("model",),
    combine="livesum",
    example="sum by (model) (ossature_routing_index_entries)",
)
INDEX_BYTES = Metric(
    "ossature_routing_index_bytes",
    Kind.GAUGE,
    Source.GATEWAY,
    "Memory that this takes, estimated from the size of an entry.",
    labels=("model",),
    combine="livesum",
    unit="bytes",
    example="sum by (model) (ossature_routing_index_bytes)",
)
IN_FLIGHT = Metric(
    "ossature_requests_in_flight",
    Kind.GAUGE,
    Source.GATEWAY,
    "Requests that the node's gateways are working on.",
    labels=("model", "edge"),
    example="sum by (model) (ossature_requests_in_flight)",
)
ERRORS = Metric(
    "ossature_errors_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Errors sent to callers, known or not; model `unknown` where none could be told.",
    labels=("code", "edge", "model"),
    example="topk(5, sum by (code) (rate(ossature_errors_total[5m])))",
)
RETRIES = Metric(
    "ossature_retries_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Requests sent to another replica before their first byte, by what was wrong with the former one.",
    labels=("model", "reason"),
    example="sum by (reason) (rate(ossature_retries_total[5m]))",
)
CROSS_ORG_HITS = Metric(
    "ossature_cross_org_hits_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Prefix-cache blocks of one organization that met a request of another. Exists to be zero: alert on any increase.",
    labels=("model",),
    example="increase(ossature_cross_org_hits_total[1h]) > 0",
)
ISOLATION_JUDGED = Metric(
    "ossature_isolation_judged_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Requests that were the first of their organization and salt on an engine, and so were checked for a cross-organization hit.",
    labels=("model",),
    example="increase(ossature_cross_org_hits_total[1h]) / increase(ossature_isolation_judged_total[1h])",
)
ENGINE_DEATHS = Metric(
    "ossature_engine_deaths_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Engines that stopped while their replica ran; each replica is replaced.",
    labels=("model",),
    example="increase(ossature_engine_deaths_total[1h]) > 0",
)
ENGINE_STREAMS = Metric(
    "ossature_engine_streams_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Streamed answers that an engine began, by what writes them: `lean` (gpt-oss chats) or `vllm` (vLLM's serving classes).",
    labels=("model", "front_end"),
    example="sum by (model, front_end) (rate(ossature_engine_streams_total[5m]))",
)
ADAPTER_LOAD = Metric(
    "ossature_adapter_load_seconds",
    Kind.HISTOGRAM,
    Source.ENGINE,
    "What an engine took to load an adapter of a tuned model from its replica's disk, by the base model.",
    labels=("model",),
    unit="seconds",
    buckets=ADAPTER_LOAD_BUCKETS,
    at_start=False,
    example="histogram_quantile(0.95, sum by (le, model) (rate(ossature_adapter_load_seconds_bucket[5m])))",
)
ADAPTER_FAILURES = Metric(
    "ossature_adapter_failures_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Requests that could not be answered for want of their adapter (missing or damaged files, or one that does not fit), by the "
    "base model.",
    labels=("model",),
    example="increase(ossature_adapter_failures_total[1h]) > 0",
)
ADAPTERS_HELD = Metric(
    "ossature_adapters_held",
    Kind.GAUGE,
    Source.ENGINE,
    "Adapters that the node's engines hold in memory, by the base model.",
    labels=("model",),
    at_start=False,
    example="sum by (model) (ossature_adapters_held)",
)
ADAPTER_BYTES = Metric(
    "ossature_adapter_cache_bytes",
    Kind.GAUGE,
    Source.ENGINE,
    "Adapter files that the node's replicas keep on its disk, by the base model.",
    labels=("model",),
    unit="bytes",
    at_start=False,
    example="sum by (model) (ossature_adapter_cache_bytes)",
)
DISCONNECTS = Metric(
    "ossature_client_disconnects_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Clients that went away before their answer was complete.",
    labels=("edge",),
    example="sum by (edge) (rate(ossature_client_disconnects_total[5m]))",
)
REPLICAS_READY = Metric(
    "ossature_replicas_ready",
    Kind.GAUGE,
    Source.GATEWAY,
    "Engine replicas of the model that the router may choose, in the whole cluster, as the node's gateways see it.",
    labels=("model",),
    combine="livemax",
    example="min by (model) (ossature_replicas_ready) == 0",
)
COLD_START = Metric(
    "ossature_engine_cold_start_phase_seconds",
    Kind.GAUGE,
    Source.ENGINE,
    "How long each phase of the start took, the slowest living replica of the node; 0 while the phase is not over.",
    labels=("model", "phase"),
    unit="seconds",
    combine="livemax",
    example="max by (model, phase) (ossature_engine_cold_start_phase_seconds)",
)
LEDGER_WRITE = Metric(
    "ossature_ledger_write_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Time to write a request's row of the usage ledger.",
    unit="seconds",
    buckets=LEDGER_BUCKETS,
    example="histogram_quantile(0.99, sum by (le) (rate(ossature_ledger_write_duration_seconds_bucket[5m])))",
)
AUTH_FAILURES = Metric(
    "ossature_authentication_failures_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Calls whose key was refused, by reason.",
    labels=("reason",),
    example="sum by (reason) (rate(ossature_authentication_failures_total[5m]))",
)
RELAY_CHANNELS = Metric(
    "ossature_relay_channels",
    Kind.GAUGE,
    Source.GATEWAY,
    "Channels of engine replicas that the node's gateways hold open (relay `stepped`); each replica opens one with its "
    "first answer.",
    example="sum(ossature_relay_channels)",
)
RELAY_CONNECTIONS = Metric(
    "ossature_relay_connections_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Connections of engine replicas to gateways: `first` of a replica's life, `again` after a loss, `refused` without a valid "
    "proof or for an earlier life of the gateway.",
    labels=("outcome",),
    example='increase(ossature_relay_connections_total{outcome="refused"}[10m]) > 0',
)
RELAY_CHANNEL_ENDS = Metric(
    "ossature_relay_channel_ends_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Channels that have ended, with all streams on them: `closed` (a process has ended), `silent` (a host has vanished), "
    "`protocol` (a defect), `superseded` (the replica has connected anew).",
    labels=("reason",),
    example='increase(ossature_relay_channel_ends_total{reason!="closed"}[10m]) > 0',
)
RELAY_BYTES = Metric(
    "ossature_relay_bytes_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Bytes on the channels as gateways see them: `received` answers, `sent` large request bodies and what steers the channels.",
    labels=("direction",),
    unit="bytes",
    example='sum(rate(ossature_relay_bytes_total{direction="received"}[5m]))',
)
RELAY_MESSAGES = Metric(
    "ossature_relay_messages_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Messages that gateways have received on channels: one for each engine step and gateway, and a few that steer.",
    example="sum(rate(ossature_relay_frames_total[5m])) / sum(rate(ossature_relay_messages_total[5m]))",
)
RELAY_FRAMES = Metric(
    "ossature_relay_frames_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Pieces of single answers in those messages. Divided by the messages: how many streams share one.",
    example="sum(rate(ossature_relay_frames_total[5m])) / sum(rate(ossature_relay_messages_total[5m]))",
)
RELAY_WAITING_BYTES = Metric(
    "ossature_relay_waiting_bytes",
    Kind.GAUGE,
    Source.GATEWAY,
    "Answers that wait in the node's gateways for clients that read slowly (relay `stepped`), added up over the gateways; each "
    "holds at most `relay.max_waiting_bytes`.",
    unit="bytes",
    example="sum(ossature_relay_waiting_bytes)",
)
RELAY_GIVEN_UP = Metric(
    "ossature_relay_given_up_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Answers that gateways gave up because `relay.max_waiting_bytes` were waiting.",
    example="increase(ossature_relay_given_up_total[10m]) > 0",
)
KV_EVENTS = Metric(
    "ossature_kv_events_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Blocks of the prefix cache that engines told of (`routing.index: precise`), each cache group by itself: `stored`, `removed`; "
    "`cleared` counts whole caches.",
    labels=("model", "kind"),
    at_start=False,
    example='sum by (model) (rate(ossature_kv_events_total{kind="removed"}[5m]))',
)
KV_FEED = Metric(
    "ossature_kv_event_gaps_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Missing events of engines: each `gap` ends with a `replay`, or with a `reset`, after which gateways are left to belief.",
    labels=("model", "outcome"),
    at_start=False,
    example='increase(ossature_kv_event_gaps_total{outcome="reset"}[1h]) > 0',
)
KV_RESIDENT_BLOCKS = Metric(
    "ossature_kv_resident_blocks",
    Kind.GAUGE,
    Source.ENGINE,
    "Blocks that the node's engines have cached, as their events tell it; 0 while that is not known.",
    labels=("model",),
    at_start=False,
    example="sum by (model) (ossature_kv_resident_blocks)",
)
KV_RESIDENT_HASHES = Metric(
    "ossature_kv_resident_hashes",
    Kind.GAUGE,
    Source.ENGINE,
    "Hashes of prompts' prefix chains that end on these blocks, at most `routing.index_entries` for each replica.",
    labels=("model",),
    at_start=False,
    example="sum by (model) (ossature_kv_resident_hashes)",
)
RESIDENCY_REPLICAS = Metric(
    "ossature_residency_replicas",
    Kind.GAUGE,
    Source.GATEWAY,
    "Replicas that have told the node's gateways all that they have cached, added up over the gateways.",
    example="sum(ossature_residency_replicas)",
)
RESIDENCY_HASHES = Metric(
    "ossature_residency_hashes",
    Kind.GAUGE,
    Source.GATEWAY,
    "Prefix hashes that the node's gateways were told of, about 420 bytes each, at most `routing.index_entries` a gateway.",
    example="sum(ossature_residency_hashes)",
)
RESIDENCY_GAPS = Metric(
    "ossature_residency_gaps_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Reports of replicas that came without the one before; what is missing is asked for.",
    example="increase(ossature_residency_gaps_total[1h]) > 0",
)
BUILD_INFO = Metric(
    "ossature_build_info",
    Kind.GAUGE,
    Source.EXPORTER,
    "Always 1; the labels are the installed versions.",
    labels=("version", "python", "ray", "vllm"),
    combine="livemax",
    example="count by (version) (ossature_build_info)",
)
EXPORTER_PROCESSES = Metric(
    "ossature_exporter_processes",
    Kind.GAUGE,
    Source.EXPORTER,
    "Living processes of the node that export metrics.",
    example="ossature_exporter_processes",
)
EXPORTER_FOLDED = Metric(
    "ossature_exporter_folded_processes_total",
    Kind.COUNTER,
    Source.EXPORTER,
    "Ended processes whose counters were folded into the node's archive: restarts of replicas.",
    example="increase(ossature_exporter_folded_processes_total[1h]) > 3",
)
EXPORTER_COLLECT = Metric(
    "ossature_exporter_collect_duration_seconds",
    Kind.GAUGE,
    Source.EXPORTER,
    "Time that reading and merging the node's metrics took for this very scrape.",
    unit="seconds",
    combine="livemax",
    example="max(ossature_exporter_collect_duration_seconds)",
)
INGRESS_UP = Metric(
    "ossature_ingress_up",
    Kind.GAUGE,
    Source.EXPORTER,
    "Whether clients can get in at this node: 1 if its HAProxy answered the scrape's own request and has a gateway, else 0. Nodes "
    "without replicas have no HAProxy.",
    combine="livemax",
    example="ossature_ingress_up == 0 and max_over_time(ossature_ingress_up[1h]) == 1",
)
DATA_FOLDER_FREE = Metric(
    "ossature_data_folder_free_bytes",
    Kind.GAUGE,
    Source.EXPORTER,
    "What a process without privileges may still write to the file system of the node's data folder: database, files, metrics.",
    unit="bytes",
    combine="livemax",
    example="ossature_data_folder_free_bytes / ossature_data_folder_size_bytes < 0.1",
)
DATA_FOLDER_SIZE = Metric(
    "ossature_data_folder_size_bytes",
    Kind.GAUGE,
    Source.EXPORTER,
    "Size of the file system of the node's data folder.",
    unit="bytes",
    combine="livemax",
    example="ossature_data_folder_free_bytes / ossature_data_folder_size_bytes < 0.1",
)
REALTIME_SESSIONS = Metric(
    "ossature_realtime_sessions",
    Kind.GAUGE,
    Source.GATEWAY,
    "Realtime sessions that are open, the sum of the node's gateways.",
    labels=("kind",),
    combine="livesum",
    example="sum(ossature_realtime_sessions)",
)
REALTIME_SESSION_DURATION = Metric(
    "ossature_realtime_session_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "How long realtime sessions lived, counted at their end.",
    labels=("kind",),
    unit="seconds",
    buckets=SESSION_BUCKETS,
    example="histogram_quantile(0.5, sum by (le) (rate(ossature_realtime_session_duration_seconds_bucket[1h])))",
)
REALTIME_EVENTS = Metric(
    "ossature_realtime_events_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "What happened in realtime sessions: turns of users that ended by silence, answers that were interrupted by speech, turns in "
    "which no words were recognized, and answers begun in the silence before a turn's end that were kept or dropped.",
    labels=("event",),
    example="sum by (event) (rate(ossature_realtime_events_total[5m]))",
)
REALTIME_LATENCY = Metric(
    "ossature_realtime_latency_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "From the end of a user's turn, as the turn detector tells it, to the first audio of its answer (`total`), and its parts, each "
    "from the end of the one before: the words known, the first token, the first clause, the first audio.",
    labels=("stage",),
    unit="seconds",
    buckets=VOICE_BUCKETS,
    example='histogram_quantile(0.5, sum by (le) (rate(ossature_realtime_latency_seconds_bucket{stage="total"}[5m])))',
)
REALTIME_LATE_FRAMES = Metric(
    "ossature_realtime_late_frames_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Frames of users' audio that were done with more than 40 ms after the gateway had read them: a gateway with too much to do.",
    example="rate(ossature_realtime_late_frames_total[5m])",
)
SPEECH_REAL_TIME_FACTOR = Metric(
    "ossature_speech_real_time_factor",
    Kind.HISTOGRAM,
    Source.SPEECH,
    "Seconds of work for each second of audio, of each utterance that was recognized or spoken. Above 1, recognition falls behind "
    "whoever speaks, and a listener hears gaps.",
    labels=("work",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0),
    example="histogram_quantile(0.9, sum by (le, work) (rate(ossature_speech_real_time_factor_bucket[5m])))",
)
SPEECH_AUDIO = Metric(
    "ossature_speech_audio_seconds_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Seconds of audio in HTTP requests: `received` is what was recognized, `sent` what was spoken. Realtime sessions are not in "
    "it. The requests themselves are in `ossature_requests_total`, under the models `speech-to-text` and `text-to-speech`.",
    labels=("surface", "direction"),
    unit="seconds",
    example="sum by (surface, direction) (rate(ossature_speech_audio_seconds_total[5m]))",
)
SPEECH_FIRST_AUDIO = Metric(
    "ossature_speech_first_audio_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "From a request's arrival to the first audio that was made for it; in chats from the first words of the answer.",
    labels=("surface",),
    unit="seconds",
    buckets=VOICE_BUCKETS,
    example="histogram_quantile(0.95, sum by (le, surface) (rate(ossature_speech_first_audio_seconds_bucket[5m])))",
)

STORED_COMPLETIONS = Metric(
    "ossature_stored_completions_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Answers that were to be stored (`store: true`), by what became of it. All but `stored` were told to their clients.",
    labels=("outcome",),
    example='sum by (outcome) (rate(ossature_stored_completions_total{outcome!="stored"}[5m])) > 0',
)
STORE_WAIT = Metric(
    "ossature_stored_completion_wait_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Time that the end of an answer waited for its copy to be on disk, beyond its row of the usage ledger.",
    unit="seconds",
    buckets=LEDGER_BUCKETS,
    example="histogram_quantile(0.99, sum by (le) (rate(ossature_stored_completion_wait_duration_seconds_bucket[5m])))",
)
STORED_PURGED = Metric(
    "ossature_stored_completions_purged_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Stored completions that were deleted because they were past their retention.",
    example="rate(ossature_stored_completions_purged_total[1h])",
)
FILE_BYTES = Metric(
    "ossature_file_bytes_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Bytes of files that clients uploaded (`received`, whole files only) and read (`sent`).",
    labels=("direction",),
    unit="bytes",
    example="sum by (direction) (rate(ossature_file_bytes_total[5m]))",
)
FILES_SWEPT = Metric(
    "ossature_files_swept_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Files deleted because they had expired, and contents because no file belongs to them: remains of broken-off uploads and "
    "deletions.",
    labels=("reason",),
    example="sum by (reason) (increase(ossature_files_swept_total[1d]))",
)
JOBS = Metric(
    "ossature_jobs",
    Kind.GAUGE,
    Source.GATEWAY,
    "Jobs of the whole cluster that are not finished, as each gateway finds them in the database every 15 s.",
    labels=("kind", "state"),
    combine="livemax",
    at_start=False,
    example="max by (kind, state) (ossature_jobs)",
)
JOB_WAIT = Metric(
    "ossature_job_waiting_seconds",
    Kind.GAUGE,
    Source.GATEWAY,
    "How long a job of the whole cluster has waited for a worker, the longest: since it might have run, or since its worker was "
    "last heard of. Beyond what the limits per organization explain, workers are missing.",
    labels=("kind",),
    unit="seconds",
    combine="livemax",
    at_start=False,
    example="max by (kind) (ossature_job_waiting_seconds) > 3600",
)
JOB_RUNS = Metric(
    "ossature_job_run_duration_seconds",
    Kind.HISTOGRAM,
    Source.JOBS,
    "How long runs of jobs took, by how they ended. `retried`: in an unexpected error; `released`: given back, as its worker shut "
    "down; `lost`: without word, as another worker had the job or the database was away.",
    labels=("kind", "outcome"),
    unit="seconds",
    buckets=JOB_BUCKETS,
    example='sum by (kind) (increase(ossature_job_run_duration_seconds_count{outcome=~"retried|failed"}[1h]))',
)
JOB_TAKEOVERS = Metric(
    "ossature_job_leases_taken_over_total",
    Kind.COUNTER,
    Source.JOBS,
    "Jobs that another worker went on with because theirs was lost.",
    labels=("kind",),
    example="sum by (kind) (increase(ossature_job_leases_taken_over_total[1h])) > 3",
)

ALL: tuple[Metric, ...] = (
    REQUESTS,
    TOKENS,
    TTFT,
    TPOT,
    DURATION,
    QUEUE,
    DECISION,
    AFFINITY,
    FORCED_OFF,
    PREDICTED_TOKENS,
    INDEX_ENTRIES,
    INDEX_BYTES,
    RANK,
    IN_FLIGHT,
    ERRORS,
    RETRIES,
    CROSS_ORG_HITS,
    ISOLATION_JUDGED,
    ENGINE_DEATHS,
    ENGINE_STREAMS,
    DISCONNECTS,
    REPLICAS_READY,
    COLD_START,
    LEDGER_WRITE,
    AUTH_FAILURES,
    RELAY_CHANNELS,
    RELAY_CONNECTIONS,
    RELAY_CHANNEL_ENDS,
    RELAY_BYTES,
    RELAY_MESSAGES,
    RELAY_FRAMES,
    RELAY_WAITING_BYTES,
    RELAY_GIVEN_UP,
    KV_EVENTS,
    KV_FEED,
    ADAPTER_LOAD,
    ADAPTER_FAILURES,
    ADAPTERS_HELD,
    ADAPTER_BYTES,
    KV_RESIDENT_BLOCKS,
    KV_RESIDENT_HASHES,
    RESIDENCY_REPLICAS,
    RESIDENCY_HASHES,
    RESIDENCY_GAPS,
    REALTIME_SESSIONS,
    REALTIME_SESSION_DURATION,
    REALTIME_EVENTS,
    REALTIME_LATENCY,
    REALTIME_LATE_FRAMES,
    SPEECH_REAL_TIME_FACTOR,
    SPEECH_AUDIO,
    SPEECH_FIRST_AUDIO,
    STORED_COMPLETIONS,
    STORE_WAIT,
    STORED_PURGED,
    FILE_BYTES,
    FILES_SWEPT,
    JOBS,
    JOB_WAIT,
    JOB_RUNS,
    JOB_TAKEOVERS,
    BUILD_INFO,
    EXPORTER_PROCESSES,
    EXPORTER_FOLDED,
    EXPORTER_COLLECT,
    INGRESS_UP,
    DATA_FOLDER_FREE,
    DATA_FOLDER_SIZE,
)
