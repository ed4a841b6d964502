"""vLLM's running engine as an :class:`~cluster.engine.adapters.loading.AdapterHost`.

vLLM reads an adapter when it is added, keeps ``max_cpu_loras`` of them in memory and ``max_loras`` where it computes, and drops the
least lately used. It reads one that it has dropped again by itself when a request with it is scheduled.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from vllm.lora.request import LoRARequest
from vllm.v1.engine.exceptions import EngineDeadError

from cluster.engine.adapters.loading import Refused
from cluster.tuned.adapter_files import AdapterShape

logger = logging.getLogger("ossature.engine")


class LoraHost:
    """``llm``: an ``AsyncLLM``; ``models``: the ``OpenAIServingModels`` of its serving classes, which look adapters up by name."""

    def __init__(self, llm: Any, models: Any) -> None:
        self._llm = llm
        self._models = models

    async def load(self, name: str, number: int, folder: Path) -> None:
        """See :class:`~cluster.engine.adapters.loading.AdapterHost`. Raises what vLLM raises when the engine is dead."""
        try:
            await self._llm.add_lora(_request(name, number, folder))
        except EngineDeadError:
            raise
        except Exception as error:
            # It may have been kept in memory and not have fitted where it is computed.
            try:
                await self._llm.remove_lora(number)
            except Exception:
                logger.exception("an adapter that could not be loaded may still take memory", extra={"adapter": name})
            raise Refused(str(error)) from error

    async def loaded(self) -> set[int]:
        return set(await self._llm.list_loras())

    def offer(self, name: str, number: int, folder: Path) -> None:
        self._models.lora_requests[name] = _request(name, number, folder)

    def withdraw(self, name: str) -> None:
        self._models.lora_requests.pop(name, None)

    def check(self, shape: AdapterShape) -> None:
        """Raises :class:`~cluster.tuned.adapter_files.BadAdapter` for one that does not fit the engine's model."""
        config = self._llm.model_config.hf_config.get_text_config()
        shape.check_base(config.hidden_size, config.num_hidden_layers)


def _request(name: str, number: int, folder: Path) -> LoRARequest:
    return LoRARequest(lora_name=name, lora_int_id=number, lora_path=str(folder))
