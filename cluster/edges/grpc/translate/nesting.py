"""Tagged objects that name their kind twice in JSON: ``{"type": "dpo", "dpo": {…}}``, where messages have the arm of a oneof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nested(flat: Mapping[str, Any], *, always: bool = False) -> dict[str, Any]:
    """``{"type": "x", **rest}`` as ``{"type": "x", "x": rest}``; ``always``: also without a rest."""
    kind = flat["type"]
    rest = {name: value for name, value in flat.items() if name != "type"}
    return {"type": kind, kind: rest} if rest or always else {"type": kind}


def flattened(tagged: Mapping[str, Any]) -> dict[str, Any]:
    """The way back."""
    return {"type": tagged["type"], **(tagged.get(tagged["type"]) or {})}
