"""The compact form of the demo model: one safetensors file with rows for the used tokens only, and a manifest.

Tensors carry their Hugging Face names in bfloat16, but for three of our own:

- ``rows`` ``[1 + used, hidden]``: input embeddings. Row 0 stands for every token that isn't used, row ``i + 1`` for
  ``token_ids[i]``.
- ``token_ids`` ``[used]``, int32, ascending.
- ``output_scale`` ``[1]``, float32: the output head is ``output_scale * rows``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent / "weights"
WEIGHTS = "compact.safetensors"
MANIFEST = "manifest.json"

Bits = npt.NDArray[np.uint16]
"""bfloat16 values as their bits: NumPy has no such type."""


class WeightsMismatch(RuntimeError):
    """The compact weights aren't those that the manifest describes."""


@dataclass(frozen=True)
class CompactModel:
    """The compact form in memory. ``tensors`` excludes the embeddings and the head."""

    tensors: dict[str, Bits]
    rows: Bits
    token_ids: npt.NDArray[np.int32]
    output_scale: float

    @property
    def parameters(self) -> int:
        """Trained parameters."""
        return sum(tensor.size for tensor in self.tensors.values()) + self.rows.size + 1


def to_bits(values: npt.NDArray[np.float32]) -> Bits:
    """Round float32 to bfloat16, to nearest, ties to even."""
    raw = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((raw + 0x7FFF + ((raw >> 16) & 1)) >> 16).astype(np.uint16)


def from_bits(bits: Bits) -> npt.NDArray[np.float32]:
    """bfloat16 to float32, exact."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def write_tensors(path: Path, tensors: dict[str, npt.NDArray[Any]]) -> None:
    """Write a safetensors file; ``uint16`` arrays are bfloat16 bits."""
    from safetensors import TensorSpec, serialize_file

    names = {"uint16": "bfloat16", "int32": "int32", "float32": "float32"}
    # The arrays must outlive the call, because only their addresses are passed.
    held = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    specs = {
        name: TensorSpec(dtype=names[array.dtype.name], shape=list(array.shape), data_ptr=array.ctypes.data, data_len=array.nbytes)
        for name, array in held.items()
    }
    serialize_file(specs, str(path), {"format": "pt"})


def read_tensors(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Read a safetensors file; bfloat16 comes as ``uint16`` bits."""
    from safetensors import deserialize

    types: dict[str, Any] = {"BF16": np.uint16, "I32": np.int32, "F32": np.float32}
    entries: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    return {name: np.frombuffer(tensor["data"], dtype=types[tensor["dtype"]]).reshape(tensor["shape"]) for name, tensor in entries}


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest beside the weights."""
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return manifest


def load(folder: Path) -> CompactModel:
    """Read the compact form.

    Raises:
        WeightsMismatch: the file's SHA-256 differs from the manifest's.
    """
    data = (folder / WEIGHTS).read_bytes()
    expected = read_manifest(folder)["sha256"]
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise WeightsMismatch(f"{folder / WEIGHTS} has SHA-256 {found}, its manifest says {expected}")
    tensors = read_tensors(data)
    rows, token_ids, scale = (tensors.pop(name) for name in ("rows", "token_ids", "output_scale"))
    return CompactModel(tensors=tensors, rows=rows, token_ids=token_ids, output_scale=float(scale[0]))


def save(folder: Path, model: CompactModel, facts: dict[str, Any]) -> None:
    """Write weights and manifest; ``facts`` are put into the manifest as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, npt.NDArray[Any]] = {
        **model.tensors,
        "rows": model.rows,
        "token_ids": model.token_ids,
        "output_scale": np.array([model.output_scale], dtype=np.float32),
    }
    write_tensors(folder / WEIGHTS, tensors)
    manifest = {
        "sha256": sha256_of(folder / WEIGHTS),
        "bytes": (folder / WEIGHTS).stat().st_size,
        "parameters": model.parameters,
        "used_tokens": len(model.token_ids),
        **facts,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
