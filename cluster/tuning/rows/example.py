"""Lines of training files as clients write them: OpenAI's chat and preference formats, every field and no other."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, Tag

from cluster.inference.requests import problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.messages import (
    AssistantContent,
    CalledFunction,
    DeveloperMessage,
    FunctionMessage,
    ParticipantName,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from cluster.inference.requests.tools import MAX_TOOLS, FunctionDefinition, Tool


class AssistantTurn(Strict):
    """``weight``: whether this turn is learned from (1, the default) or only read (0)."""

    role: Literal["assistant"]
    content: AssistantContent | None = None
    name: ParticipantName | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    function_call: CalledFunction | None = None
    weight: Annotated[int, Field(ge=0, le=1)] | None = None

    @property
    def learned(self) -> bool:
        return self.weight != 0


TrainingMessage = Annotated[
    Annotated[SystemMessage, Tag("<system>")]
    | Annotated[DeveloperMessage, Tag("<developer>")]
    | Annotated[UserMessage, Tag("<user>")]
    | Annotated[AssistantTurn, Tag("<assistant>")]
    | Annotated[ToolMessage, Tag("<tool>")]
    | Annotated[FunctionMessage, Tag("<function>")],
    problems.by_key("role", "system", "developer", "user", "assistant", "tool", "function"),
]
MAX_MESSAGES: Final = 2048
"""Of one example. Each learned turn becomes a row with all before it, so that rows grow with the square of this."""
Messages = Annotated[list[TrainingMessage], Field(min_length=1, max_length=MAX_MESSAGES)]


class Toolbox(Strict):
    """What the model may call. ``functions`` is the deprecated form of ``tools``."""

    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionDefinition], Field(max_length=MAX_TOOLS)] | None = None

    def definitions(self) -> list[tuple[str, FunctionDefinition]]:
        """All functions, each with the field that it stands in."""
        found = [(f"tools.{index}.function", tool.function) for index, tool in enumerate(self.tools or ())]
        return found + [(f"functions.{index}", function) for index, function in enumerate(self.functions or ())]


class SupervisedExample(Toolbox):
    """A line of the chat format."""

    messages: Messages


class PreferenceInput(Toolbox):
    messages: Messages


class PreferenceExample(Strict):
    """A line of the preference format: two answers to one conversation, one better than the other."""

    input: PreferenceInput
    preferred_output: Annotated[list[AssistantTurn], Field(min_length=1, max_length=1)]
    non_preferred_output: Annotated[list[AssistantTurn], Field(min_length=1, max_length=1)]


Example = SupervisedExample | PreferenceExample


def looks_like_completions(line: dict[str, Any]) -> bool:
    """Whether a line is of the format for models without chat, which are not tuned here."""
    return "messages" not in line and {"prompt", "completion"} <= line.keys()
