"""Silero's voice activity network, from the ONNX file inside its own wheel.

The wheel's Python code imports torch; its file needs onnxruntime alone. So the wheel is installed without its dependencies
(``scripts/setup.sh``) and never imported.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.speech import onnx
from cluster.speech.contract import LISTENING_RATE_HZ, VAD_FRAME_SAMPLES
from cluster.speech.errors import SpeechUnavailable

DISTRIBUTION: Final = "silero-vad"
_FILE: Final = "silero_vad/data/silero_vad.onnx"
#: The end of the frame before, which the network sees again.
_CONTEXT_SAMPLES: Final = 64
_STATE_SHAPE: Final = (2, 1, 128)


def default_path() -> Path:
    """The model file of the installed wheel.

    Raises:
        SpeechUnavailable: the wheel is not installed.
    """
    try:
        found = Path(str(importlib.metadata.distribution(DISTRIBUTION).locate_file(_FILE)))
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found is None or not found.is_file():
        raise SpeechUnavailable(
            "voice activity detection needs the model file of the silero-vad wheel: "
            "run scripts/setup.sh, or pip install --no-deps silero-vad (its dependencies are not needed)"
        )
    return found


class SileroModel:
    """The network's weights: one object a process, shared by its sessions. Computes on the caller's thread."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises:
        SpeechUnavailable: there is no model file, or none that onnxruntime can load.
        """
        # A frame is a fifth of a millisecond of work: other threads could only spin beside it.
        self._session = onnx.session(path or default_path(), threads=1)
        self._rate = np.array(LISTENING_RATE_HZ, dtype=np.int64)

    def run(self, samples: NDArray[np.float32], state: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """``samples``: shape (1, 576), a frame after the end of the one before; ``state``: shape (2, 1, 128), taken and given."""
        output, state = self._session.run(None, {"input": samples, "state": state, "sr": self._rate})
        return float(output[0, 0]), state


class SileroVad:
    """One session's :class:`~cluster.speech.contract.VoiceActivityDetector`: 3.3 KiB of state over a shared network."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._input = np.zeros((1, _CONTEXT_SAMPLES + VAD_FRAME_SAMPLES), np.float32)
        self._state = np.zeros(_STATE_SHAPE, np.float32)

    def probability(self, frame: NDArray[np.float32]) -> float:
        self._input[0, :_CONTEXT_SAMPLES] = self._input[0, -_CONTEXT_SAMPLES:]
        self._input[0, _CONTEXT_SAMPLES:] = frame
        probability, self._state = self._model.run(self._input, self._state)
        return probability

    def reset(self) -> None:
        self._input[:] = 0
        self._state = np.zeros(_STATE_SHAPE, np.float32)
