"""What alerts need over long windows, recorded: shares of slow first tokens, the queue, the share of cached prompt tokens."""

from __future__ import annotations

from deploy.monitoring.rules.definition import Group, Objective, Recording

_MODEL = frozenset({"namespace", "model"})
_TTFT = "ossature_time_to_first_token_seconds"
# Jobs wait for nobody: their first tokens are no part of the objective.
_USERS = 'edge!="jobs"'
#: Windows of the burn-rate alerts, short and long.
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def slow_share(window: str) -> str:
    """Name of the share of first tokens beyond the objective in a window."""
    return f"model:ossature_slow_first_tokens:ratio_rate{window}"


WAITING = "model:ossature_requests_waiting:sum"
WAITING_PER_REPLICA = "model:ossature_requests_waiting:per_replica"
CACHED_SHARE = "model:ossature_cached_prompt_tokens:ratio_rate30m"
PROMPT_RATE = "model:ossature_prompt_tokens:rate30m"


def groups(objective: Objective) -> tuple[Group, ...]:
    slow = tuple(
        Recording(
            slow_share(window),
            # 1 - in time / all; no requests in the window: no outcome.
            f'1 - (sum by (namespace, model) (rate({_TTFT}_bucket{{{_USERS},le="{objective.ttft_s}"}}[{window}])) '
            f"/ (sum by (namespace, model) (rate({_TTFT}_count{{{_USERS}}}[{window}])) > 0))",
            _MODEL,
        )
        for window in WINDOWS
    )
    load = (
        Recording(
            WAITING,
            # vLLM calls the label of a model otherwise than we do.
            'sum by (namespace, model) (label_replace(vllm:num_requests_waiting, "model", "$1", "model_name", "(.*)"))',
            _MODEL,
        ),
        Recording(
            WAITING_PER_REPLICA,
            f"{WAITING} / clamp_min(max by (namespace, model) (ossature_replicas_ready), 1)",
            _MODEL,
        ),
        Recording(PROMPT_RATE, 'sum by (namespace, model) (rate(ossature_tokens_total{kind="prompt"}[30m]))', _MODEL),
        Recording(
            CACHED_SHARE,
            f'sum by (namespace, model) (rate(ossature_tokens_total{{kind="cached"}}[30m])) / ({PROMPT_RATE} > 0)',
            _MODEL,
        ),
    )
    return (Group("ossature-slow-first-tokens", slow, "30s"), Group("ossature-load", load, "30s"))


def labels_of() -> dict[str, frozenset[str]]:
    """Labels of every recorded series, by its name."""
    return {rule.name: rule.labels for group in groups(Objective()) for rule in group.rules if isinstance(rule, Recording)}
