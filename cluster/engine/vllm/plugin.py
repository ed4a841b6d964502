"""vLLM's entry point into this package: runs once in every process of an engine (replica, engine core, workers).

It must import fast and without side effects, for it is loaded by every program that uses vLLM in this environment.
"""

from __future__ import annotations

import logging
import multiprocessing

from cluster.engine.vllm.patches import PATCHED_VERSION
from cluster.engine.vllm.patches.parent_death import die_with_parent

logger = logging.getLogger("ossature.engine.plugin")


def register() -> None:
    """Called by vLLM (entry point group ``vllm.general_plugins``). Calling it again changes nothing."""
    die_with_parent()
    from vllm.version import __version__

    if not __version__.startswith(PATCHED_VERSION):
        logger.warning("vLLM %s is not %sx: its patches are not applied", __version__, PATCHED_VERSION)
        return
    _patch_engine()
    if multiprocessing.parent_process() is None:
        patch_front_end()
    else:  # engine core or worker: spare them the import of the parsers
        from cluster.engine.vllm.patches.startup_phases import time_startup_phases

        time_startup_phases()


def patch_front_end() -> None:
    """The patches of the process that turns requests into engine inputs. Idempotent."""
    from cluster.engine.vllm.patches.harmony_json import allow_only_parsable_json_header

    allow_only_parsable_json_header()


def _patch_engine() -> None:
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        from cluster.engine.vllm.patches.amx import allow_amx
        from cluster.engine.vllm.patches.lora_base_rows import keep_adapters_off_base_rows
        from cluster.engine.vllm.patches.lora_on_moe import keep_experts_on_cpu_backend
        from cluster.engine.vllm.patches.lora_prompt_scores import score_prompts_beside_others

        allow_amx()
        keep_adapters_off_base_rows()
        keep_experts_on_cpu_backend()
        score_prompts_beside_others()
