"""vLLM's chat serving class with another stream writer for gpt-oss."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionNamedToolChoiceParam, ChatCompletionRequest
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.exceptions import GenerationError
from vllm.parser.harmony import HarmonyParser
from vllm.sampling_params import SamplingParams

from cluster.engine.vllm.harmony.chunks import ChoiceWriter
from cluster.engine.vllm.harmony.deltas import HarmonySequence


class LeanChatRequest(ChatCompletionRequest):  # type: ignore[misc]  # vLLM is not typed
    """A request whose stream is written here. It needs token ids only, so the engine detokenizes for stop strings alone."""

    def to_sampling_params(self, *args: Any, **kwargs: Any) -> Any:
        params: SamplingParams = super().to_sampling_params(*args, **kwargs)
        params.detokenize = bool(params.stop)
        return params


def can_be_lean(fields: Mapping[str, Any]) -> bool:
    """Whether a streamed chat with these fields (of ``requests.CHAT_FIELDS``) can be written here.

    Log probabilities can't: their tokens are spelled by vLLM's detokenizer, and its serving class makes objects of them.
    """
    return not fields.get("logprobs")


class LeanAnswer:
    """One streamed answer. ``outputs`` are the engine's; each is to be passed to :meth:`write`, in order.

    ``failure`` is set when a sequence failed: the answer ends then.
    """

    def __init__(self, outputs: AsyncGenerator[Any, None], choices: list[_Choice], role: str) -> None:
        self.outputs = outputs
        self.failure: GenerationError | None = None
        self._choices = choices
        self._role: str | None = role

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of reasoning so far, over all choices."""
        return sum(choice.sequence.reasoning_tokens for choice in self._choices)

    def write(self, output: Any) -> list[bytes]:
        """The chunks for one ``RequestOutput`` of vLLM's; before the first, those that open the choices."""
        chunks = []
        if self._role is not None:
            chunks = [choice.writer.first(self._role) for choice in self._choices]
            self._role = None
        try:
            for completion in output.outputs:
                if (chunk := self._choices[completion.index].take(completion)) is not None:
                    chunks.append(chunk)
        except GenerationError as failure:
            self.failure = failure
        return chunks


class LeanHarmonyChat(OpenAIServingChat):  # type: ignore[misc]  # vLLM is not typed
    """Answers a :class:`LeanChatRequest` with a :class:`LeanAnswer`, and every other request as its parent does."""

    @classmethod
    def adopt(cls, serving: Any) -> Any:
        """``serving`` (vLLM's) with the lean writer. There must be no :func:`obstacle`."""
        lean = cls.__new__(cls)
        lean.__dict__.update(serving.__dict__)
        return lean

    def chat_completion_stream_generator(  # an async generator in the parent, which nobody but the parent calls
        self,
        request: Any,
        result_generator: Any,
        request_id: str,
        model_name: str,
        conversation: Any,
        tokenizer: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if not isinstance(request, LeanChatRequest):
            return super().chat_completion_stream_generator(
                request, result_generator, request_id, model_name, conversation, tokenizer, *args, **kwargs
            )
        created = int(time.time())
        named_tool = isinstance(request.tool_choice, ChatCompletionNamedToolChoiceParam)
        choices = []
        for index in range(request.n or 1):
            writer = ChoiceWriter(
                request_id=request_id,
                created=created,
                model=model_name,
                index=index,
                hides_reasoning=not request.include_reasoning,
                parallel_calls=request.parallel_tool_calls is not False,
            )
            choices.append(_Choice(HarmonySequence(tokenizer.decode), writer, named_tool=named_tool))
        return LeanAnswer(result_generator, choices, self.get_chat_request_role(request))


class _Choice:
    """A sequence and its writer, and what has to be remembered between its outputs."""

    __slots__ = ("_called", "_ended", "_named_tool", "_started", "sequence", "writer")

    def __init__(self, sequence: HarmonySequence, writer: ChoiceWriter, *, named_tool: bool) -> None:
        self.sequence = sequence
        self.writer = writer
        self._named_tool = named_tool
        self._started = False
        self._called = False
        self._ended = False

    def take(self, completion: Any) -> bytes | None:
        """The chunk for one ``CompletionOutput``, if it makes one. Raises ``GenerationError`` for a sequence that failed."""
        reason = completion.finish_reason
        if self._ended:
            return None
        if reason == "error":
            raise GenerationError
        if not completion.token_ids and not completion.text and not self._started:
            return None
        delta = self.sequence.feed(completion.token_ids, finished=reason is not None)
        self._started = self._started or bool(completion.token_ids)
        self._called = self._called or bool(delta.tool_calls)
        if reason is None:
            return self.writer.middle(delta)
        if reason == "abort":
            raise GenerationError("the engine gave the sequence up")
        self._ended = True
        if reason == "stop" and self._called and not self._named_tool:
            reason = "tool_calls"
        return self.writer.last(delta, reason)


def obstacle(serving: Any) -> str | None:
    """What keeps ``serving`` from being replaced, or ``None``."""
    if type(serving) is not OpenAIServingChat:
        return f"its chat serving class is {type(serving).__name__}"
    if serving.parser_cls is not HarmonyParser:
        return "the model's answers are not in Harmony format"
    if HarmonyParser.reasoning_parser_cls is None or HarmonyParser.tool_parser_cls is None:
        return "its reasoning parser or its tool parser is switched off"
    return None
