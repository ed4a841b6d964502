"""What a registration copies into the store: read from a folder, checked, with its digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cluster.errors import InvalidRequest
from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE, BadAdapter, check_safetensors, read_shape
from cluster.tuned.model import Kind, object_keys
from cluster.tuned.weights import MAX_FILES, Manifest, WeightFile, file_key, is_file_name, manifest_key, sha256_of

MODEL_CONFIG = "config.json"
_WEIGHTS_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Part:
    """One object: a file that must still have this SHA-256 when it is copied, or these bytes."""

    content: Path | bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """``parts``: in the order of :meth:`keys`. ``digests`` and ``sizes`` are in the registry's row, and tell two contents apart."""

    kind: Kind
    parts: Sequence[Part]
    digests: tuple[str, str]
    sizes: tuple[int, int]
    rank: int = 0

    def keys(self, location: str) -> Sequence[str]:
        if self.kind is Kind.ADAPTER:
            return object_keys(location)
        # The manifest is first: what a registration leaves that is broken off can be found by it.
        return [manifest_key(location), *(file_key(location, place) for place in range(len(self.parts) - 1))]


def adapter(folder: Path, max_bytes: int) -> Contents:
    """An adapter as PEFT writes it. Blocks. Raises :class:`InvalidRequest`."""
    try:
        shape = read_shape(folder)
    except BadAdapter as bad:
        raise bad_adapter(str(bad)) from None
    config, weights = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    sizes = config.stat().st_size, weights.stat().st_size
    if sum(sizes) > max_bytes:
        raise bad_adapter(f"it has {sum(sizes)} bytes, and at most {max_bytes} are allowed")
    digests = _digest(config), _digest(weights)
    parts = [Part(path, digest) for path, digest in zip((config, weights), digests, strict=True)]
    return Contents(Kind.ADAPTER, parts, digests, sizes, shape.rank)


def merged(folder: Path, max_bytes: int) -> Contents:
    """A whole model: configuration, safetensors and whatever else is in the folder. Blocks. Raises :class:`InvalidRequest`."""
    paths = sorted(folder.iterdir())
    for path in paths:
        if path.is_symlink() or not path.is_file() or not is_file_name(path.name):
            raise bad_weights(f"{path.name[:100]!r} is no plain file with a plain name")
    _check_model(paths)
    total_bytes = sum(path.stat().st_size for path in paths)
    if total_bytes > max_bytes:
        raise bad_weights(f"it has {total_bytes} bytes, and at most {max_bytes} are allowed (tuned_models.max_merged_bytes)")
    manifest = Manifest([WeightFile(path.name, _digest(path), path.stat().st_size) for path in paths])
    raw = manifest.to_json()
    digest = sha256_of(raw)
    parts = [Part(raw, digest), *(Part(path, file.sha256) for path, file in zip(paths, manifest.files, strict=True))]
    return Contents(Kind.MERGED, parts, (digest, digest), (len(raw), total_bytes))


def _check_model(paths: Sequence[Path]) -> None:
    weights = [path for path in paths if path.suffix == _WEIGHTS_SUFFIX]
    config = next((path for path in paths if path.name == MODEL_CONFIG), None)
    if config is None or not weights:
        raise bad_weights(f"it has no {MODEL_CONFIG} or no weights")
    if len(paths) > MAX_FILES:
        raise bad_weights(f"it has more than {MAX_FILES} files")
    try:
        msgspec.json.decode(config.read_bytes(), type=dict[str, msgspec.Raw])
        for path in weights:
            check_safetensors(path)
    except msgspec.DecodeError:
        raise bad_weights(f"{MODEL_CONFIG} is no JSON object") from None
    except BadAdapter as bad:
        raise bad_weights(str(bad)) from None


def bad_adapter(why: str) -> InvalidRequest:
    return InvalidRequest(f"This adapter can't be served: {why}.", code="invalid_adapter")


def bad_weights(why: str) -> InvalidRequest:
    return InvalidRequest(f"This model can't be served: {why}.", code="invalid_weights")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
