"""Tools, the choice among them, and response formats: what constrains the shape of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from cluster.errors import InvalidRequest
from cluster.inference.requests import problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.messages import FunctionName

MAX_TOOLS = 128
"""OpenAI's limit."""


class FunctionDefinition(Strict):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    type: Literal["function"]
    function: FunctionDefinition


class FunctionReference(Strict):
    name: FunctionName


class NamedTool(Strict):
    type: Literal["function"]
    function: FunctionReference


class AllowedTools(Strict):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1, max_length=MAX_TOOLS)]


class AllowedToolsChoice(Strict):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


def _choice_kind(value: object) -> str | None:
    return "<mode>" if isinstance(value, str) else "<object>" if isinstance(value, dict) else None


_ChoiceObject = Annotated[
    Annotated[NamedTool, Tag("<function>")] | Annotated[AllowedToolsChoice, Tag("<allowed_tools>")],
    problems.by_key("type", "function", "allowed_tools"),
]
ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<mode>")] | Annotated[_ChoiceObject, Tag("<object>")],
    problems.by_kind("one of a string or object", _choice_kind),
]


class TextFormat(Strict):
    type: Literal["text"]


class JsonObjectFormat(Strict):
    type: Literal["json_object"]


class JsonSchema(Strict):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=64)]
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class JsonSchemaFormat(Strict):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[
    Annotated[TextFormat, Tag("<text>")]
    | Annotated[JsonObjectFormat, Tag("<json_object>")]
    | Annotated[JsonSchemaFormat, Tag("<json_schema>")],
    problems.by_key("type", "text", "json_object", "json_schema"),
]


def engine_tools(tools: Sequence[Tool], choice: ToolChoice | None) -> tuple[list[dict[str, object]], object]:
    """Tools and tool choice as engines know them.

    ``allowed_tools`` becomes a shorter list: engines have no such restriction of their own. Raises :class:`InvalidRequest`.
    """
    forms: dict[str, dict[str, object]] = {}
    for index, tool in enumerate(tools):
        function = tool.function
        if function.name in forms:
            raise problems.invalid(f"tools.{index}.function.name", f"there are two functions named '{function.name}'.")
        forms[function.name] = {"type": "function", "function": _function(f"tools.{index}.function", function)}
    match choice:
        case NamedTool():
            _known("tool_choice.function.name", choice.function.name, forms)
            return list(forms.values()), {"type": "function", "function": {"name": choice.function.name}}
        case AllowedToolsChoice():
            allowed = {reference.function.name for reference in choice.allowed_tools.tools}
            for index, reference in enumerate(choice.allowed_tools.tools):
                _known(f"tool_choice.allowed_tools.tools.{index}.function.name", reference.function.name, forms)
            return [form for name, form in forms.items() if name in allowed], choice.allowed_tools.mode
        case _:
            return list(forms.values()), choice or "auto"


def engine_format(response_format: ResponseFormat) -> dict[str, object]:
    if not isinstance(response_format, JsonSchemaFormat):
        return {"type": response_format.type}
    schema = response_format.json_schema
    form: dict[str, object] = {"name": schema.name, "schema": schema.schema_}
    if schema.description is not None:
        form["description"] = schema.description
    if schema.strict is not None:
        form["strict"] = schema.strict
    return {"type": "json_schema", "json_schema": form}


def _function(param: str, function: FunctionDefinition) -> dict[str, object]:
    form: dict[str, object] = {"name": function.name}
    if function.description is not None:
        form["description"] = function.description
    if function.parameters is not None:
        kind = function.parameters.get("type", "object")
        if kind != "object":
            raise InvalidRequest(
                f"Invalid schema for function '{function.name}': the schema of its parameters must be of type 'object'.",
                param=f"{param}.parameters",
                code="invalid_function_parameters",
            )
        form["parameters"] = function.parameters
    if function.strict is not None:
        form["strict"] = function.strict
    return form


def _known(param: str, name: str, forms: dict[str, dict[str, object]]) -> None:
    if name not in forms:
        raise problems.invalid(param, f"no function named '{name}' is among 'tools'.")
