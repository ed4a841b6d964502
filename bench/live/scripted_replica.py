"""The engine replica with vLLM whose executor follows a script."""

from __future__ import annotations

from bench.scripted import ScriptedEngine
from cluster.engine.contract import Engine
from cluster.runtime.served_engine import ServedEngine


class ScriptedServedEngine(ServedEngine):
    def _vllm(self, rank: int) -> Engine:
        return ScriptedEngine(self._model, rank=rank, on_phase=self._phase_ended, on_stream=self._stream_begun)
