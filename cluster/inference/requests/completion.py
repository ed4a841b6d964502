"""``POST /v1/completions``, whatever edge it came in by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field

from cluster.engine.contract import Operation
from cluster.inference.requests import fields, problems
from cluster.inference.requests.fields import INT32_MAX, GenerationFields
from cluster.inference.requests.limits import DEFAULT_LIMITS, RequestLimits
from cluster.inference.requests.parsed import ParsedRequest

REFUSED: Final[Mapping[str, str]] = {
    "suffix": "The models served here do not fill in the middle.",
}
"""Arguments of OpenAI's schema that are not served, and why."""

MAX_PROMPTS = 128
"""Prompts of one request. Each costs as much as a request of its own."""

Prompt = str | list[str] | list[int] | list[list[int]]


class CompletionFields(GenerationFields):
    prompt: Any
    """A :data:`Prompt`. Checked by :func:`_prompt`, which unlike a union says where the first wrong element is."""

    best_of: Annotated[int, Field(ge=1, le=20)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest(ParsedRequest):
    """A valid text completion request.

    Its canonical prompt is a letter for the kind, then the text as UTF-8 or four bytes for each token id; a longer prompt keeps its
    start.
    """

    @classmethod
    def parse(cls, raw: Mapping[str, object] | bytes, *, limits: RequestLimits = DEFAULT_LIMITS) -> CompletionRequest:
        """Validate a body. Raises :class:`~cluster.errors.InvalidRequest`."""
        given = fields.load(CompletionFields, raw, REFUSED, limits)
        prompt = _prompt(given.prompt)
        if given.store:
            raise problems.unsupported_parameter("store", "Only chat completions are kept: leave it out, or send false.")
        if given.best_of is not None and given.best_of != (given.n or 1):
            raise problems.unsupported_value("best_of", "it must be equal to 'n', as the answers are not ranked here.")
        if given.max_tokens == 0 and not given.echo:
            raise problems.combination("max_tokens", "'max_tokens' may only be 0 when 'echo' is enabled.")
        body = fields.engine_fields(given) | {"prompt": prompt}
        for name in ("echo", "logprobs", "max_tokens"):
            if (value := getattr(given, name)) is not None:
                body[name] = value
        return cls._of(given, _canonical(prompt), msgspec.json.encode(body))

    @property
    def operation(self) -> Operation:
        return Operation.COMPLETION


def _prompt(value: object) -> Prompt:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise problems.wrong_type("prompt", "one of a string or array", value)
    if not value:
        raise problems.empty_array("prompt")
    if isinstance(value[0], int):
        return _token_ids("prompt", value)
    if len(value) > MAX_PROMPTS:
        raise problems.array_too_long("prompt", MAX_PROMPTS, len(value))
    if isinstance(value[0], list):
        return [_token_ids(f"prompt.{index}", ids) for index, ids in enumerate(value)]
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise problems.wrong_type(f"prompt.{index}", "a string", text)
    return value


def _token_ids(param: str, value: object) -> list[int]:
    if not isinstance(value, list):
        raise problems.wrong_type(param, "an array of integers", value)
    if not value:
        raise problems.empty_array(param)
    for index, token in enumerate(value):
        if type(token) is not int:
            raise problems.wrong_type(f"{param}.{index}", "an integer", token)
        if not 0 <= token <= INT32_MAX:
            raise problems.invalid(f"{param}.{index}", f"a token id must be between 0 and {INT32_MAX}.")
    return value


def _canonical(prompt: Prompt) -> bytes:
    if isinstance(prompt, str):
        return b"s" + prompt.encode()
    if isinstance(prompt[0], str):
        # Of several prompts, each goes its own way in the engine; lengths keep them apart.
        texts = [text.encode() for text in prompt if isinstance(text, str)]
        return b"S" + b"".join(len(text).to_bytes(4, "big") + text for text in texts)
    if isinstance(prompt[0], int):
        return b"t" + _packed(prompt)
    return b"T" + b"".join(len(ids).to_bytes(4, "big") + _packed(ids) for ids in prompt if isinstance(ids, list))


def _packed(ids: Iterable[object]) -> bytes:
    return b"".join(token.to_bytes(4, "big") for token in ids if isinstance(token, int))
