"""The lean front end: gpt-oss chat streams without vLLM's per-token work.

vLLM's chat serving class renders the prompt, checks the request and starts the generation, as always; only its stream writer is
replaced. What a client gets is the same, byte for byte after :mod:`cluster.engine.vllm.payloads`, which
``tests/unit/engine/harmony/test_front_ends.py`` pins over thousands of outputs. See ``docs/engine-front-end.md``.
"""

from __future__ import annotations

import logging
from typing import Any

from cluster.engine.vllm.patches import PATCHED_VERSION

logger = logging.getLogger("ossature.engine.harmony")


def adopt(serving: Any) -> Any:
    """``serving`` (vLLM's chat serving object) with the lean writer, or itself where that would not be the same.

    The log tells the reason. Under another vLLM nothing is imported that may have changed there.
    """
    from vllm.version import __version__

    if not __version__.startswith(PATCHED_VERSION):
        logger.warning("vLLM %s is not %sx, so it writes the streams of gpt-oss itself", __version__, PATCHED_VERSION)
        return serving
    from cluster.engine.vllm.harmony.serving import LeanHarmonyChat, obstacle

    if reason := obstacle(serving):
        logger.warning("vLLM writes the streams of gpt-oss itself: %s", reason)
        return serving
    return LeanHarmonyChat.adopt(serving)
