"""A model executor without a model: every request gets a scripted answer, a fixed number of tokens a step.

It stands in vLLM's own engine core process under vLLM's own scheduler, so that what comes out of the core (messages, steps, stop
conditions) is what a model would cause, at a model's pace, for next to no processor time. For measuring the processes around it.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future
from typing import Any

import torch
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.executor.abstract import Executor
from vllm.v1.kv_cache_interface import FullAttentionSpec
from vllm.v1.outputs import ModelRunnerOutput

from bench.scripted import SCRIPT_VARIABLE


class FakeExecutor(Executor):
    """Answers each request with the script's tokens from its start, over and over."""

    def _init_executor(self) -> None:
        with open(os.environ[SCRIPT_VARIABLE], encoding="utf-8") as file:
            script = json.load(file)
        self._tokens: list[int] = script["tokens"]
        self._step_s: float = script["step_s"]
        self._positions: dict[str, int] = {}
        self._pending: ModelRunnerOutput | None = None

    # --- what the engine core asks before it serves ---------------------------------------------------------------------------

    def get_kv_cache_specs(self) -> list[dict[str, Any]]:
        spec = FullAttentionSpec(
            block_size=self.cache_config.block_size, num_kv_heads=1, head_size=32, head_size_v=32, dtype=torch.bfloat16
        )
        return [{"layer": spec}]

    def determine_available_memory(self) -> list[int]:
        return [256 << 20]

    def get_supported_kv_cache_layouts(self) -> list[list[str]]:
        from vllm.v1.kv_cache_interface import KVCacheLayout

        return [[layout.name for layout in KVCacheLayout]]

    def set_kv_cache_layout(self, layout_name: str) -> None:
        pass

    def initialize_from_config(self, kv_cache_configs: list[Any]) -> None:
        pass

    def compile_or_warm_up_model(self) -> None:
        pass

    @property
    def supported_tasks(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("generate",)

    def collective_rpc(self, method: Any, timeout: Any = None, args: Any = (), kwargs: Any = None, non_block: bool = False) -> Any:
        return []

    def check_health(self) -> None:
        pass

    # --- the work -------------------------------------------------------------------------------------------------------------

    def execute_model(self, scheduler_output: SchedulerOutput, non_block: bool = False) -> Any:
        for finished in scheduler_output.finished_req_ids:
            self._positions.pop(finished, None)
        requests = list(scheduler_output.num_scheduled_tokens)
        sampled = []
        for request in requests:
            position = self._positions.get(request, 0)
            self._positions[request] = position + 1
            sampled.append([self._tokens[position % len(self._tokens)]])
        self._pending = ModelRunnerOutput(
            req_ids=requests, req_id_to_index={request: i for i, request in enumerate(requests)}, sampled_token_ids=sampled
        )
        time.sleep(self._step_s)
        return self._result(None, non_block)

    def sample_tokens(self, grammar_output: Any, non_block: bool = False) -> Any:
        output, self._pending = self._pending, None
        return self._result(output, non_block)

    @staticmethod
    def _result(value: Any, non_block: bool) -> Any:
        if not non_block:
            return value
        future: Future[Any] = Future()
        future.set_result(value)
        return future
