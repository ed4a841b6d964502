"""One answer of the model: a chat completion, read as it streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from cluster.identity.principal import Principal
from cluster.inference.service import Call, Inference
from cluster.realtime.session.actions import StartGeneration
from cluster.realtime.session.inputs import GenerationEnded, TextGenerated, ToolCallGenerated, WorkResult

Report = Callable[[WorkResult], None]
Room = Callable[[], Awaitable[None]]
"""Waits for a client that is slow to take what it was sent."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


_decoder = msgspec.json.Decoder(_Chunk)


async def generate(
    inference: Inference, principal: Principal, call: Call, action: StartGeneration, room: Room, report: Report
) -> None:
    """Report the answer's pieces, then its end. Raises :class:`~cluster.errors.OssatureError`; cancelling aborts the generation."""
    stream = await inference.stream(principal, action.request, call)
    finish_reason = "stop"
    try:
        async for batch in stream:
            await room()
            text = ""
            for payload in batch:
                for choice in _decoder.decode(payload).choices:
                    text += choice.delta.content or ""
                    if choice.delta.tool_calls and text:
                        report(TextGenerated(action.generation_id, text))
                        text = ""
                    for piece in choice.delta.tool_calls or ():
                        report(_tool_call(action.generation_id, piece))
                    finish_reason = choice.finish_reason or finish_reason
            if text:
                # What came in one batch is one delta: fewer events, none later.
                report(TextGenerated(action.generation_id, text))
    finally:
        await stream.aclose()
    report(GenerationEnded(action.generation_id, finish_reason, stream.usage))


def _tool_call(generation_id: str, piece: _ToolCall) -> ToolCallGenerated:
    function = piece.function or _Function()
    return ToolCallGenerated(generation_id, piece.index, piece.id, function.name, function.arguments or "")
