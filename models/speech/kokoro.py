"""A network with Kokoro's inputs and outputs that hums: for tests of what loads and runs it, a few kilobytes, in the hub's layout.

    python -m models.speech.kokoro [FOLDER]

Each symbol has a tone and a length, each voice a register; speed divides the lengths. Nothing of it is speech.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import folder as model_folder
from models.speech.onnx_file import FLOAT, INT64, Graph, Value, model

DEFAULT_FOLDER: Final = Path(".models/tiny-kokoro")
_STAMP: Final = {"kind": "tiny-kokoro", "version": 1}
VOICES: Final = tuple(
    f"{kind}_{name}"
    for kind, names in {
        "af": ("alloy", "bella", "heart", "nova", "sarah", "sky"),
        "am": ("echo", "fenrir", "michael", "onyx", "puck"),
        "bf": ("emma",),
        "bm": ("fable", "george"),
        "ef": ("dora",),
        "ff": ("siwis",),
        "jf": ("alpha",),
        "zf": ("xiaobei",),
    }.items()
    for name in names
)
_SYMBOLS: Final = '$;:,.!?—…"()“” ̃ʣʤʦʧAIOQTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔçðəɛɜɡɪɲŋøθœɹɾʁʃʊʋʌʒˈˌːᵻ'
_SILENT: Final = '$;:,.!?—…"()“” ˈˌː'
_STYLES: Final = 510
_STYLE_SIZE: Final = 256
#: 25 ms, as of Kokoro.
_FRAME_SAMPLES: Final = 600
_FRAMES_A_SYMBOL: Final = 4
_LOUDNESS: Final = 0.3


def numbers() -> dict[str, int]:
    """The number of each symbol; 0 is the silence before and after."""
    return {symbol: number for number, symbol in enumerate(_SYMBOLS)}


def network(*, tokens: str = "input_ids", durations: bool = True, metadata: dict[str, str] | None = None) -> bytes:
    """The ONNX file. ``tokens``: name of the first input. ``durations``: whether it tells where each symbol is."""
    graph = Graph()
    add, table = graph.add, graph.table

    def number(name: str, value: Any, kind: type = np.int64) -> str:
        return table(name, np.array(value, kind))

    ids = add("Squeeze", [tokens, number("first", [0])], "ids")
    # How many frames each symbol lasts.
    lengths = add("Gather", [table("lengths", _per_symbol(_FRAMES_A_SYMBOL, silent=1)), ids], "length", axis=0)
    rounded = add("Round", [add("Div", [lengths, "speed"], "stretched")], "rounded")
    duration = add("Cast", [add("Max", [rounded, number("one", [1], np.float32)], "least")], "duration", to=INT64)
    # Of each frame: the number of symbols that have ended before it is the number of the one that sounds in it.
    ends = add("Unsqueeze", [add("CumSum", [duration, number("zero", 0)], "ends"), number("second", [1])], "ends_column")
    total = add("ReduceSum", [duration], "frames", keepdims=0)
    frames = add("Range", ["zero", total, number("step", 1)], "frame")
    over = add("Cast", [add("LessOrEqual", [ends, frames], "over")], "over_number", to=INT64)
    sounding = add("Gather", [ids, add("ReduceSum", [over, "first"], "place", keepdims=0)], "sounding", axis=0)
    # Whole periods a frame, so that frames join without a click.
    tone = add("Gather", [table("tones", _per_symbol(None, silent=0)), sounding], "tone", axis=0)
    register = add("Round", [add("ReduceMean", ["style"], "register", keepdims=0)], "register_whole")
    periods = add("Unsqueeze", [add("Add", [tone, register], "periods"), "second"], "periods_column")
    ramp = table("ramp", (np.arange(_FRAME_SAMPLES) * 2 * np.pi / _FRAME_SAMPLES).astype(np.float32))
    wave = add("Sin", [add("Mul", [periods, ramp], "phase")], "wave")
    loud = add("Gather", [table("loudness", _per_symbol(_LOUDNESS, silent=0)), sounding], "loud", axis=0)
    shaped = add("Mul", [wave, add("Unsqueeze", [loud, "second"], "loud_column")], "shaped")
    add("Reshape", [shaped, number("row", [1, -1])], "waveform")

    inputs = [Value(tokens, INT64, (1, "tokens")), Value("style", FLOAT, (1, _STYLE_SIZE)), Value("speed", FLOAT, (1,))]
    outputs = [Value("waveform", FLOAT, (1, "samples"))] + [Value("duration", INT64, ("tokens",))] * durations
    return model(graph, inputs, outputs, metadata)


def style(voice: str) -> NDArray[np.float32]:
    """A voice's numbers: all of them its register, in whole periods a frame."""
    return np.full((_STYLES, 1, _STYLE_SIZE), VOICES.index(voice), np.float32)


def fill(folder: Path) -> None:
    """Write network, voices and symbols."""
    (folder / "onnx").mkdir()
    (folder / "voices").mkdir()
    (folder / "onnx/model.onnx").write_bytes(network())
    for voice in VOICES:
        style(voice).tofile(folder / "voices" / f"{voice}.bin")
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordLevel", "vocab": numbers()}}, ensure_ascii=False))


def _per_symbol(value: float | None, *, silent: float) -> NDArray[np.float32]:
    """A table by symbol. ``value`` None: a different number for each."""
    row = [silent if s in _SILENT else 4 + at % 12 if value is None else value for at, s in enumerate(_SYMBOLS)]
    return np.array(row, np.float32)


def make(folder: Path = DEFAULT_FOLDER) -> Path:
    """The model's folder, filled unless it is current."""
    model_folder.make(folder, _STAMP, fill)
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER))
