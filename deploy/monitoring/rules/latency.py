"""Alerts on time: first tokens beyond their objective, queues that grow, engines short of KV cache, a cache that hits less."""

from __future__ import annotations

from deploy.monitoring.rules.definition import Alert, Objective, Severity
from deploy.monitoring.rules.recording import CACHED_SHARE, PROMPT_RATE, WAITING_PER_REPLICA, slow_share


def _burns(factor: float, long: str, short: str, objective: Objective) -> str:
    """The error budget burns ``factor`` times as fast as it may over the long window, and still does in the short one."""
    limit = f"{factor:g} * (1 - {objective.share})"
    return f"({slow_share(long)} > {limit} and {slow_share(short)} > {limit})"


def alerts(objective: Objective) -> tuple[Alert, ...]:
    return (
        Alert(
            "OssatureTtftBurnRateHigh",
            # Of a month's budget, 2 % in an hour or 5 % in six hours.
            f"{_burns(14.4, '1h', '5m', objective)} or {_burns(6, '6h', '30m', objective)}",
            "2m",
            Severity.CRITICAL,
            "First tokens of {{ $labels.model }} are far too slow.",
            f"{{{{ $value | humanizePercentage }}}} of them took longer than {objective.ttft_s} s, where "
            f"{objective.share} of all are to be faster: the month's budget is gone within days. "
            "Where requests wait in engines, add replicas; a fallen share of cached prompt tokens is another cause.",
            "ossature-overview",
        ),
        Alert(
            "OssatureTtftBurnRateElevated",
            # 10 % of a month's budget in a day or in three days.
            f"{_burns(3, '1d', '2h', objective)} or {_burns(1, '3d', '6h', objective)}",
            "15m",
            Severity.WARNING,
            "First tokens of {{ $labels.model }} are slower than their objective.",
            f"{{{{ $value | humanizePercentage }}}} of them took longer than {objective.ttft_s} s, where "
            f"{objective.share} of all are to be faster.",
            "ossature-overview",
        ),
        Alert(
            "OssatureQueueGrowth",
            f"{WAITING_PER_REPLICA} > 4 and deriv({WAITING_PER_REPLICA}[15m]) > 0",
            "10m",
            Severity.WARNING,
            "Requests for {{ $labels.model }} queue up in its engines.",
            '{{ $value | printf "%.1f" }} wait for each ready replica, and they get more: add replicas, or find who sends so much.',
            "ossature-engines",
        ),
        Alert(
            "OssaturePreemptions",
            "sum by (namespace, model_name) (rate(vllm:num_preemptions_total[15m])) > 0.05",
            "15m",
            Severity.WARNING,
            "Engines of {{ $labels.model_name }} have too little KV cache for their batches.",
            '{{ $value | printf "%.2f" }} requests a second are thrown out of the batch and computed again: allow fewer at a time '
            "(max_num_seqs), give the cache more memory, or add replicas.",
            "ossature-engines",
        ),
        Alert(
            "OssatureHitRateDrop",
            # Against the day before the last hour; only where it was worth something, and with enough prompts to tell.
            f"{CACHED_SHARE} < 0.6 * (avg_over_time({CACHED_SHARE}[1d] offset 1h) > 0.1) and {PROMPT_RATE} > 50",
            "30m",
            Severity.WARNING,
            "The prompt cache of {{ $labels.model }} saves much less than it did.",
            "{{ $value | humanizePercentage }} of prompt tokens were cached in half an hour, less than 0.6 of the day before. "
            "Prompts or their template have changed, replicas were replaced, or load spills requests away from their prefix.",
            "ossature-prompt-cache",
        ),
    )
