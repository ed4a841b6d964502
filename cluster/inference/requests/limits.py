"""What a request may ask for at most: the one place where validators get their bounds from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bounds that a deployment may choose; bounds that belong to the API itself stand beside their fields.

    ``max_json_depth``: nesting of objects and arrays. ``max_json_values``: objects, arrays and their elements together; it bounds
    how long parsing one body can hold the interpreter (about 0.1 s at the default). ``max_choices``: highest ``n``.
    ``content_parts``: kinds of message parts that are understood here (whether a model sees
    is asked once it is known). ``store``: whether completions can be kept.
    """

    max_json_depth: int = 64
    max_json_values: int = 500_000
    max_choices: int = 128
    content_parts: frozenset[str] = frozenset({"text", "image_url"})
    store: bool = False


DEFAULT_LIMITS = RequestLimits()
