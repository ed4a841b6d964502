"""``score_model``: a model gives a number within ``range``; at least ``pass_threshold`` passes, by default its middle."""

from __future__ import annotations

from cluster.evals.asking import Question
from cluster.evals.case import Case
from cluster.evals.definitions import JudgeSampling, ScoreModel
from cluster.evals.graders.verdict import Verdict
from cluster.evals.judging import VERDICT, Judge, instructed


async def grade(definition: ScoreModel, case: Case, judge: Judge) -> Verdict:
    messages = [message.to_chat(case.fill_in, f"input.{index}") for index, message in enumerate(definition.input)]
    low, high = definition.bounds
    instruction = f'Answer with a JSON object and nothing else: {{"{VERDICT}": a number from {low:g} to {high:g}}}.'

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{str(value)[:100]!r} is not a number")
        if not low <= value <= high:
            raise ValueError(f"{value} is not within [{low:g}, {high:g}]")
        return float(value)

    question = Question(definition.model, instructed(messages, instruction), _options(definition.sampling_params))
    score, usage = await judge.verdict(question, {"type": "number", "minimum": low, "maximum": high}, read)
    threshold = definition.pass_threshold if definition.pass_threshold is not None else (low + high) / 2
    return Verdict(score, score >= threshold, usage=usage)


def _options(sampling: JudgeSampling | None) -> dict[str, object]:
    """Fields of a chat completion request; there the longest answer is called ``max_completion_tokens``."""
    given = sampling.model_dump(exclude_none=True) if sampling is not None else {}
    longest = given.pop("max_completions_tokens", None)
    return given if longest is None else {**given, "max_completion_tokens": longest}
