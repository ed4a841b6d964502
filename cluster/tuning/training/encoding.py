"""From messages to tokens: which of them are context, and which are trained.

The prompt is rendered as a serving engine renders it, with the beginning of the assistant's turn; the whole conversation is
rendered again with the completion. What the second has beyond the first is the completion, its stop token included, and alone it
has labels. Both are tokenized apart, so that a prompt has the very tokens that it will have when it is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from cluster.tuning.training.errors import InvalidRow
from cluster.tuning.training.rows import Message, PreferenceRow, SupervisedRow

#: A label that the loss leaves out.
IGNORED = -100


class Templated(Protocol):
    """A tokenizer or processor of transformers, as far as rendering goes."""

    def apply_chat_template(self, conversation: list[Message], **options: Any) -> Any: ...


class Tokenizer(Templated, Protocol):
    @property
    def eos_token_id(self) -> int | None: ...

    def __call__(self, text: str, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """``ids`` of a row; the first ``prompt_tokens`` of them are context."""

    ids: list[int]
    prompt_tokens: int

    @property
    def labels(self) -> list[int]:
        """The tokens to predict, :data:`IGNORED` where the row is context."""
        return [IGNORED] * self.prompt_tokens + self.ids[self.prompt_tokens :]


@dataclass(frozen=True, slots=True)
class EncodedPair:
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with the longer completion."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders with one chat template. ``parallel_tool_calls`` is whether the template writes more than the first call."""

    templated: Templated
    variables: Mapping[str, Any]
    parallel_tool_calls: bool = True

    def split(self, number: int, prompt: list[Message], completion: Message, tools: list[dict[str, Any]] | None) -> tuple[str, str]:
        """Text of the prompt, and text of the completion after it.

        Raises:
            InvalidRow: the template refuses the messages, leaves some of them out, or writes a prompt in another way once an
                answer follows it.
        """
        if not self.parallel_tool_calls and any(len(m.get("tool_calls") or ()) > 1 for m in [*prompt, completion]):
            raise InvalidRow(number, "this model's chat template writes only the first of parallel tool calls: make a turn of each")
        try:
            context = self._render(prompt, tools, add_generation_prompt=True)
            whole = self._render([*prompt, completion], tools, add_generation_prompt=False)
        except Exception as error:  # A template may raise anything; the row's owner is told.
            raise InvalidRow(number, f"the model's chat template refuses it: {error}") from error
        if not whole.startswith(context):
            raise InvalidRow(number, "the model's chat template writes the prompt in another way once an answer follows it")
        return context, whole[len(context) :]

    def _render(self, messages: list[Message], tools: list[dict[str, Any]] | None, *, add_generation_prompt: bool) -> str:
        return str(
            self.templated.apply_chat_template(
                messages, tools=tools, tokenize=False, add_generation_prompt=add_generation_prompt, **self.variables, **self._clock
            )
        )

    @property
    def _clock(self) -> dict[str, Any]:
        """The clock that templates ask for the date, stopped at the job's, so that a resumed job sees the same tokens."""
        if "date" not in self.variables:
            return {}
        return {"strftime_now": date.fromisoformat(str(self.variables["date"])).strftime}


def encode_supervised(number: int, row: SupervisedRow, renderer: Renderer, tokenizer: Tokenizer) -> Encoded:
    """Tokens of a row without images.

    Raises:
        InvalidRow: see :meth:`Renderer.split`; or the row has images, or its completion no token.
    """
    if row.images:
        raise InvalidRow(number, "the model sees no images")
    context, completion = renderer.split(number, row.prompt, row.completion, row.tools)
    prompt = _ids(tokenizer, context)
    return Encoded(prompt + completion_ids(number, completion, tokenizer), len(prompt))


def encode_preference(number: int, row: PreferenceRow, renderer: Renderer, tokenizer: Tokenizer) -> EncodedPair:
    """Tokens of a pair.

    Raises:
        InvalidRow: see :meth:`Renderer.split`; or the two completions are the same.
    """
    context, chosen = renderer.split(number, row.prompt, row.chosen, row.tools)
    again, rejected = renderer.split(number, row.prompt, row.rejected, row.tools)
    if chosen == rejected:
        raise InvalidRow(number, "the preferred completion is the other one")
    if again != context:
        raise InvalidRow(number, "the model's chat template writes the prompt in two ways")
    return EncodedPair(
        _ids(tokenizer, context), completion_ids(number, chosen, tokenizer), completion_ids(number, rejected, tokenizer)
    )


def completion_ids(number: int, text: str, tokenizer: Tokenizer) -> list[int]:
    """Tokens of a completion, up to its stop token: what templates write after it (a line break) no engine ever generates.

    Raises:
        InvalidRow: there are none.
    """
    ids = _ids(tokenizer, text)
    stop = tokenizer.eos_token_id
    if stop is not None and stop in ids:
        last = len(ids) - 1 - ids[::-1].index(stop)
        if not _ids(tokenizer, text.rstrip())[last + 1 :]:
            ids = ids[: last + 1]
    if not ids:
        raise InvalidRow(number, "the completion is empty")
    return ids


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
