"""Which model family a source holds, found without the network and without loading vLLM."""

from __future__ import annotations

import json
from pathlib import Path

GPT_OSS = "gpt_oss"


def model_type(source: str) -> str | None:
    """``model_type`` of the model's ``config.json``; ``None`` when that can't be told here.

    ``source`` is a folder or a Hugging Face repository id. For an id the local download cache is asked; if the model has not been
    downloaded yet, only the gpt-oss family is known by its name.
    """
    path = _config_path(source)
    if path is None:
        return GPT_OSS if "gpt-oss" in source.lower() else None
    found = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    return found if isinstance(found, str) else None


def is_gpt_oss(source: str) -> bool:
    return model_type(source) == GPT_OSS


def _config_path(source: str) -> Path | None:
    folder = Path(source).expanduser()
    if folder.is_dir():
        config = folder / "config.json"
        return config if config.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(source, "config.json")
    except HFValidationError:  # a path that does not exist
        return None
    return Path(cached) if isinstance(cached, str) else None
