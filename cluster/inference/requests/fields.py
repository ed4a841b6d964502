"""Fields that chat and text completions have in common, and how they reach the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Tag, ValidationError

from cluster.config.settings.prompt_cache import Retention
from cluster.inference.requests import json_body, problems
from cluster.inference.requests.limits import RequestLimits

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
INT32_MAX: Final = 2**31 - 1
"""Highest token count or id that engines take."""

Penalty = Annotated[float, Field(ge=-2.0, le=2.0)]
TokenId = Annotated[int, Field(ge=0, le=INT32_MAX)]
TokenIdKey = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
StopString = Annotated[str, Field(min_length=1, max_length=1000)]


class Strict(BaseModel):
    """No conversions (a number in quotes is not a number), no unknown names, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _stop_kind(value: object) -> str | None:
    return "<one>" if isinstance(value, str) else "<many>" if isinstance(value, list) else None


Stop = Annotated[
    Annotated[StopString, Tag("<one>")] | Annotated[Annotated[list[StopString], Field(min_length=1, max_length=4)], Tag("<many>")],
    problems.by_kind("one of a string or array of strings", _stop_kind),
]


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None


class PromptCacheOptions(Strict):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Annotated[str, Field(max_length=16)] | None = None


class GenerationFields(Strict):
    """What both request kinds take. Names in ``_PASSED_ON`` reach the engine as they are, the others act here or not at all."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    logit_bias: Annotated[dict[TokenIdKey, Annotated[float, Field(ge=-100.0, le=100.0)]], Field(max_length=1024)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX)] | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    prompt_cache_key: Annotated[str, Field(max_length=512)] | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | None = None

    # Beyond OpenAI's schema, under vLLM's names.
    cache_salt: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=INT32_MAX)] | None = None
    min_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10.0)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    ignore_eos: bool | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=128)] | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None


_PASSED_ON = (
    "frequency_penalty",
    "presence_penalty",
    "temperature",
    "top_p",
    "logit_bias",
    "n",
    "seed",
    "top_k",
    "min_p",
    "repetition_penalty",
    "min_tokens",
    "ignore_eos",
    "stop_token_ids",
    "include_stop_str_in_output",
    "skip_special_tokens",
)


_Fields = TypeVar("_Fields", bound=GenerationFields)


def load(kind: type[_Fields], raw: Mapping[str, object] | bytes, refused: Mapping[str, str], limits: RequestLimits) -> _Fields:
    """Validate ``raw`` as ``kind``; ``refused`` maps known but unserved arguments to the reason. Raises :class:`InvalidRequest`."""
    given = json_body.decode_object(raw, limits) if isinstance(raw, bytes) else json_body.check_object(raw, limits)
    for name, why in refused.items():
        if given.pop(name, None) is not None:
            raise problems.unsupported_parameter(name, why)
    if unknown := [name for name in given if name not in kind.model_fields]:
        raise problems.unrecognized(unknown)
    try:
        fields = kind.model_validate(given)
    except ValidationError as error:
        raise problems.from_pydantic(error) from None
    if fields.n is not None and fields.n > limits.max_choices:
        raise problems.too_high("n", "integer", limits.max_choices, fields.n)
    if fields.stream_options is not None and not fields.stream:
        raise problems.combination("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    return fields


def engine_fields(fields: GenerationFields) -> dict[str, object]:
    """The common part of the engine's request body."""
    body: dict[str, object] = {"model": fields.model, "stream": bool(fields.stream)}
    for name in _PASSED_ON:
        value = getattr(fields, name)
        if value is not None:
            body[name] = value
    if fields.stop is not None:
        body["stop"] = [fields.stop] if isinstance(fields.stop, str) else fields.stop
    return body


def retention(fields: GenerationFields) -> Retention | None:
    match fields.prompt_cache_retention:
        case None:
            return None
        case "24h":
            return Retention.EXTENDED
        case _:
            return Retention.IN_MEMORY


def wants_usage(fields: GenerationFields) -> bool:
    return fields.stream_options is not None and bool(fields.stream_options.include_usage)
