"""Environment variables of an engine's processes. They must be set before vLLM is imported."""

from __future__ import annotations

from pathlib import Path

from cluster.config.settings.models import ModelSettings


def engine_environment(model: ModelSettings) -> dict[str, str]:
    """For the runtime environment of the model's replicas; ``environment`` of the model's settings overrides each.

    No usage reports leave the machine; processes are spawned, never forked from a replica that has threads; a model in a folder
    needs no network at all.
    """
    defaults = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(max(1, round(model.start_timeout_s))),
        # On CPU only: vLLM would pin every replica's worker to the same first core.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if Path(model.source).expanduser().is_dir():
        defaults |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return defaults | model.environment
