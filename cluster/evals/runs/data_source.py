"""``data_source`` of a run as the contract writes it: where items come from, and which model is asked how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, Tag, ValidationError

from cluster.evals.definitions import ModelName
from cluster.evals.messages import EvalMessage
from cluster.inference.requests import problems
from cluster.inference.requests.fields import INT32_MAX, INT64_MAX, INT64_MIN, Metadata, Strict
from cluster.inference.requests.tools import MAX_TOOLS, FunctionDefinition, ResponseFormat, Tool

PARAM: Final = "data_source"
MAX_INLINE_ITEMS: Final = 100_000
MAX_TEMPLATE_MESSAGES: Final = 64

UnixTime = Annotated[int, Field(ge=0, le=INT32_MAX * 4)]


# --- where items come from ------------------------------------------------------------------------------------------------


class InlineRow(Strict):
    item: dict[str, Any]
    sample: dict[str, Any] | None = None


class FileContent(Strict):
    type: Literal["file_content"]
    content: Annotated[list[InlineRow], Field(min_length=1, max_length=MAX_INLINE_ITEMS, fail_fast=True)]


class FileId(Strict):
    type: Literal["file_id"]
    id: Annotated[str, Field(min_length=1, max_length=256)]


class StoredCompletionsFilter(Strict):
    """Times are inclusive. ``limit``: the newest so many."""

    type: Literal["stored_completions"]
    metadata: Metadata | None = None
    model: ModelName | None = None
    created_after: UnixTime | None = None
    created_before: UnixTime | None = None
    limit: Annotated[int, Field(ge=1, le=INT32_MAX)] | None = None


FileSource = Annotated[
    Annotated[FileContent, Tag("<file_content>")] | Annotated[FileId, Tag("<file_id>")],
    problems.by_key("type", "file_content", "file_id"),
]
AnySource = Annotated[
    Annotated[FileContent, Tag("<file_content>")]
    | Annotated[FileId, Tag("<file_id>")]
    | Annotated[StoredCompletionsFilter, Tag("<stored_completions>")],
    problems.by_key("type", "file_content", "file_id", "stored_completions"),
]


# --- what the model is asked ----------------------------------------------------------------------------------------------


class TemplateMessages(Strict):
    type: Literal["template"]
    template: Annotated[list[EvalMessage], Field(min_length=1, max_length=MAX_TEMPLATE_MESSAGES)]


class ItemReference(Strict):
    """``item_reference``: a path such as ``item.input``, to a list of messages or to a text."""

    type: Literal["item_reference"]
    item_reference: Annotated[str, Field(min_length=1, max_length=512)]


InputMessages = Annotated[
    Annotated[TemplateMessages, Tag("<template>")] | Annotated[ItemReference, Tag("<item_reference>")],
    problems.by_key("type", "template", "item_reference"),
]


class Sampling(Strict):
    """What both kinds of sampling take. The defaults are the contract's."""

    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=INT32_MAX)] | None = None
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    seed: Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX)] | None = None

    def options(self) -> dict[str, Any]:
        """Fields of a chat completion request."""
        common = {"temperature": 1.0, "top_p": 1.0, "seed": 42}
        names = ("reasoning_effort", "temperature", "max_completion_tokens", "top_p", "seed")
        given = {name: getattr(self, name) for name in names}
        return common | {name: value for name, value in given.items() if value is not None} | self.shape()

    def shape(self) -> dict[str, Any]:
        """Tools and the form of the answer, in chat's terms."""
        return {}


class ChatSampling(Sampling):
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(min_length=1, max_length=MAX_TOOLS)] | None = None

    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = {}
        if self.response_format is not None:
            shape["response_format"] = self.response_format.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if self.tools is not None:
            shape["tools"] = [tool.model_dump(mode="json", exclude_unset=True) for tool in self.tools]
        return shape


class FlatTool(FunctionDefinition):
    """A function as the Responses API writes it: what chats have under ``function`` stands beside the type."""

    type: Literal["function"]


class FlatFormat(Strict):
    """A format as the Responses API writes it: what chats have under ``json_schema`` stands beside the type."""

    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=64)] | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextOptions(Strict):
    format: FlatFormat | None = None


class ResponsesSampling(Sampling):
    tools: Annotated[list[FlatTool], Field(min_length=1, max_length=MAX_TOOLS)] | None = None
    text: TextOptions | None = None

    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = {}
        if self.tools is not None:
            dumped = [tool.model_dump(mode="json", exclude_unset=True, exclude={"type"}) for tool in self.tools]
            shape["tools"] = [{"type": "function", "function": function} for function in dumped]
        form = self.text.format if self.text is not None else None
        if form is not None:
            shape["response_format"] = {"type": form.type}
            if form.type == "json_schema":
                schema = form.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"type"})
                shape["response_format"]["json_schema"] = schema
        return shape


# --- the whole ------------------------------------------------------------------------------------------------------------


class JsonlRun(Strict):
    """Graded as the rows are: nothing is asked but what graders ask."""

    type: Literal["jsonl"]
    source: FileSource


class CompletionsRun(Strict):
    """``model`` unset: stored completions are graded as they are."""

    type: Literal["completions"]
    source: AnySource
    input_messages: InputMessages | None = None
    sampling_params: ChatSampling | None = None
    model: ModelName | None = None


class ResponsesRun(Strict):
    """Sampled as a chat completion: what the Responses API would add beyond one is refused."""

    type: Literal["responses"]
    source: FileSource
    input_messages: InputMessages | None = None
    sampling_params: ResponsesSampling | None = None
    model: ModelName | None = None


SampledRun = CompletionsRun | ResponsesRun
RunSource = JsonlRun | SampledRun


class _Request(Strict):
    data_source: Annotated[
        Annotated[JsonlRun, Tag("<jsonl>")]
        | Annotated[CompletionsRun, Tag("<completions>")]
        | Annotated[ResponsesRun, Tag("<responses>")],
        problems.by_key("type", "jsonl", "completions", "responses"),
    ]


def parse_run_source(raw: Mapping[str, Any]) -> RunSource:
    """Read a ``data_source`` as it is sent.

    Raises:
        InvalidRequest: the first thing that is wrong or is not done here; its ``param`` begins with ``data_source``.
    """
    _refuse_what_is_not_here(raw)
    try:
        source = _Request.model_validate({PARAM: raw}).data_source
    except ValidationError as error:
        raise problems.from_pydantic(error) from None
    if not isinstance(source, JsonlRun):
        _check_sampling(source)
    return source


def canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A valid data source as it is read back: fields that were given as null are left out, which is what null says here."""
    kept = {name: value for name, value in raw.items() if value is not None}
    for name in ("source", "sampling_params"):
        if name in kept:
            kept[name] = {key: value for key, value in kept[name].items() if value is not None}
    return kept


def _refuse_what_is_not_here(raw: Mapping[str, Any]) -> None:
    """Parts of the contract that this cluster does not have: their refusal says so, not that they are unknown."""
    source = raw.get("source")
    if raw.get("type") == "responses" and isinstance(source, Mapping) and source.get("type") == "responses":
        raise problems.unsupported_value(
            f"{PARAM}.source.type",
            "responses are not stored here. Use 'file_id' or 'file_content', or a data source of the type 'completions' with "
            "stored completions.",
        )
    sampling = raw.get("sampling_params")
    tools = sampling.get("tools") if isinstance(sampling, Mapping) else None
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if isinstance(kind, str) and kind != "function":
            raise problems.unsupported_value(
                f"{PARAM}.sampling_params.tools.{index}.type", f"tools of the kind {kind[:40]!r} are not run here; use 'function'."
            )


def _check_sampling(source: SampledRun) -> None:
    stored = isinstance(source.source, StoredCompletionsFilter)
    if source.model is None:
        if not stored:
            raise problems.missing(f"{PARAM}.model")
        for name in ("input_messages", "sampling_params"):
            if getattr(source, name) is not None:
                raise problems.combination(
                    f"{PARAM}.{name}", f"'{PARAM}.{name}' needs '{PARAM}.model': without one the stored answers are graded."
                )
    elif source.input_messages is None and not stored:
        raise problems.missing(f"{PARAM}.input_messages")
    form = source.sampling_params
    if isinstance(form, ResponsesSampling) and form.text is not None and form.text.format is not None:
        given = form.text.format
        param = f"{PARAM}.sampling_params.text.format"
        if given.type == "json_schema":
            for name in ("name", "schema"):
                if getattr(given, "schema_" if name == "schema" else name) is None:
                    raise problems.missing(f"{param}.{name}")
        elif extra := sorted(given.model_fields_set - {"type"}):
            raise problems.invalid(f"{param}.{extra[0].rstrip('_')}", "it goes with the type 'json_schema' alone.")
