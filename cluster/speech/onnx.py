"""The one place that imports onnxruntime: before it, its telemetry is switched off.

From 1.29 on its official builds report every process and session to Microsoft by default, and keep an identifier of the user on
disk. The variable is read once, when the library is loaded, and nothing can switch it on again in that process.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # after the switch, not before

from cluster.speech.errors import SpeechUnavailable

_ERRORS_ONLY: Final = 3


def session(file: Path, *, threads: int = 1) -> Any:
    """An inference session of a model file, on the processor.

    Raises:
        SpeechUnavailable: there is no such file, or none that onnxruntime can load.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise SpeechUnavailable(f"{file} is no model that onnxruntime can load: {error}") from error
