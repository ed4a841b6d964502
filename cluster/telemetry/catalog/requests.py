"""Requests at the gateways: how many, how long, how they ended."""

from __future__ import annotations

from cluster.telemetry.catalog.buckets import DURATION_BUCKETS, LEDGER_BUCKETS, QUEUE_BUCKETS, TPOT_BUCKETS, TTFT_BUCKETS
from cluster.telemetry.definition import Kind, Metric, Source

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
DISCONNECTS = Metric(
    "ossature_client_disconnects_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Clients that went away before their answer was complete.",
    labels=("edge",),
    example="sum by (edge) (rate(ossature_client_disconnects_total[5m]))",
)
AUTH_FAILURES = Metric(
    "ossature_authentication_failures_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Calls whose key was refused, by reason.",
    labels=("reason",),
    example="sum by (reason) (rate(ossature_authentication_failures_total[5m]))",
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
LEDGER_LATE = Metric(
    "ossature_ledger_late_rows",
    Kind.GAUGE,
    Source.GATEWAY,
    "Rows of the usage ledger that the node's gateways keep in memory because the database was away when their requests ended.",
    example="sum(ossature_ledger_late_rows) > 0",
)

ALL: tuple[Metric, ...] = (
    REQUESTS,
    TOKENS,
    TTFT,
    TPOT,
    DURATION,
    QUEUE,
    IN_FLIGHT,
    ERRORS,
    RETRIES,
    DISCONNECTS,
    AUTH_FAILURES,
    LEDGER_WRITE,
    LEDGER_LATE,
)
