"""An adapter's two files, as PEFT writes them: what they hold, and whether it is a LoRA adapter at all.

Only the configuration and the header of the weights are read: a JSON object behind its length in 8 bytes, little-endian, that
gives each tensor's shape and place (the format of safetensors).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"

MAX_CONFIG_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 << 20

_PREFIX = "base_model.model."
_HALF = re.compile(r"(?P<module>.+)\.lora_(?P<half>[AB])(?:\.default)?\.weight")
_LAYER = re.compile(r"(?:^|\.)layers\.(?P<layer>\d+)\.(?:self_attn|mlp)\.(?P<part>[a-z]+_proj)$")
_READS_HIDDEN = frozenset({"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"})
_WRITES_HIDDEN = frozenset({"o_proj", "down_proj"})


class BadAdapter(Exception):
    """The files are no adapter that can be served; the message says why, to whoever owns them."""


@dataclass(frozen=True, slots=True)
class Module:
    """One adapted layer: sizes of what goes in and out, and of what is between (``rank``)."""

    inputs: int
    outputs: int
    rank: int


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """``rank``: the largest of its modules, by their names in the base model."""

    rank: int
    modules: Mapping[str, Module]

    def check_base(self, hidden_size: int, layers: int) -> None:
        """Raises :class:`BadAdapter` when it was trained on a model of another width or depth.

        Looks at the decoder layers whose projections are named as in Llama, Qwen and gpt-oss. An engine would copy smaller matrices
        into the corners of larger ones without a word.
        """
        for name, module in self.modules.items():
            found = _LAYER.search(name)
            if found is None or "vision" in name:
                continue
            if int(found["layer"]) >= layers:
                raise BadAdapter(f"it adapts layer {found['layer']}, and the base model has {layers} layers")
            part = found["part"]
            width = module.inputs if part in _READS_HIDDEN else module.outputs if part in _WRITES_HIDDEN else hidden_size
            if width != hidden_size:
                raise BadAdapter(f"it was trained on a model of width {width}, and the base model's is {hidden_size}")


def read_shape(folder: Path) -> AdapterShape:
    """What the adapter in ``folder`` is. Blocks. Raises :class:`BadAdapter`, and ``OSError`` for a disk that fails."""
    declared_rank = _declared_rank(_config(folder / CONFIG_FILE))
    modules = _modules(_header(folder / WEIGHTS_FILE))
    rank = max((module.rank for name, module in modules.items() if ".experts" not in name), default=declared_rank)
    if rank > declared_rank:
        raise BadAdapter(f"its configuration says rank {declared_rank}, and its weights have {rank}")
    return AdapterShape(declared_rank, modules)


def check_safetensors(path: Path) -> None:
    """Raises :class:`BadAdapter` for a file that is none, or is cut short. Blocks."""
    _header(path)


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise BadAdapter(f"{CONFIG_FILE} is larger than {MAX_CONFIG_BYTES} bytes")
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise BadAdapter(f"it has no {CONFIG_FILE}") from None
    except msgspec.DecodeError:
        raise BadAdapter(f"{CONFIG_FILE} is no JSON object") from None


def _declared_rank(config: Mapping[str, Any]) -> int:
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise BadAdapter(f"it is of the kind {str(kind)[:40]}, and only LORA can be served")
    if config.get("use_dora"):
        raise BadAdapter("it is a DoRA adapter, which the engine can't serve")
    if config.get("bias", "none") != "none":
        raise BadAdapter("it was trained with biases, which the engine can't serve")
    if config.get("modules_to_save"):
        raise BadAdapter("it replaces whole modules (modules_to_save), which the engine can't serve")
    pattern = config.get("rank_pattern") or {}
    ranks = [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else [None])]
    valid = [rank for rank in ranks if type(rank) is int and rank > 0]
    if len(valid) != len(ranks):
        raise BadAdapter("its configuration names no rank")
    return max(valid)


class _Tensor(msgspec.Struct):
    shape: list[int]
    data_offsets: tuple[int, int]


def _header(path: Path) -> dict[str, _Tensor]:
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= MAX_HEADER_BYTES:
                raise BadAdapter(f"{path.name} is no safetensors file")
            raw = msgspec.json.decode(file.read(size), type=dict[str, msgspec.Raw])
        total_bytes = path.stat().st_size
        tensors = {name: msgspec.json.decode(value, type=_Tensor) for name, value in raw.items() if name != "__metadata__"}
    except FileNotFoundError:
        raise BadAdapter(f"it has no {path.name}") from None
    except msgspec.DecodeError:
        raise BadAdapter(f"{path.name} is no safetensors file") from None
    if not tensors:
        raise BadAdapter(f"{path.name} holds no tensors")
    if 8 + size + max(tensor.data_offsets[1] for tensor in tensors.values()) != total_bytes:
        raise BadAdapter(f"{path.name} is cut short, or has more than its header tells of")
    return tensors


def _modules(tensors: Mapping[str, _Tensor]) -> dict[str, Module]:
    halves: dict[str, dict[str, list[int]]] = {}
    for name, tensor in tensors.items():
        found = _HALF.fullmatch(name)
        if found is None:
            raise BadAdapter(f"the tensor {name[:100]!r} is no part of a LoRA adapter")
        if len(tensor.shape) != 2:
            raise BadAdapter(f"the tensor {name[:100]!r} is no matrix")
        halves.setdefault(found["module"].removeprefix(_PREFIX), {})[found["half"]] = tensor.shape
    modules = {}
    for name, pair in halves.items():
        if len(pair) != 2:
            raise BadAdapter(f"of {name[:100]!r} only one of the two matrices is there")
        (rank, inputs), (outputs, other_rank) = pair["A"], pair["B"]
        if rank != other_rank:
            raise BadAdapter(f"the matrices of {name[:100]!r} don't fit each other")
        modules[name] = Module(inputs, outputs, rank)
    return modules
