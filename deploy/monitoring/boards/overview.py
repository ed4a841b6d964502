"""Golden signals: latency, traffic, errors, saturation."""

from __future__ import annotations

from deploy.monitoring.panels import Board, Color, Look, Panel, Query, Row, Step, Unit, number, quantiles, rates, share, worse_above

#: Codes of errors that are no fault of a caller.
OUR_FAULT = "engine_failed|internal_error|overloaded|store_unavailable"
_FAILED = f'ossature_requests_total{{code=~"{OUR_FAULT}"}}'
# Jobs wait for nobody: their first tokens are not what a user feels.
_TTFT = 'ossature_time_to_first_token_seconds{edge!="jobs"}'

NOW = Row(
    "Now",
    (
        number(
            "Requests",
            "Requests that ended, each second.",
            "sum(rate(ossature_requests_total[$__rate_interval]))",
            Unit.REQUESTS_PER_S,
        ),
        number(
            "Failed",
            "Share of requests that failed through no fault of their callers: engine failures, defects, overload, lost storage.",
            f"(sum(rate({_FAILED}[$__rate_interval])) or vector(0)) / sum(rate(ossature_requests_total[$__rate_interval]))",
            Unit.SHARE,
            steps=worse_above(0.01, 0.05),
        ),
        number(
            "First token, p95",
            "Nineteen of twenty requests of users have the first piece of their answer within this time.",
            quantiles(_TTFT, 0.95)[0].expression,
            Unit.SECONDS,
            steps=worse_above(2.5, 5),
        ),
        number("In flight", "Requests that gateways are working on.", "sum(ossature_requests_in_flight)", Unit.NUMBER),
        number(
            "Fewest replicas",
            "Replicas ready of the model that has the fewest. At 0 its requests get 503.",
            "min(ossature_replicas_ready)",
            Unit.NUMBER,
            base=Color.BAD,
            steps=(Step(1, Color.GOOD),),
        ),
        number(
            "Hits across organizations",
            "Cached blocks of one organization that met a request of another, in the chosen time. Anything but 0 is an incident.",
            "sum(increase(ossature_cross_org_hits_total[$__range]))",
            Unit.NUMBER,
            steps=(Step(0.5, Color.BAD),),
        ),
    ),
)

LATENCY = Row(
    "Latency",
    (
        Panel(
            "Time to first token",
            "From a request's arrival at the gateway to the first piece of its answer, over all models chosen.",
            quantiles(_TTFT, 0.5, 0.95, 0.99),
            Unit.SECONDS,
            steps=worse_above(2.5, 5),
        ),
        Panel(
            "Time to first token, p95 by model",
            "Which model is slow. Compare the wait in engines below: a queue asks for replicas, a long prefill for cache hits.",
            quantiles(_TTFT, 0.95, by=("model",)),
            Unit.SECONDS,
        ),
        Panel(
            "Time per output token, p95 by model",
            "Mean time between a request's tokens after the first; batches that are too large raise it.",
            quantiles("ossature_time_per_output_token_seconds", 0.95, by=("model",)),
            Unit.SECONDS,
        ),
        Panel(
            "First tokens by their time",
            "How many requests had their first token in which time, each second; two bands are cached and cold prompts.",
            (Query("sum by (le) (rate(ossature_time_to_first_token_seconds_bucket[$__rate_interval]))", "{{le}}"),),
            Unit.SECONDS,
            Look.HEATMAP,
            width=12,
        ),
        Panel(
            "Whole requests, p95 by edge",
            "From arrival to the end of the answer. Long answers are slow by nature: compare it with its own past.",
            quantiles("ossature_request_duration_seconds", 0.95, by=("edge",)),
            Unit.SECONDS,
            width=12,
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Requests by model",
            "Requests that ended, each second.",
            (rates("ossature_requests_total", "model"),),
            Unit.REQUESTS_PER_S,
        ),
        Panel("Requests by edge", "The same by the way in.", (rates("ossature_requests_total", "edge"),), Unit.REQUESTS_PER_S),
        Panel(
            "Tokens",
            "Of completed answers. Cached tokens are part of the prompt's.",
            tuple(rates(f'ossature_tokens_total{{kind="{kind}"}}', legend=kind) for kind in ("prompt", "cached", "completion")),
            Unit.TOKENS_PER_S,
        ),
    ),
)

ERRORS = Row(
    "Errors",
    (
        Panel(
            "Errors by code",
            "All errors that callers got, theirs and ours.",
            (rates("ossature_errors_total", "code"),),
            Unit.EVENTS_PER_S,
            stacked=True,
        ),
        Panel(
            "Failed requests by model",
            "Share of a model's requests that failed through no fault of their callers.",
            (share(f'ossature_errors_total{{code=~"{OUR_FAULT}"}}', "ossature_requests_total", "model"),),
            Unit.SHARE,
            steps=worse_above(0.01, 0.05),
        ),
        Panel(
            "Retries",
            "Requests that went to another replica before their first byte, by what was wrong with the former.",
            (rates("ossature_retries_total", "reason"),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Refused keys",
            "By reason. `unavailable`: keys could not be checked, so that nobody gets in.",
            (rates("ossature_authentication_failures_total", "reason"),),
            Unit.EVENTS_PER_S,
            stacked=True,
        ),
        Panel(
            "Clients that went away",
            "Before their answer was complete. Rising together with the time to first token: they have lost patience.",
            (rates("ossature_client_disconnects_total", "edge"),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Engines that died",
            "In the last hour, by model; each replica is replaced.",
            (Query("sum by (model) (increase(ossature_engine_deaths_total[1h]))", "{{model}}"),),
            Unit.NUMBER,
            steps=worse_above(1, 3),
        ),
    ),
)

SATURATION = Row(
    "Saturation",
    (
        Panel(
            "In flight by model",
            "Requests that gateways are working on.",
            (Query("sum by (model) (ossature_requests_in_flight)", "{{model}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Waiting in engines",
            "Requests that an engine has taken and not yet scheduled, all replicas of a model.",
            (Query("sum by (model_name) (vllm:num_requests_waiting)", "{{model_name}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Wait in engines, p95 by model",
            "Time before a request was first scheduled.",
            quantiles("ossature_queue_duration_seconds", 0.95, by=("model",)),
            Unit.SECONDS,
            steps=worse_above(1, 2.5),
        ),
        Panel(
            "KV cache in use",
            "The fullest replica of each model. Near 100 % requests wait or are preempted.",
            (Query("max by (model_name) (vllm:kv_cache_usage_perc)", "{{model_name}}"),),
            Unit.SHARE,
            steps=worse_above(0.9, 0.97),
            maximum=1,
            width=6,
        ),
        Panel(
            "Disk in use",
            "Of the file system of each node's data folder: database, files, metrics.",
            (Query("1 - ossature_data_folder_free_bytes / ossature_data_folder_size_bytes", "{{instance}}"),),
            Unit.SHARE,
            steps=worse_above(0.85, 0.95),
            maximum=1,
            width=6,
        ),
        Panel(
            "Ledger writes, p99",
            "Time to write a request's row of the usage ledger: how the database is.",
            quantiles("ossature_ledger_write_duration_seconds", 0.99),
            Unit.SECONDS,
            steps=worse_above(0.25, 1),
            width=6,
        ),
        Panel(
            "Ledger rows that wait",
            "Rows of ended requests that gateways keep until the database is back.",
            (Query("sum by (instance) (ossature_ledger_late_rows)", "{{instance}}"),),
            Unit.NUMBER,
            steps=worse_above(1, 1000),
            width=6,
        ),
    ),
)

CLUSTER = Row(
    "Cluster",
    (
        Panel(
            "Replicas ready",
            "As the gateways see them.",
            (Query("min by (model) (ossature_replicas_ready)", "{{model}}"),),
            Unit.NUMBER,
        ),
        Panel(
            "Completions to store",
            "By outcome; all but `stored` and its clients were told.",
            (rates("ossature_stored_completions_total", "outcome"),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Nodes by version",
            "More than one version for longer than a rolling upgrade takes is one that has stopped halfway.",
            (Query("count by (version, vllm) (ossature_build_info)", "{{version}}, vLLM {{vllm}}"),),
            Unit.NUMBER,
            Look.BARS,
        ),
    ),
)

BOARD = Board(
    "ossature-overview",
    "Ossature: overview",
    "Latency, traffic, errors and saturation of the whole cluster: where to look first.",
    (NOW, LATENCY, TRAFFIC, ERRORS, SATURATION, CLUSTER),
)
