"""Are the models' files there, and whole? Sizes are compared with what the files say of themselves; weights aren't read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.runtime.doctor.finding import Finding, Reporter, gib

_INDEX = "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "tekken.json", "vocab.json")
_OTHER_WEIGHTS = ("*.bin", "*.pt", "*.gguf")
_MAX_HEADER_BYTES = 100 << 20
"""What the safetensors format allows; anything longer is no such file."""
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class ModelFiles(Reporter):
    """``cache``: Hugging Face's folder (``HF_HOME``)."""

    name: ClassVar[str] = "models"

    def __init__(self, config: ClusterConfig, cache: Path, env: Mapping[str, str] = os.environ) -> None:
        self._models = config.models
        self._cache = cache
        self._offline = any(env.get(name, "").lower() in ("1", "true", "yes", "on") for name in _OFFLINE)

    async def findings(self) -> Sequence[Finding]:
        return [self._model(model) for model in self._models]

    def _model(self, model: ModelSettings) -> Finding:
        try:
            return self._looked_at(model)
        except OSError as error:
            message = f"{error.filename} can't be looked at ({error.strerror})"
            return self.unknown(model.id, message, "Run this as the user that serves.")

    def _looked_at(self, model: ModelSettings) -> Finding:
        folder = located(model, self._cache)
        if folder is None:
            return self._absent(model)
        faults = faults_of(folder, weights=model.engine.get("load_format") != "dummy")
        if faults:
            shown = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
            return self.problem(model.id, f"{folder}: {shown}", "Download or copy the model again; what is whole is kept.")
        return self.ok(model.id, f"{folder}, {gib(weights_bytes(folder))} of weights")

    def _absent(self, model: ModelSettings) -> Finding:
        if model.source.startswith((".", "/", "~")):
            step = "Run `make models` for the models of this repository; otherwise correct models[].source."
            return self.problem(model.id, f"the folder {model.source} does not exist", step)
        if self._offline:
            step = f"Download it where there is a network (`hf download {model.source}`) and copy {self._cache} here."
            return self.problem(model.id, f"{model.source} is not in {self._cache}, and downloads are switched off", step)
        step = f"`hf download {model.source}` fetches it beforehand; gated models need HF_TOKEN."
        return self.unknown(model.id, f"{model.source} is not in {self._cache}: the first start would download it", step)


def located(model: ModelSettings, cache: Path) -> Path | None:
    """The folder of a model, or of the snapshot of it in the cache. Raises ``OSError`` where this user may not look."""
    folder = Path(model.source).expanduser()
    if folder.is_dir():
        return folder
    repository = cache / "hub" / ("models--" + model.source.replace("/", "--"))
    revision = str(model.engine.get("revision") or "main")
    try:
        commit = (repository / "refs" / revision).read_text().strip()
    except OSError:
        commit = revision
    snapshot = repository / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def huggingface_cache(env: Mapping[str, str] = os.environ) -> Path:
    if home := env.get("HF_HOME"):
        return Path(home).expanduser()
    return Path(env.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "huggingface"


def faults_of(folder: Path, *, weights: bool) -> list[str]:
    """What is missing or cut off. Takes milliseconds: only headers are read."""
    faults = []
    if _json(folder / "config.json") is None:
        faults.append("config.json is missing or no JSON")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        faults.append("no tokenizer file")
    return faults + (_weight_faults(folder) if weights else [])


def weights_bytes(folder: Path) -> int:
    patterns = ("*.safetensors",) if any(folder.glob("*.safetensors")) else _OTHER_WEIGHTS
    return sum(file.stat().st_size for pattern in patterns for file in folder.glob(pattern) if file.is_file())


def _weight_faults(folder: Path) -> list[str]:
    if (folder / _INDEX).exists():
        index = _json(folder / _INDEX)
        parts = index.get("weight_map") if index is not None else None
        if not isinstance(parts, dict):
            return [f"{_INDEX} is no index"]
        files = sorted({str(name) for name in parts.values()})
    else:
        files = sorted(file.name for file in folder.glob("*.safetensors"))
        if not files and not any(file for pattern in _OTHER_WEIGHTS for file in folder.glob(pattern)):
            return ["no weights"]
    return [fault for name in files if (fault := _safetensors_fault(folder / name)) is not None]


def _safetensors_fault(path: Path) -> str | None:
    """The format: eight bytes with the header's length, the header as JSON, then the tensors up to the greatest end offset."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _MAX_HEADER_BYTES:
                return f"{path.name} is no safetensors file"
            header = json.loads(file.read(length))
            size = os.fstat(file.fileno()).st_size
        ends = (tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
        expected = 8 + length + max(ends, default=0)
    except FileNotFoundError:
        return f"{path.name} is missing"
    except OSError as error:
        return f"{path.name} can't be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{path.name} is cut off or damaged in its header"
    return None if size == expected else f"{path.name} has {size} bytes instead of {expected}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
