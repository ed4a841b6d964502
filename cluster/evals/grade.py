"""What a grader says of one item, and what can go wrong on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from cluster.inference.usage import Usage


class Fault(StrEnum):
    """Kinds of failure, under the names of OpenAI's ``RunGraderResponse.metadata.errors``."""

    FORMULA_PARSE = "formula_parse_error"
    SAMPLE_PARSE = "sample_parse_error"
    TRUNCATED = "truncated_observation_error"
    UNRESPONSIVE = "unresponsive_reward_error"
    INVALID_VARIABLE = "invalid_variable_error"
    OTHER = "other_error"
    PYTHON_SERVER = "python_grader_server_error"
    PYTHON_RUNTIME = "python_grader_runtime_error"
    MODEL_SERVER = "model_grader_server_error"
    MODEL_REFUSAL = "model_grader_refusal_error"
    MODEL_PARSE = "model_grader_parse_error"


class GradingFailed(Exception):
    """This item could not be graded. ``kind`` tells apart what ``fault`` lumps together (``timeout``, ``memory``, …).

    ``usage``: what models used up before it failed.
    """

    def __init__(self, fault: Fault, message: str, *, kind: str | None = None, usage: Sequence[ModelUsage] = ()) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.kind = kind
        self.usage = tuple(usage)


class GradeError(msgspec.Struct, frozen=True, omit_defaults=True):
    code: Fault
    message: str
    kind: str | None = None


class ModelUsage(msgspec.Struct, frozen=True):
    """Tokens that one model used, in the names of OpenAI's ``per_model_usage``."""

    model_name: str
    invocation_count: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, model: str, usage: Usage) -> ModelUsage:
        return cls(model, 1, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def to_json(self) -> dict[str, object]:
        return {
            "model_name": self.model_name,
            "invocation_count": self.invocation_count,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "cached_tokens": self.cached_tokens,
        }


class Grade(msgspec.Struct, frozen=True):
    """One grader's verdict on one item.

    ``score``: 0 when ``error`` is set, which never passes. ``label``: a label model's choice. ``parts``: grades of a multi grader's
    graders, by variable name. ``duration_s``: wall time.
    """

    name: str
    type: str
    score: float
    passed: bool
    error: GradeError | None = None
    label: str | None = None
    usage: tuple[ModelUsage, ...] = ()
    parts: dict[str, Grade] = {}
    duration_s: float = 0.0

    def to_result(self) -> dict[str, object]:
        """OpenAI's ``EvalRunOutputItemResult``; the schema lets further fields stand in it."""
        result: dict[str, object] = {"name": self.name, "type": self.type, "score": self.score, "passed": self.passed}
        if self.label is not None:
            result["label"] = self.label
        if self.error is not None:
            result["error"] = msgspec.to_builtins(self.error)
        return result


def added_usage(usages: Iterable[ModelUsage]) -> tuple[ModelUsage, ...]:
    """One entry a model, in the order of first appearance."""
    totals: dict[str, ModelUsage] = {}
    for usage in usages:
        known = totals.get(usage.model_name)
        totals[usage.model_name] = (
            usage
            if known is None
            else ModelUsage(
                usage.model_name,
                known.invocation_count + usage.invocation_count,
                known.prompt_tokens + usage.prompt_tokens,
                known.completion_tokens + usage.completion_tokens,
                known.cached_tokens + usage.cached_tokens,
            )
        )
    return tuple(totals.values())


def run_grader_response(grade: Grade) -> dict[str, object]:
    """OpenAI's ``RunGraderResponse``: what ``POST /fine_tuning/alpha/graders/run`` answers."""
    failed = grade.error.code if grade.error is not None else None
    details = grade.error.message if grade.error is not None else None
    errors: dict[str, object] = {fault.value: fault is failed for fault in Fault}
    errors["python_grader_server_error_type"] = (
        grade.error.kind if grade.error is not None and failed is Fault.PYTHON_SERVER else None
    )
    errors["python_grader_runtime_error_details"] = details if failed is Fault.PYTHON_RUNTIME else None
    errors["model_grader_server_error_details"] = details if failed is Fault.MODEL_SERVER else None
    scores = {name: part.score for name, part in grade.parts.items()} or {grade.name: grade.score}
    return {
        "reward": grade.score,
        "metadata": {
            "name": grade.name,
            "type": grade.type,
            "errors": errors,
            "execution_time": grade.duration_s,
            "scores": scores,
            "token_usage": sum(usage.total_tokens for usage in grade.usage) if grade.usage else None,
            "sampled_model_name": grade.usage[0].model_name if len(grade.usage) == 1 else None,
        },
        "sub_rewards": {name: part.score for name, part in grade.parts.items()},
        "model_grader_token_usage_per_model": {usage.model_name: usage.total_tokens for usage in grade.usage},
    }
