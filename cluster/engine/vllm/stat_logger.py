"""vLLM's own Prometheus metrics, with replicas of one model told apart.

Every ``AsyncLLM`` counts its engines from 0. Replicas on one node share a multiprocess folder, where counters of one label set are
added up, but gauges are "the most recent": two replicas would overwrite each other. So the ``engine`` label is the
replica's rank. What vLLM tells of adapters by name is left out.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.metrics.loggers import PrometheusStatLogger


def replica_stat_logger(rank: int) -> type[PrometheusStatLogger]:
    """A logger class for vLLM (``stat_loggers``) whose ``engine`` label starts at ``rank``, unique within the model."""

    class ReplicaStatLogger(PrometheusStatLogger):  # type: ignore[misc]  # vLLM is not typed
        def __init__(self, vllm_config: Any, engine_indexes: list[int] | None = None) -> None:
            super().__init__(vllm_config, [rank + index for index in engine_indexes or [0]])
            # Its labels are the names of all adapters in the batch: a time series for each combination of tuned models.
            self.gauge_lora_info = None

        def record(self, *args: Any, engine_idx: int = 0, **kwargs: Any) -> None:
            super().record(*args, engine_idx=rank + engine_idx, **kwargs)

    return ReplicaStatLogger
