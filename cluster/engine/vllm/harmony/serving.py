"""vLLM's chat serving class with another stream writer for gpt-oss."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionNamedToolChoiceParam, ChatCompletionRequest
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.exceptions import GenerationError
from vllm.parser.harmony import HarmonyParser
from vllm.sampling_params import SamplingParams

from cluster.engine.vllm.harmony.chunks import ChoiceWriter
from cluster.engine.vllm.harmony.deltas import HarmonySequence
from cluster.engine.vllm.patches import PATCHED_VERSION

logger = logging.getLogger("ossature.engine.harmony")


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
    """One streamed answer: the payloads of each engine output, then how many tokens of reasoning there were."""

    def __init__(self, sequences: list[HarmonySequence], payloads: AsyncGenerator[list[bytes], None]) -> None:
        self._sequences = sequences
        self.payloads = payloads

    @property
    def reasoning_tokens(self) -> int:
        return sum(sequence.reasoning_tokens for sequence in self._sequences)


class LeanHarmonyChat(OpenAIServingChat):  # type: ignore[misc]  # vLLM is not typed
    """Answers a :class:`LeanChatRequest` with a :class:`LeanAnswer`, and every other request as its parent does."""

    @classmethod
    def adopt(cls, serving: Any) -> Any:
        """``serving`` (vLLM's) with the lean writer, or itself where that would not be the same: see the log for the reason."""
        if reason := _obstacle(serving):
            logger.warning("gpt-oss streams go through vLLM's own writer: %s", reason)
            return serving
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
        sequences = [HarmonySequence(tokenizer.decode) for _ in range(request.n or 1)]
        writers = [
            ChoiceWriter(
                request_id=request_id,
                created=int(time.time()),
                model=model_name,
                index=index,
                hides_reasoning=not request.include_reasoning,
                parallel_calls=request.parallel_tool_calls is not False,
            )
            for index in range(len(sequences))
        ]
        named = isinstance(request.tool_choice, ChatCompletionNamedToolChoiceParam)
        role = self.get_chat_request_role(request)
        return LeanAnswer(sequences, _written(result_generator, sequences, writers, role, named_tool=named))


async def _written(
    outputs: AsyncGenerator[Any, None], sequences: list[HarmonySequence], writers: list[ChoiceWriter], role: str, *, named_tool: bool
) -> AsyncGenerator[list[bytes], None]:
    """The payloads of each engine output. Raises ``GenerationError`` after those that came before a sequence failed."""
    state = [_Choice(sequence, writer, named_tool) for sequence, writer in zip(sequences, writers, strict=True)]
    payloads = [writer.first(role) for writer in writers]
    async with aclosing(outputs):
        async for output in outputs:
            try:
                for completion in output.outputs:
                    if (payload := state[completion.index].take(completion)) is not None:
                        payloads.append(payload)
            except GenerationError:
                if payloads:
                    yield payloads
                raise
            if payloads:
                yield payloads
                payloads = []


class _Choice:
    """A sequence and its writer, and what has to be remembered between its outputs."""

    __slots__ = ("_called", "_ended", "_named_tool", "_sequence", "_started", "_writer")

    def __init__(self, sequence: HarmonySequence, writer: ChoiceWriter, named_tool: bool) -> None:
        self._sequence = sequence
        self._writer = writer
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
        delta = self._sequence.feed(completion.token_ids, finished=reason is not None)
        self._started = self._started or bool(completion.token_ids)
        self._called = self._called or bool(delta.tool_calls)
        if reason is None:
            return self._writer.middle(delta)
        if reason == "abort":
            raise GenerationError("the engine gave the sequence up")
        self._ended = True
        if reason == "stop" and self._called and not self._named_tool:
            reason = "tool_calls"
        return self._writer.last(delta, reason)


def _obstacle(serving: Any) -> str | None:
    """What keeps ``serving`` from being replaced, or ``None``."""
    from vllm.version import __version__

    if not __version__.startswith(PATCHED_VERSION):
        return f"vLLM {__version__} is not {PATCHED_VERSION}x, for which the lean writer was made"
    if type(serving) is not OpenAIServingChat:
        return f"its chat serving class is {type(serving).__name__}"
    if serving.parser_cls is not HarmonyParser:
        return "the model's answers are not in Harmony format"
    if HarmonyParser.reasoning_parser_cls is None or HarmonyParser.tool_parser_cls is None:
        return "its reasoning parser or its tool parser is switched off"
    return None
