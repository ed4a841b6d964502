"""The one place that imports onnxruntime: before it, its telemetry is switched off.

From 1.29 on its official builds report every process and session to Microsoft by default, and keep an identifier of the user on
disk. The variable is read once, when the library is loaded, and nothing can switch it on again in that process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # after the switch, not before

from cluster.speech.errors import SpeechFailed, SpeechUnavailable

_ERRORS_ONLY: Final = 3
_SILENT: Final = 4
_CUDA: Final = "CUDAExecutionProvider"


def session(file: Path, *, threads: int = 1, device: str = "cpu") -> Any:
    """An inference session of a model file. ``device``: ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        SpeechUnavailable: there is no such file, none that onnxruntime can load, or this build of it knows no GPU.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=_providers(device))
    except SpeechUnavailable:
        raise
    except Exception as error:
        raise SpeechUnavailable(f"{file} is no model that onnxruntime can load: {error}") from error


class Run:
    """One run of a session, which another thread can stop."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = _SILENT
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def __call__(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """Compute ``outputs``, by name. Blocks, without Python's lock.

        Raises:
            SpeechFailed: the network failed, or the run was stopped.
        """
        if self._stopped:
            raise SpeechFailed("the synthesis was dropped")
        try:
            computed: list[Any] = self._session.run(list(outputs), dict(inputs), self._options)
        except Exception as error:
            raise SpeechFailed("the synthesis was dropped" if self._stopped else "the synthesizer's network failed") from error
        return computed

    def stop(self) -> None:
        """End it after the operator that it is at. Idempotent."""
        self._stopped = True
        self._options.terminate = True


def _providers(device: str) -> list[Any]:
    name, _, number = device.partition(":")
    if name == "cpu":
        return ["CPUExecutionProvider"]
    if _CUDA not in onnxruntime.get_available_providers():
        raise SpeechUnavailable("the installed onnxruntime has no CUDA: pip uninstall onnxruntime, pip install onnxruntime-gpu")
    return [(_CUDA, {"device_id": int(number or 0)}), "CPUExecutionProvider"]
