"""The serving engine's side of the parity probe: what an unpublished model makes of held-out completions, and the verdict.

The engine is asked as clients ask it, in the name of the job's owner: a text completion of the very tokens that the trainer has
scored, echoed with their log-probabilities; the one token behind them is of no interest. The replica that answers loads the adapter
on the way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from cluster.errors import ContextLengthExceeded, DeadlineExceeded, EngineFailed, OssatureError, Overloaded, RateLimited
from cluster.identity.principal import Principal
from cluster.inference.requests.completion import CompletionRequest
from cluster.inference.service import Call, Inference
from cluster.tuning.trainer import Say, TrainingFailed
from cluster.tuning.training.parity import Scored, Scores, Trained, Verdict, judge

_PASSING: Final = (Overloaded, RateLimited, DeadlineExceeded, EngineFailed)
"""What may go better in a while."""
_RETRY_S: Final = 5.0


class _Logprobs(msgspec.Struct):
    token_logprobs: list[float]


class _Choice(msgspec.Struct):
    logprobs: _Logprobs


class _Body(msgspec.Struct):
    choices: list[_Choice]


@dataclass(frozen=True, slots=True)
class ParityProbe:
    """``wait_s``: how long each completion may find no replica that answers, in seconds. ``retry_s``: between two tries."""

    inference: Inference
    wait_s: float
    retry_s: float = _RETRY_S
    clock: Callable[[], float] = time.monotonic

    async def verdict(self, principal: Principal, job_id: str, model: str, scores: Path, say: Say) -> Verdict:
        """Compare ``model``, which may be on probation, with the trainer's ``scores``.

        Raises :class:`TrainingFailed` when the engine refuses the model, or no replica of its base answers in time.
        """
        trained = await asyncio.to_thread(lambda: Trained.read(scores))
        served: dict[int, Scored] = {}
        for place, row in enumerate(trained.tuned.rows):
            try:
                served[place] = await self._scored(principal, job_id, model, row, say)
            except ContextLengthExceeded:
                # The engine's context is smaller than the trainer's; other rows are shorter.
                continue
        if not served:
            raise TrainingFailed(
                "parity_probe_failed", "The tuned model was not compared with what was trained: its engine's context is too small."
            )
        trained = trained.only(list(served))
        return judge(trained.base, trained.tuned, Scores(rows=list(served.values())))

    async def _scored(self, principal: Principal, job_id: str, model: str, row: Scored, say: Say) -> Scored:
        give_up_s = self.clock() + self.wait_s
        while True:
            try:
                found = await self._ask(principal, job_id, model, row.ids, max(1.0, give_up_s - self.clock()))
            except _PASSING as error:
                if self.clock() + self.retry_s > give_up_s:
                    raise TrainingFailed(
                        "parity_probe_unreachable",
                        f"The tuned model was not published: in {self.wait_s:.0f} s no replica of its base model has answered, to "
                        f"compare it with what was trained. The last try: {error.message}",
                    ) from error
                waiting = "Waiting for a replica of the base model, to compare the tuned model with what was trained."
                await say(waiting, key="waiting")
                await asyncio.sleep(self.retry_s)
            except ContextLengthExceeded:
                raise
            except OssatureError as error:
                message = f"The tuned model can't be served: {error.message}"
                raise TrainingFailed(error.code or "parity_probe_failed", message) from error
            else:
                return Scored(ids=row.ids, prompt_tokens=row.prompt_tokens, log_probabilities=found[row.prompt_tokens :])

    async def _ask(self, principal: Principal, job_id: str, model: str, ids: list[int], timeout_s: float) -> Sequence[float]:
        """The log-probability of each token; that of the first says nothing."""
        body = {"model": model, "prompt": ids, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
        call = Call(edge="jobs", trace_id=job_id, timeout_s=timeout_s, probation=True)
        completion = await self.inference.complete(principal, CompletionRequest.parse(body), call)
        try:
            [choice] = msgspec.json.decode(completion.body, type=_Body).choices
        except (msgspec.MsgspecError, ValueError) as error:
            raise EngineFailed("The engine's answer has an unexpected shape.") from error
        found = choice.logprobs.token_logprobs
        if len(found) < len(ids):
            raise EngineFailed(f"The engine gave {len(found)} log-probabilities for {len(ids)} tokens.")
        return found[: len(ids)]
