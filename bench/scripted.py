"""vLLM without a model: everything of it but the executor, which says the same Harmony text to each request at a steady pace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.programs import ROOT
from cluster.engine.vllm.engine import VllmEngine

#: By name: importing it loads vLLM, which only the processes of an engine need.
EXECUTOR = "bench.fake_executor.FakeExecutor"
SCRIPT_VARIABLE = "OSSATURE_BENCH_SCRIPT"
"""Environment variable: a JSON file with ``tokens`` (the answer of every request) and ``step_s`` (seconds a step takes)."""
SOURCE = ROOT / ".models" / "gpt-oss-demo"
THOUGHT = "The user asks about the tides. The moon pulls at the sea, and the answer should say so in a few plain words. "
ANSWER = (
    "Twice a day the sea rises and falls, because the moon pulls at the water on the near side a little more than at the rest. "
)
QUESTION = "Why are there tides?"

ENGINE: dict[str, Any] = {
    "dtype": "bfloat16",
    "enforce_eager": True,
    "block_size": 32,
    "max_model_len": 4096,
    "max_num_seqs": 256,
    "prefix_cache_retention_interval": 0,  # the fake executor has no sliding window
}
"""Arguments of an engine with that executor, whoever starts it, but for the executor."""


class ScriptedEngine(VllmEngine):
    """An engine whose executor is played. It needs ``SCRIPT_VARIABLE`` in its environment."""

    def _import(self) -> Any:
        namespace = super()._import()
        namespace.distributed_executor_backend = EXECUTOR
        namespace.async_scheduling = False
        return namespace

    async def _warm_up(self) -> None:
        """The fake executor has no log probabilities to warm up; each measurement has a round of its own first."""


def script(thought_sentences: int, answer_sentences: int, step_s: float) -> dict[str, Any]:
    """What the fake executor is to say: thinking, then an answer."""
    from openai_harmony import HarmonyEncodingName, load_harmony_encoding

    text = (
        f"<|channel|>analysis<|message|>{THOUGHT * thought_sentences}<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{ANSWER * answer_sentences}<|return|>"
    )
    tokens = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS).encode(text, allowed_special="all")
    return {"tokens": tokens, "step_s": step_s}


def environment(path: Path, said: dict[str, Any]) -> dict[str, str]:
    """Write the script to ``path``: the variables of a process that is to follow it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))
    return {SCRIPT_VARIABLE: str(path), "OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
