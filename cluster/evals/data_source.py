"""``data_source_config`` of an eval: what its items look like, and the schema that templates are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, Tag, ValidationError

from cluster.evals.template_check import require_object
from cluster.inference.requests import problems
from cluster.inference.requests.fields import Strict

Metadata = Annotated[dict[str, Any], Field(max_length=16)]

_PARAM: Final = "data_source_config"

SAMPLE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "output_text": {"type": "string"},
        "output_json": {},
        "output_tools": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["output_text", "output_tools"],
}
"""The ``sample`` namespace (:func:`cluster.evals.case.sample_of`). ``output_json``: only of answers that are JSON."""

_MESSAGE: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "content": {}},
    "required": ["role"],
    "additionalProperties": True,
}
STORED_ITEM_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "input": {"type": "array", "items": _MESSAGE},
        "output": {"type": "array", "items": _MESSAGE},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "model": {"type": "string"},
    },
    "required": ["input", "output"],
}
"""The ``item`` namespace of stored completions: request messages, answer messages, metadata, model."""


class CustomSource(Strict):
    type: Literal["custom"]
    item_schema: dict[str, Any]
    include_sample_schema: bool = False


class LogsSource(Strict):
    type: Literal["logs"]
    metadata: Metadata | None = None


class StoredCompletionsSource(Strict):
    type: Literal["stored_completions"]
    metadata: Metadata | None = None


SourceConfig = CustomSource | LogsSource | StoredCompletionsSource


class _Request(Strict):
    data_source_config: Annotated[
        Annotated[CustomSource, Tag("<custom>")]
        | Annotated[LogsSource, Tag("<logs>")]
        | Annotated[StoredCompletionsSource, Tag("<stored_completions>")],
        problems.by_key("type", "custom", "logs", "stored_completions"),
    ]


def parse_source(raw: Mapping[str, object]) -> SourceConfig:
    """Read a ``data_source_config`` as it is sent.

    Raises:
        InvalidRequest: the first thing that is wrong; its ``param`` begins with ``data_source_config``.
    """
    source = read_source(raw)
    if isinstance(source, CustomSource):
        param = f"{_PARAM}.item_schema"
        require_object(source.item_schema, param)
        try:
            Draft202012Validator.check_schema(source.item_schema)
        except SchemaError as error:
            where = ".".join([param, *(str(part) for part in error.absolute_path)])
            raise problems.invalid(where, f"it is not a JSON schema: {error.message[:200]}.") from None
        except RecursionError:
            raise problems.invalid(param, "it is nested too deeply.") from None
    return source


def read_source(raw: Mapping[str, object]) -> SourceConfig:
    """The same without a look at the item schema, for one that was looked at before. Raises :class:`InvalidRequest`."""
    try:
        return _Request.model_validate({_PARAM: raw}).data_source_config
    except ValidationError as error:
        raise problems.from_pydantic(error) from None


def namespaces_schema(source: SourceConfig) -> dict[str, Any]:
    """The schema of what templates may name, as an eval is read back: ``item``, and ``sample`` where answers are graded."""
    if isinstance(source, CustomSource):
        item: Mapping[str, Any] = source.item_schema
        sampled = source.include_sample_schema
    else:
        item, sampled = STORED_ITEM_SCHEMA, True
    properties: dict[str, Any] = {"item": dict(item)}
    if sampled:
        properties["sample"] = dict(SAMPLE_SCHEMA)
    return {"type": "object", "properties": properties, "required": list(properties)}


def described(source: SourceConfig) -> dict[str, Any]:
    """OpenAI's ``Eval*DataSourceConfig``: the configuration as an eval is read back."""
    body: dict[str, Any] = {"type": source.type}
    if not isinstance(source, CustomSource):
        body["metadata"] = source.metadata or {}
    return {**body, "schema": namespaces_schema(source)}
