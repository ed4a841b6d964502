"""A model that answers as told, once per question: it injects refusals, nonsense and busy clusters."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from cluster.errors import OssatureError
from cluster.evals.asking import Question, Reply
from cluster.inference.usage import Usage

USAGE = Usage(prompt_tokens=10, completion_tokens=2, cached_tokens=0, reasoning_tokens=0)


def says(verdict: object) -> Reply:
    return Reply(json.dumps({"verdict": verdict}), USAGE, finish_reason="stop")


@dataclass
class FakeJudge:
    """Gives or raises ``answers`` in turn. ``slept``: waits that it was given."""

    answers: list[Reply | OssatureError]
    asked: list[Question] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def __call__(self, question: Question) -> Reply:
        self.asked.append(question)
        answer = self.answers[len(self.asked) - 1]
        if isinstance(answer, OssatureError):
            raise answer
        return answer

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
