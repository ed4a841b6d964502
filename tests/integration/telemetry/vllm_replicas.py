"""Processes with vLLM's real metrics but no engine: ``python -m <this module> MODEL_FOLDER REPLICAS``.

vLLM is imported once; each replica is a fork that makes vLLM's metrics as an engine does. Its pid is written, then it waits.
"""

from __future__ import annotations

import os
import sys
import time

from prometheus_client import CollectorRegistry
from vllm import AsyncEngineArgs
from vllm.v1.metrics.loggers import PrometheusStatLogger
from vllm.v1.metrics.stats import SchedulerStats

from cluster.telemetry.metrics import EngineMetrics

MODEL = "m"


def replica(config: object, number: int) -> None:
    """Running requests: 10, 11, …; prompt tokens: 100 in each."""
    EngineMetrics([MODEL], registry=CollectorRegistry())
    logger = PrometheusStatLogger(config, [0])
    logger.log_engine_initialized()
    logger.record(SchedulerStats(num_running_reqs=10 + number), None)
    logger.counter_prompt_tokens[0].inc(100)
    logger.histogram_time_to_first_token[0].observe(0.05)
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(600)


def main() -> None:
    arguments = AsyncEngineArgs(
        model=sys.argv[1],
        served_model_name=MODEL,
        skip_tokenizer_init=True,
        load_format="dummy",
        max_model_len=256,
        kv_cache_memory_bytes=16 << 20,
    )
    config = arguments.create_engine_config()
    children = []
    for number in range(int(sys.argv[2])):
        child = os.fork()
        if child == 0:
            replica(config, number)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
