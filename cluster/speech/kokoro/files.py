"""Kokoro's files: a network in ONNX, voices, and the numbers of its symbols, from a folder or the hub. None of them is bundled.

Two layouts are understood. The hub's (``onnx-community/Kokoro-82M-v1.0-ONNX``): ``onnx/*.onnx``, ``voices/<name>.bin`` (float32)
and ``tokenizer.json``. And one with a single archive of voices: ``*.onnx``, ``voices*.bin`` or ``voices*.npz`` (numpy), and
``config.json`` with a ``vocab``, unless the network carries that in its metadata.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.speech.errors import SpeechUnavailable

#: Numbers that describe a voice, one row of them for each length of text.
STYLE_SIZE: Final = 256
_DEFAULT_FILE: Final = "onnx/model.onnx"
_METADATA_KEY: Final = "kokoro_config"


@dataclass(frozen=True, slots=True)
class KokoroFiles:
    """``voices``: by Kokoro's names, shape (lengths, 256): row n - 1 is for n symbols."""

    network: Path
    voices: Mapping[str, NDArray[np.float32]]
    folder: Path

    def symbols(self, metadata: Mapping[str, str]) -> dict[str, int]:
        """The number of each symbol. ``metadata``: the network's own.

        Raises:
            SpeechUnavailable: neither the network nor a file beside it tells them.
        """
        if _METADATA_KEY in metadata:
            return _symbols(json.loads(metadata[_METADATA_KEY]), self.network)
        for name in ("config.json", "tokenizer.json"):
            for folder in (self.folder, self.network.parent):
                if (folder / name).is_file():
                    content = json.loads((folder / name).read_text(encoding="utf-8"))
                    if "vocab" in content or "model" in content:
                        return _symbols(content, folder / name)
        raise SpeechUnavailable(f"{self.folder} has neither config.json nor tokenizer.json with the numbers of Kokoro's symbols")


def find(source: str, file: str | None = None) -> KokoroFiles:
    """The files of a folder or of a repository of the hub, downloaded where they are not yet. Blocks.

    ``file``: which network, where there are several; without it ``onnx/model.onnx``, or the only one.

    Raises:
        SpeechUnavailable: it has no network or no voices, can't be read, or can't be downloaded.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if source.startswith(("/", ".", "~")):
            raise SpeechUnavailable(f"{source} is no folder")
        folder = _downloaded(source, file)
    try:
        return KokoroFiles(_network(folder, file), _voices(folder), folder)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SpeechUnavailable(f"{folder}: {error}") from error


def _downloaded(repository: str, file: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = [file or _DEFAULT_FILE, "voices*", "voices/*.bin", "tokenizer.json", "config.json"]
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise SpeechUnavailable(f"Kokoro can't be downloaded from {repository}: {error}") from error


def _network(folder: Path, file: str | None) -> Path:
    if file is not None:
        if not (folder / file).is_file():
            raise SpeechUnavailable(f"{folder} has no {file}")
        return folder / file
    if (folder / _DEFAULT_FILE).is_file():
        return folder / _DEFAULT_FILE
    found = sorted(folder.glob("*.onnx")) or sorted(folder.glob("onnx/*.onnx"))
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise SpeechUnavailable(f"{folder} should have one ONNX file, or synthesizer_file should name it; found: {names}")
    return found[0]


def _voices(folder: Path) -> dict[str, NDArray[np.float32]]:
    archives = sorted(path for path in folder.glob("voices*") if path.is_file() and zipfile.is_zipfile(path))
    voices: dict[str, NDArray[np.float32]] = {}
    for path in archives:
        with np.load(path, allow_pickle=False) as archive:
            voices |= {name: _style(archive[name]) for name in archive.files}
    for path in sorted(folder.glob("voices/*.bin")):
        voices[path.stem] = _style(np.fromfile(path, "<f4"))
    if not voices:
        raise SpeechUnavailable(f"{folder} has no voices: neither voices/*.bin nor an archive voices*.bin or voices*.npz")
    return voices


def _style(numbers: NDArray[Any]) -> NDArray[np.float32]:
    style = numbers.astype(np.float32).reshape(-1, STYLE_SIZE)
    if not len(style):
        raise ValueError("a voice without any numbers")
    return style


def _symbols(content: dict[str, Any], where: Path) -> dict[str, int]:
    found = content.get("vocab", content.get("model", {}).get("vocab"))
    if not isinstance(found, dict) or not all(isinstance(number, int) for number in found.values()):
        raise SpeechUnavailable(f"{where} does not tell the numbers of Kokoro's symbols")
    return found
