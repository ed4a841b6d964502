"""Tokens of a Harmony answer → what they add to reasoning, content and tool calls.

The rules are those of vLLM's ``HarmonyParser.parse_delta``, over the same parser of openai_harmony. The difference is in how often
that parser is asked. Only a special token can begin or end a message, so channel, recipient and the list of messages (which crosses
from Rust as JSON of everything said so far) are looked at after special tokens alone, not after each one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import msgspec
from openai_harmony import HarmonyError, Role, StreamableParser
from vllm.entrypoints.openai.parser.harmony_utils import extract_function_from_recipient, get_encoding
from vllm.parser.harmony import HarmonyParser, _SegmentType
from vllm.renderers.chat_utils import make_tool_call_id

_IGNORE, _REASONING, _CONTENT, _TOOL = _SegmentType.IGNORE, _SegmentType.REASONING, _SegmentType.CONTENT, _SegmentType.TOOL


class ToolCallDelta(msgspec.Struct):
    """A piece of the ``index``-th tool call of an answer. The first one has ``id`` and ``name``; arguments are JSON text."""

    index: int
    arguments: str
    id: str | None = None
    name: str | None = None


class Delta(msgspec.Struct):
    """What some tokens added. All empty when they were headers and end marks only."""

    content: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []

    def __bool__(self) -> bool:
        return bool(self.content or self.reasoning or self.tool_calls)


@functools.cache
def special_tokens() -> frozenset[int]:
    """Ids of all special tokens of Harmony's vocabulary, reserved ones included."""
    encoding = get_encoding()
    return frozenset(encoding.encode("".join(encoding.special_tokens_set), allowed_special="all"))


@functools.cache
def end_tokens() -> frozenset[int]:
    """Ids of the special tokens that end a message, among them those that end an answer."""
    return frozenset(get_encoding().stop_tokens())


class HarmonySequence:
    """One sequence of an answer. ``decode`` turns token ids into text; it is used when a sequence ends inside a header.

    ``reasoning_tokens`` counts the tokens inside reasoning so far, as OpenAI's usage does.
    """

    __slots__ = (
        "_calls",
        "_counts",
        "_decode",
        "_finished_messages",
        "_message_tokens",
        "_parser",
        "_recipient",
        "_segment",
        "reasoning_tokens",
    )

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._parser = StreamableParser(get_encoding(), role=Role.ASSISTANT)
        self._segment = _IGNORE
        self._recipient: str | None = None
        self._counts = False
        self._calls = 0
        self._finished_messages = 0
        self._message_tokens: list[int] = []
        self.reasoning_tokens = 0

    def feed(self, token_ids: Sequence[int], *, finished: bool) -> Delta:
        """Take the next tokens; ``finished``: there will be no more. Tokens that fit nowhere are passed over, as in vLLM."""
        delta = Delta()
        parser, special, ends = self._parser, special_tokens(), end_tokens()
        for token in token_ids:
            try:
                parser.process(token)
            except HarmonyError:
                continue
            if token in special:
                if token in ends and self._message_has_ended():
                    continue
                self._message_tokens.append(token)
                self._look_around(delta)
            else:
                self._message_tokens.append(token)
                if self._counts:
                    self.reasoning_tokens += 1
            segment = self._segment
            if segment is _IGNORE:
                continue
            text = parser.last_content_delta
            if not text:
                continue
            if segment is _CONTENT:
                delta.content += text
            elif segment is _REASONING:
                delta.reasoning += text
            else:
                self._add_arguments(delta, text)
        if finished:
            self._finish(delta)
        return delta

    def _message_has_ended(self) -> bool:
        """Whether the token just taken ended a message (in a header it does not); then nothing is open any more."""
        if len(self._parser.messages) == self._finished_messages:
            return False
        self._finished_messages += 1
        self._message_tokens.clear()
        self._segment, self._recipient, self._counts = _IGNORE, None, False
        return True

    def _look_around(self, delta: Delta) -> None:
        """Find out where the parser is now; a message to a tool begins a call."""
        channel = self._parser.current_channel
        recipient = HarmonyParser._normalize_recipient(self._parser.current_recipient)
        self._segment = _SegmentType.from_channel_and_recipient(channel, recipient)
        self._counts = channel == "analysis" or (channel == "commentary" and recipient is not None)
        if self._segment is _TOOL and recipient != self._recipient:
            name = extract_function_from_recipient(recipient)
            delta.tool_calls.append(ToolCallDelta(index=self._calls, arguments="", id=make_tool_call_id(), name=name))
            self._calls += 1
        self._recipient = recipient

    def _add_arguments(self, delta: Delta, text: str) -> None:
        if delta.tool_calls:
            delta.tool_calls[-1].arguments += text
        else:
            delta.tool_calls.append(ToolCallDelta(index=self._calls - 1, arguments=text))

    def _finish(self, delta: Delta) -> None:
        """What was cut off inside a header can't be attributed to any channel: it becomes content, as it was written."""
        try:
            self._parser.process_eos()
        except HarmonyError:
            delta.content += self._decode(self._message_tokens)
