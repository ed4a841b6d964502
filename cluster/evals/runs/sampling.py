"""From a row to the sample that is graded: the one that came with it, or the answer of the model that is evaluated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.errors import OssatureError
from cluster.evals import template
from cluster.evals.asking import Ask, Question, Reply
from cluster.evals.case import Case
from cluster.evals.grade import GradingFailed
from cluster.evals.judging import may_pass
from cluster.evals.runs import sample as samples
from cluster.evals.runs.data_source import PARAM, ItemReference, JsonlRun, RunSource, SampledRun, Sampling, TemplateMessages
from cluster.evals.runs.rows import Row, completed_sample
from cluster.evals.runs.sample import Sample

FIRST_DELAY_S = 0.5

STORED_INPUT = ItemReference(type="item_reference", item_reference="item.input")
"""What a model is asked about stored completions unless the run says otherwise: what was asked before."""


class NoPrompt(Exception):
    """The item does not give what the model is to be asked."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """``attempts``: questions per item at most, while the cluster is busy or fails."""

    ask: Ask
    attempts: int
    max_delay_s: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def sample(self, source: RunSource, row: Row) -> Sample:
        """Never raises for what is wrong with this item: its sample says so. Cancelling the task ends the generation."""
        if isinstance(source, JsonlRun):
            return samples.given(completed_sample(row.sample)) if row.sample is not None else Sample()
        if source.model is None:
            assert row.origin is not None, "only stored completions go without a model"
            return samples.stored(row.item["input"], row.origin)
        return await self._asked(source, source.model, row)

    async def _asked(self, source: SampledRun, model: str, row: Row) -> Sample:
        options = {**row.options, **(source.sampling_params or Sampling()).options()}
        try:
            messages = prompt(source.input_messages or STORED_INPUT, row.item)
        except NoPrompt as error:
            return samples.unanswered(model, (), options, ("invalid_input_messages", str(error)))
        try:
            return samples.asked(model, messages, options, await self._reply(Question(model, messages, options)))
        except OssatureError as error:
            return samples.unanswered(model, messages, options, (error.code or error.type, error.message))

    async def _reply(self, question: Question) -> Reply:
        attempt = 0
        while True:
            try:
                return await self.ask(question)
            except OssatureError as error:
                if attempt + 1 >= self.attempts or not may_pass(error):
                    raise
                # A run can wait: others may have the cluster for longer than it says.
                delay_s = max(error.retry_after_s or 0.0, FIRST_DELAY_S * 2**attempt)
                await self.sleep(min(delay_s, self.max_delay_s))
            attempt += 1


def prompt(wanted: TemplateMessages | ItemReference, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The messages of a chat completion request. Raises :class:`NoPrompt`."""
    if isinstance(wanted, ItemReference):
        return _referenced(wanted.item_reference, item)
    case = Case(item, {})
    param = f"{PARAM}.input_messages.template"
    try:
        return [message.to_chat(case.fill_in, f"{param}.{index}") for index, message in enumerate(wanted.template)]
    except GradingFailed as error:
        raise NoPrompt(error.message) from None


def _referenced(path: str, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    try:
        value = template.look_up(template.parse_path(path), {"item": item})
    except template.TemplateError as error:
        raise NoPrompt(str(error)) from None
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list) and value and all(isinstance(message, Mapping) for message in value):
        return value
    raise NoPrompt(f"'{path}' is neither a text nor a list of messages")
