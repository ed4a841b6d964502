"""An answer that is generated while the turn may be over, for nobody to see unless it is.

It is started with the words that were settled in the silence. If the turn ends with the same words, its response takes the
generation over, with what it has brought so far; otherwise it is cancelled, and nothing of it has left the session.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.realtime.session.actions import CancelGeneration, Occurred, Occurrence, StartGeneration
from cluster.realtime.session.context import chat_request
from cluster.realtime.session.emitter import Emitter
from cluster.realtime.session.inputs import GenerationEnded, GenerationFailed, TextGenerated, ToolCallGenerated
from cluster.realtime.session.items import StoredItem, StoredPart
from cluster.realtime.session.response import ResponsePlan

GenerationResult = TextGenerated | ToolCallGenerated | GenerationEnded | GenerationFailed


class Speculation:
    def __init__(self, emitter: Emitter, request: ChatCompletionRequest) -> None:
        self.generation_id = emitter.new_id("gen")
        self.results: list[GenerationResult] = []
        self._request = request
        self._emitter = emitter
        emitter.do(StartGeneration(self.generation_id, request))

    @classmethod
    def start(cls, emitter: Emitter, plan: ResponsePlan, items: Sequence[StoredItem], words: str) -> Speculation:
        """Raises :class:`~cluster.errors.InvalidRequest` for what no model here takes."""
        turn = StoredItem("", "message", role="user", parts=[StoredPart("input_audio", transcript=words)])
        return cls(emitter, chat_request(plan.asked, [*items, turn]))

    def take(self, result: GenerationResult) -> bool:
        """Keep what it has brought, for later. Whether the result was its own."""
        if result.generation_id != self.generation_id:
            return False
        self.results.append(result)
        return True

    def answers(self, request: ChatCompletionRequest) -> bool:
        """Whether it is the very answer that is wanted now."""
        failed = any(isinstance(result, GenerationFailed) for result in self.results)
        return not failed and request == self._request

    def keep(self) -> None:
        self._emitter.do(Occurred(Occurrence.EARLY_ANSWER_KEPT))

    def drop(self) -> None:
        self._emitter.do(Occurred(Occurrence.EARLY_ANSWER_DROPPED))
        if not any(isinstance(result, GenerationEnded | GenerationFailed) for result in self.results):
            self._emitter.do(CancelGeneration(self.generation_id))
