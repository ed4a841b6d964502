"""``label_model``: a model chooses one of the labels; a passing label scores 1."""

from __future__ import annotations

import msgspec

from cluster.evals.asking import Question
from cluster.evals.case import Case
from cluster.evals.definitions import LabelModel
from cluster.evals.graders.verdict import FAIL, PASS, Verdict
from cluster.evals.judging import VERDICT, Judge, instructed


async def grade(definition: LabelModel, case: Case, judge: Judge) -> Verdict:
    messages = [message.to_chat(case.fill_in, f"input.{index}") for index, message in enumerate(definition.input)]
    listed = ", ".join(msgspec.json.encode(label).decode() for label in definition.labels)
    instruction = f'Answer with a JSON object and nothing else: {{"{VERDICT}": one of {listed}}}.'

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in definition.labels:
            raise ValueError(f"{str(value)[:100]!r} is not one of the labels")
        return value

    question = Question(definition.model, instructed(messages, instruction))
    label, usage = await judge.verdict(question, {"type": "string", "enum": definition.labels}, read)
    passed = label in definition.passing_labels
    return Verdict(PASS if passed else FAIL, passed, label=label, usage=usage)
