"""``POST /v1/audio/transcriptions``: what its form asks for. Schema: openapi.yaml, ``CreateTranscriptionRequest``.

A form has texts alone. They become the types of the schema first: lists by ``name[]`` or by repetition, objects by ``name[key]`` or
as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import Field, Tag, ValidationError

from cluster.errors import InvalidRequest
from cluster.inference.requests import json_body, problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.limits import DEFAULT_LIMITS
from cluster.speech.transcription.formats import TranscriptFormat
from cluster.speech.transcription.segments import PAUSE
from cluster.speech.turns.settings import ServerVad

_MAX_PROMPT_CHARS: Final = 4096
_LISTS: Final = frozenset(
    {"languages", "keywords", "include", "timestamp_granularities", "known_speaker_names", "known_speaker_references"}
)
_NAME: Final = re.compile(r"(\w+)(?:\[(\w*)\])?")
_NUMBER: Final = re.compile(r"-?\d{1,9}(\.\d{1,9})?")
_DIARIZING: Final = "no speakers are told apart here."
_WORD = Annotated[str, Field(min_length=1, max_length=256)]


class VadFields(Strict):
    """``threshold``: least probability of speech; times in ms."""

    type: Literal["server_vad"]
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    threshold: float | None = None


def _strategy_kind(value: object) -> str | None:
    return "<auto>" if isinstance(value, str) else "<server_vad>" if isinstance(value, dict) else None


class TranscriptionFields(Strict):
    """The form but for its file. ``temperature`` has no effect: the recognizers here do not draw lots."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    language: Annotated[str, Field(max_length=16)] | None = None
    languages: Annotated[list[Annotated[str, Field(min_length=1, max_length=16)]], Field(min_length=1, max_length=64)] | None = None
    keywords: Annotated[list[_WORD], Field(max_length=256)] | None = None
    prompt: Annotated[str, Field(max_length=_MAX_PROMPT_CHARS)] | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    include: list[Literal["logprobs"]] | None = None
    timestamp_granularities: Annotated[list[Literal["word", "segment"]], Field(min_length=1, max_length=2)] | None = None
    stream: bool | None = None
    chunking_strategy: (
        Annotated[
            Annotated[Literal["auto"], Tag("<auto>")] | Annotated[VadFields, Tag("<server_vad>")],
            problems.by_kind("one of a string or object", _strategy_kind),
        ]
        | None
    ) = None
    known_speaker_names: list[str] | None = None
    known_speaker_references: list[str] | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """``languages``: those that it may be in, the likeliest first; empty: any. ``pause``: what ends a segment."""

    model: str
    languages: tuple[str, ...]
    prompt: str | None
    format: TranscriptFormat
    stream: bool
    words: bool
    segments: bool
    pause: ServerVad

    @classmethod
    def parse(cls, form: Mapping[str, Sequence[str]]) -> TranscriptionRequest:
        """``form``: the texts by the names that they were sent under. Raises :class:`~cluster.errors.InvalidRequest`."""
        data = _typed(form)
        if unknown := [name for name in data if name not in TranscriptionFields.model_fields]:
            raise problems.unrecognized(unknown)
        try:
            given = TranscriptionFields.model_validate(data)
        except ValidationError as error:
            raise problems.from_pydantic(error) from None
        _check(given)
        granularities = given.timestamp_granularities or ["segment"]
        wished = [given.language] if given.language else given.languages or []
        return cls(
            model=given.model,
            languages=tuple(wished),
            prompt=" ".join([*([given.prompt] if given.prompt else []), *(given.keywords or [])]) or None,
            format=TranscriptFormat(given.response_format or "json"),
            stream=bool(given.stream),
            words="word" in granularities,
            segments="segment" in granularities,
            pause=_pause(given.chunking_strategy) if isinstance(given.chunking_strategy, VadFields) else PAUSE,
        )


def _check(given: TranscriptionFields) -> None:
    if given.model.endswith("-diarize"):
        raise problems.unsupported_value("model", _DIARIZING)
    if given.response_format == "diarized_json":
        raise problems.unsupported_value("response_format", _DIARIZING)
    for name in ("known_speaker_names", "known_speaker_references"):
        if getattr(given, name):
            raise problems.unsupported_parameter(name, "Speakers are not told apart here.")
    if given.include:
        raise problems.unsupported_value("include", "the recognizers here have no log probabilities of tokens.")
    if given.timestamp_granularities is not None and given.response_format != "verbose_json":
        raise problems.combination(
            "timestamp_granularities",
            "The 'timestamp_granularities' parameter is only allowed with the response format 'verbose_json'.",
        )
    if given.stream and given.response_format not in (None, "json", "text"):
        raise problems.combination("stream", f"A stream of events can't have the response format '{given.response_format}'.")


def _pause(vad: VadFields) -> ServerVad:
    given = {name: value for name, value in vad.model_dump(exclude={"type"}).items() if value is not None}
    try:
        return replace(PAUSE, **given)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param=f"chunking_strategy.{error.param}", code="invalid_value") from None


# --- from texts to types --------------------------------------------------------------------------------------------------


def _typed(form: Mapping[str, Sequence[str]]) -> dict[str, object]:
    data: dict[str, object] = {}
    for sent, texts in form.items():
        match = _NAME.fullmatch(sent)
        name, key = (match[1], match[2]) if match is not None else (sent, None)
        if name in _LISTS and not key:
            earlier = data.setdefault(name, [])
            assert isinstance(earlier, list)
            earlier.extend(texts)
        elif key and name == "chunking_strategy":
            members = data.setdefault(name, {})
            if not isinstance(members, dict):
                raise _twice(name)
            members[key] = _scalar(f"{name}.{key}", _once(f"{name}.{key}", texts))
        elif key is not None:
            raise problems.unrecognized([sent])
        elif name in data:
            raise _twice(name)
        else:
            data[name] = _value(name, _once(name, texts))
    return data


def _value(name: str, text: str) -> object:
    if name == "chunking_strategy" and text.lstrip().startswith("{"):
        try:
            return json_body.decode_object(text.encode(), DEFAULT_LIMITS)
        except InvalidRequest as error:
            raise problems.invalid(name, error.message) from None
    return _scalar(name, text) if name in ("stream", "temperature") else text


def _scalar(name: str, text: str) -> object:
    """A number or a boolean where the text is one."""
    if name == "stream":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if _NUMBER.fullmatch(text) is None:
        return text
    return int(text) if text.lstrip("-").isdigit() and name.endswith("_ms") else float(text)


def _once(name: str, texts: Sequence[str]) -> str:
    if len(texts) > 1:
        raise _twice(name)
    return texts[0]


def _twice(name: str) -> InvalidRequest:
    return InvalidRequest(f"The form has the field '{name[:100]}' twice.", param=name[:100], code="duplicate_key")
