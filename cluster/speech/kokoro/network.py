"""Kokoro's network: symbols, a voice's style and a speed → 24 kHz audio, and which symbol is where in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.speech import onnx
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.kokoro.files import KokoroFiles

#: Symbols that the network takes at once, the silent ones before and after them not counted.
MAX_SYMBOLS: Final = 510
_SILENT: Final = 0
_TOKENS: Final = ("input_ids", "tokens")
_AUDIO: Final = ("waveform", "audio")
_DURATIONS: Final = ("duration", "durations", "pred_dur")
_FLOATS: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_WHOLE: Final = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


@dataclass(frozen=True, slots=True)
class Sound:
    """``samples``: shape (n,), mostly in [-1, 1]. ``edges``: where each symbol begins in them, and the end of the last one."""

    samples: NDArray[np.float32]
    edges: NDArray[np.int64]


class KokoroNetwork:
    """The weights, once. :meth:`run` may be called from several threads at a time."""

    def __init__(self, files: KokoroFiles, *, threads: int = 1, device: str = "cpu") -> None:
        """``threads``: for one run.

        Raises:
            SpeechUnavailable: it can't be loaded, or has other inputs than Kokoro.
        """
        self._session = onnx.session(files.network, threads=threads, device=device)
        inputs = {each.name: each.type for each in self._session.get_inputs()}
        outputs = [each.name for each in self._session.get_outputs()]
        self._tokens = _one_of(_TOKENS, inputs)
        try:
            self._types = {
                self._tokens: _WHOLE[inputs[self._tokens]],
                "style": _FLOATS[inputs["style"]],
                "speed": _FLOATS[inputs["speed"]],
            }
        except KeyError as error:
            raise SpeechUnavailable(f"{files.network} does not take what Kokoro takes: {error} of {inputs}") from error
        audio = next((name for name in _AUDIO if name in outputs), outputs[0])
        self._outputs = [audio, *(name for name in _DURATIONS if name in outputs)][:2]
        self.symbols = files.symbols(self._session.get_modelmeta().custom_metadata_map)

    def known(self, symbols: str) -> str:
        """Without the symbols that the network has no number for."""
        return "".join(symbol for symbol in symbols if symbol in self.symbols)

    def new_run(self) -> onnx.Run:
        """For one :meth:`run`, so that it can be stopped."""
        return onnx.Run(self._session)

    def run(self, run: onnx.Run, symbols: str, voice: NDArray[np.float32], speed: float) -> Sound:
        """Speak 1 to :data:`MAX_SYMBOLS` symbols, all of them :meth:`known`. ``voice``: shape (lengths, 256). Blocks.

        Raises:
            SpeechFailed: the network failed, or the run was stopped.
        """
        tokens = [_SILENT, *(self.symbols[symbol] for symbol in symbols), _SILENT]
        inputs: Mapping[str, Any] = {
            self._tokens: np.array([tokens], self._types[self._tokens]),
            "style": voice[min(len(symbols), len(voice)) - 1][None].astype(self._types["style"]),
            "speed": np.array([speed], self._types["speed"]),
        }
        audio, *durations = run(self._outputs, inputs)
        samples = np.nan_to_num(np.asarray(audio, np.float32).reshape(-1))
        return Sound(samples, _edges(durations, len(tokens), len(samples)))


def _edges(durations: list[Any], tokens: int, samples: int) -> NDArray[np.int64]:
    """Of the symbols without the silence at both ends. Networks that tell no durations are taken to give all symbols the same."""
    lengths = np.asarray(durations[0], np.float64).reshape(-1) if durations else np.ones(tokens)
    if len(lengths) != tokens or not lengths.sum() > 0:
        lengths = np.ones(tokens)
    edges = np.concatenate([[0.0], np.cumsum(lengths)]) * (samples / lengths.sum())
    inner: NDArray[np.int64] = np.rint(edges[1:-1]).astype(np.int64)
    return inner


def _one_of(names: Sequence[str], given: Mapping[str, str]) -> str:
    for name in names:
        if name in given:
            return name
    raise SpeechUnavailable(f"the network takes none of {', '.join(names)}: it is no Kokoro")
