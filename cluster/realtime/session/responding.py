"""The responses in progress: one of the conversation at most, and some outside of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cluster.errors import OssatureError
from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import RateLimit
from cluster.realtime.session.context import chat_request
from cluster.realtime.session.core import Core
from cluster.realtime.session.inputs import (
    GenerationEnded,
    GenerationFailed,
    SpeechEnded,
    SpeechMade,
    SpeechMakingFailed,
    TextGenerated,
    ToolCallGenerated,
)
from cluster.realtime.session.items import StoredItem
from cluster.realtime.session.response import Phase, Response, ResponsePlan
from cluster.realtime.session.speculation import GenerationResult, Speculation
from cluster.realtime.session.turn_timer import TurnTimer
from cluster.realtime.session.usage import count_heard_ms
from cluster.realtime.session.window import ContextWindow, rendered_bytes

SpeechResult = SpeechMade | SpeechEnded | SpeechMakingFailed
#: A conversation that the model finds too long is shortened and tried again, as often.
_MAX_ATTEMPTS = 3
_TOO_LONG = "context_length_exceeded"

OnDone = Callable[[Response, float], None]
RateLimits = Callable[[], list[RateLimit]]


class Responses:
    """``on_done`` is told of each response that has ended, and when; ``rate_limits``: what the caller may still do."""

    def __init__(self, core: Core, on_done: OnDone, rate_limits: RateLimits) -> None:
        self.active: Response | None = None
        self._core = core
        self._on_done = on_done
        self._rate_limits = rate_limits
        self._window = ContextWindow(core.abilities.context_tokens)
        self._outside: dict[str, Response] = {}
        self._speculation: Speculation | None = None

    @property
    def outside(self) -> int:
        """How many outside of the conversation are in progress."""
        return len(self._outside)

    def all(self) -> list[Response]:
        return [*([self.active] if self.active is not None else []), *self._outside.values()]

    def find(self, response_id: str) -> Response | None:
        return next((response for response in self.all() if response.id == response_id), None)

    def begin(self, plan: ResponsePlan, now: float, timer: TurnTimer | None = None) -> Response:
        core = self._core
        response = Response(
            core.emitter.new_id("resp"),
            plan,
            core.emitter,
            core.conversation_id if plan.in_conversation else None,
            core.add_own_item if plan.in_conversation else None,
            core.limits.max_kept_audio_bytes,
            timer,
        )
        if plan.in_conversation:
            self.active = response
        else:
            self._outside[response.id] = response
        core.emitter.send(events.RateLimitsUpdated, rate_limits=self._rate_limits())
        self._start_if_ready(response, now)
        return response

    def start_ready(self, now: float) -> None:
        """Start those that have waited for words which are known now."""
        for response in self.all():
            self._start_if_ready(response, now)

    def stop(self, response: Response, reason: str, now: float) -> None:
        """Cancel one. ``reason``: ``turn_detected`` or ``client_cancelled``."""
        response.cancel("turn_detected" if reason == "turn_detected" else "client_cancelled")
        self._settle(response, now)

    def forget_all(self) -> None:
        """The session is over."""
        self.drop_speculation()
        for response in self.all():
            response.cancel("client_cancelled")
        self.active = None
        self._outside.clear()

    # --- speculation ------------------------------------------------------------------------------------------------------

    def speculate(self, plan: ResponsePlan, words: str) -> None:
        """Answer these words of a turn that may be over."""
        self.drop_speculation()
        items = list(self._core.conversation)
        try:
            self._speculation = Speculation.start(self._core.emitter, plan, items, words)
        except OssatureError:
            # The answer itself will meet the same and tell of it.
            return

    def drop_speculation(self) -> None:
        speculation, self._speculation = self._speculation, None
        if speculation is not None:
            speculation.drop()

    # --- what work comes to -----------------------------------------------------------------------------------------------

    def generated(self, result: GenerationResult, now: float) -> None:
        if self._speculation is not None and self._speculation.take(result):
            return
        response = next((one for one in self.all() if one.generation_id == result.generation_id), None)
        if response is None:
            return
        match result:
            case TextGenerated():
                response.text(result.text, now)
            case ToolCallGenerated():
                response.tool_call(result.index, result.call_id, result.name, result.arguments, now)
            case GenerationEnded():
                if result.usage is not None:
                    self._window.learn(response.prompt_bytes, result.usage.prompt_tokens)
                response.generation_ended(result.finish_reason, result.usage, now)
            case GenerationFailed():
                self._failed(response, result, now)
        self._settle(response, now)

    def spoken(self, result: SpeechResult, now: float) -> Response | None:
        """The response whose speech it is, if there still is one."""
        response = next((one for one in self.all() if one.synthesis_id == result.synthesis_id), None)
        if response is None:
            return None
        match result:
            case SpeechMade():
                response.speech(result.chunk, now)
            case SpeechEnded():
                response.speech_ended()
            case SpeechMakingFailed():
                response.fail("server_error", result.code, result.message)
        self._settle(response, now)
        return response

    # --- details ----------------------------------------------------------------------------------------------------------

    def _context(self, response: Response) -> list[StoredItem]:
        items = response.plan.items
        return list(self._core.conversation) if items is None else list(items)

    def _start_if_ready(self, response: Response, now: float) -> None:
        if response.phase is Phase.WAITING and not any(item.pending for item in self._context(response)):
            self._generate(response, now)
            self._settle(response, now)

    def _generate(self, response: Response, now: float) -> None:
        plan, items = response.plan, self._context(response)
        speculation, self._speculation = self._speculation, None
        try:
            if plan.items is None:
                self._window.fit(items, plan.asked.instructions, _tools_bytes(plan), plan.asked.max_output_tokens, plan.truncation)
            request = chat_request(plan.asked, items)
        except (EventRefused, OssatureError) as error:
            if speculation is not None:
                speculation.drop()
            response.fail(error.type, error.code or "invalid_value", error.message)
            return
        response.heard_ms += count_heard_ms(item for item in items if not item.forgotten)
        response.prompt_bytes = _tools_bytes(plan) + rendered_bytes(items, plan.asked.instructions)
        if speculation is None or not speculation.answers(request):
            if speculation is not None:
                speculation.drop()
            response.generate(request)
            return
        speculation.keep()
        response.adopt(speculation.generation_id)
        for result in speculation.results:
            self.generated(result, now)

    def _failed(self, response: Response, failure: GenerationFailed, now: float) -> None:
        plan = response.plan
        shortened = (
            failure.code == _TOO_LONG
            and plan.items is None
            and plan.truncation != "disabled"
            and not response.has_output
            and response.attempts < _MAX_ATTEMPTS
            and self._window.shrink(self._context(response), plan.asked.instructions, _tools_bytes(plan))
        )
        response.generation_id = None
        if shortened:
            self._generate(response, now)
        else:
            response.fail(failure.type, failure.code, failure.message)

    def _settle(self, response: Response, now: float) -> None:
        """Let go of it if it is done."""
        if not response.done:
            return
        if response is self.active:
            self.active = None
        elif self._outside.pop(response.id, None) is None:
            return
        self._core.conversation.bound_audio()
        self._on_done(response, now)


def _tools_bytes(plan: ResponsePlan) -> int:
    return len(msgspec.json.encode(plan.asked.tools)) if plan.asked.tools else 0
