"""One line of a training file: what it says, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice

from pydantic import ValidationError

from cluster.errors import InvalidRequest
from cluster.inference.requests import problems
from cluster.tuning.rows.conversation import answer_problems, conversation_problems, ending_problems, image_parts
from cluster.tuning.rows.example import AssistantTurn, Example, PreferenceExample, SupervisedExample, looks_like_completions
from cluster.tuning.rows.line_json import decode_line
from cluster.tuning.rows.lines import Line
from cluster.tuning.rows.problem import MAX_PROBLEMS_PER_ROW, RowProblem


class Method(StrEnum):
    """How a model is tuned."""

    SUPERVISED = "supervised"
    DPO = "dpo"


def parse(line: Line, method: Method, *, takes_images: bool) -> Example | list[RowProblem]:
    """The example of a line; or its problems, one at least."""
    try:
        if line.data is None:
            raise InvalidRequest("The line is longer than a line may be.", code="line_too_long")
        value = decode_line(line.data)
        if looks_like_completions(value):
            raise InvalidRequest(
                "The line is of the completions format ('prompt' and 'completion'); chat models are tuned on 'messages'.",
                param="messages",
                code="invalid_file_format",
            )
        example = _model(method).model_validate(value)
    except InvalidRequest as error:
        return [RowProblem.of(line.number, error)]
    except ValidationError as error:
        return [RowProblem.of(line.number, each) for each in problems.all_from_pydantic(error, MAX_PROBLEMS_PER_ROW)]
    found = islice(_problems(example, takes_images), MAX_PROBLEMS_PER_ROW)
    return [RowProblem.of(line.number, each) for each in found] or example


def _model(method: Method) -> type[SupervisedExample] | type[PreferenceExample]:
    return SupervisedExample if method is Method.SUPERVISED else PreferenceExample


def _problems(example: Example, takes_images: bool) -> Iterator[InvalidRequest]:
    if isinstance(example, SupervisedExample):
        yield from conversation_problems(example.messages, example, "", takes_images=takes_images)
        yield from ending_problems(example.messages, "")
        return
    yield from _preference_problems(example)


def _preference_problems(example: PreferenceExample) -> Iterator[InvalidRequest]:
    given = example.input
    yield from conversation_problems(given.messages, given, "input.", takes_images=True)
    for param, _ in islice(image_parts(given.messages, "input."), 1):
        yield problems.unsupported_value(param, "preference examples have no images.")
    last = len(given.messages) - 1
    if isinstance(given.messages[last], AssistantTurn):
        yield problems.invalid(f"input.messages.{last}.role", "the input must end before the answers that are compared.")
    known = {function.name for _, function in given.definitions()}
    for name, output in (("preferred_output", example.preferred_output), ("non_preferred_output", example.non_preferred_output)):
        yield from answer_problems(output[0], f"{name}.0", known, given.parallel_tool_calls)
        if output[0].weight is not None:
            yield problems.invalid(f"{name}.0.weight", "answers that are compared have no weight.")
    if _same(example.preferred_output, example.non_preferred_output):
        yield problems.invalid("non_preferred_output", "it is the same as 'preferred_output': neither can be preferred.")


def _same(one: Sequence[AssistantTurn], other: Sequence[AssistantTurn]) -> bool:
    return [turn.model_dump(exclude_none=True) for turn in one] == [turn.model_dump(exclude_none=True) for turn in other]
