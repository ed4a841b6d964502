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
from cluster.speech.contract import VAD_FRAME_SAMPLES
from cluster.speech.errors import SpeechUnavailable

DISTRIBUTION: Final = "silero-vad"
#: For 16 kHz alone, and any number of frames at a time: the same figures as ``silero_vad.onnx`` to the last bit, in two thirds of
#: its time for one frame and less than half for three.
_FILE: Final = "silero_vad/data/silero_vad_16k_sequence.onnx"
#: The end of the frame before, which the network sees again.
_CONTEXT_SAMPLES: Final = 64
_STATE_SHAPE: Final = (1, 1, 128)

LstmState = tuple[NDArray[np.float32], NDArray[np.float32]]
"""What the network remembers: hidden and cell state, each of shape (1, 1, 128)."""


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

    def run(self, samples: NDArray[np.float32], state: LstmState) -> tuple[list[float], LstmState]:
        """``samples``: shape (frames, 576), each frame after the end of the one before. Returns one figure a frame."""
        output, hidden, cell = self._session.run(None, {"input": samples, "h": state[0], "c": state[1]})
        return output.tolist(), (hidden, cell)


class SileroVad:
    """One session's :class:`~cluster.speech.contract.VoiceActivityDetector`: 1.3 KiB of state over a shared network."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._state = _no_state()

    def probabilities(self, frames: NDArray[np.float32]) -> list[float]:
        if not len(frames):
            return []
        samples = np.empty((len(frames), _CONTEXT_SAMPLES + VAD_FRAME_SAMPLES), np.float32)
        samples[:, _CONTEXT_SAMPLES:] = frames
        samples[0, :_CONTEXT_SAMPLES] = self._context
        samples[1:, :_CONTEXT_SAMPLES] = frames[:-1, -_CONTEXT_SAMPLES:]
        self._context = frames[-1, -_CONTEXT_SAMPLES:].copy()
        probabilities, self._state = self._model.run(samples, self._state)
        return probabilities

    def reset(self) -> None:
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._state = _no_state()


def _no_state() -> LstmState:
    return np.zeros(_STATE_SHAPE, np.float32), np.zeros(_STATE_SHAPE, np.float32)
