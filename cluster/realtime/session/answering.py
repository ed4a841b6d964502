"""The model's side of a conversation: what makes a response begin, and what ends it.

| situation                   | on                           | does                                                             |
| --------------------------- | ---------------------------- | ---------------------------------------------------------------- |
| none of the conversation    | ``response.create``          | a response; it waits until all words of its context are known    |
| one in progress             | ``response.create``          | error ``conversation_already_has_active_response``               |
| any                         | ``response.create``, outside | another response, one less than ``max_responses``                |
| one in progress             | ``response.cancel``          | ``response.done``, cancelled: ``client_cancelled``               |
| none in progress            | ``response.cancel``          | error ``response_cancel_not_active``                             |
| no response                 | turn ended, words known      | a response (``create_response``)                                 |
| no response                 | turn ended without words     | nothing; but a response if an earlier turn was left without one  |
| one in progress             | turn ended                   | a response once that one is done (``interrupt_response`` is off) |
| one in progress             | speech started               | cancels it: ``turn_detected`` (``interrupt_response``)           |
| answer due, not begun       | speech started               | leaves it to the new turn                                        |
| turn may have ended         | words settled                | generates what nobody sees yet (``early_generation``)            |
| so generating               | turn ended, the same words   | the response takes that generation over                          |
| so generating               | speech resumed, other words  | cancels it                                                       |
| quiet since the last answer | ``idle_timeout_ms`` is over  | ``timeout_triggered``, an item of silence, a response            |
"""

from __future__ import annotations

from cluster.realtime.protocol.audio import ServerVad
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.responses import ResponseParams
from cluster.realtime.session.actions import Occurred, Occurrence, Stage
from cluster.realtime.session.core import Core
from cluster.realtime.session.items import Recognized, StoredItem
from cluster.realtime.session.planning import plan
from cluster.realtime.session.playback import bound_by_clock, playback_end_s
from cluster.realtime.session.responding import RateLimits, Responses, SpeechResult
from cluster.realtime.session.response import Response, ResponsePlan
from cluster.realtime.session.speculation import GenerationResult
from cluster.realtime.session.turn_timer import TurnTimer


class Answering:
    def __init__(self, core: Core, rate_limits: RateLimits) -> None:
        self.idle_at_s: float | None = None
        """When a silent user is to be spoken to again."""
        self.spoken_item: StoredItem | None = None
        """The answer that the user is hearing, or has heard last."""
        self.last_response_id: str | None = None
        self._core = core
        self._responses = Responses(core, self._response_done, rate_limits)
        self._due: StoredItem | None = None
        """A turn that is to be answered as soon as that can be done."""
        self._owed = False
        """A turn was left without its answer because speech went on."""
        self._timer: TurnTimer | None = None

    @property
    def responses(self) -> Responses:
        return self._responses

    @property
    def busy(self) -> bool:
        return self._responses.active is not None or self._due is not None

    # --- what the client asks ---------------------------------------------------------------------------------------------

    def create(self, params: ResponseParams | None, now: float) -> None:
        """Raises :class:`EventRefused`."""
        planned = plan(self._core, params)
        active = self._responses.active
        if planned.in_conversation and active is not None:
            raise EventRefused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if not planned.in_conversation:
            # The last place is the conversation's: whoever speaks, or says nothing for too long, is answered.
            if self._responses.outside >= self._core.limits.max_responses - 1:
                count = self._responses.outside
                raise EventRefused("too_many_responses", f"The session has {count} responses out of band in progress already.")
            self._responses.begin(planned, now)
            return
        self._due, self._owed = None, False
        self._begin(planned, now)

    def cancel(self, response_id: str | None, now: float) -> None:
        """Raises :class:`EventRefused` if there is nothing to cancel, which clients know to be harmless."""
        response = self._responses.active if response_id is None else self._responses.find(response_id)
        if response is not None:
            self._responses.stop(response, "client_cancelled", now)
        elif self._due is not None and response_id is None:
            self._due = None
            self._responses.drop_speculation()
        else:
            raise EventRefused("response_cancel_not_active", "Cancellation failed: no active response found")

    def mute(self) -> str | None:
        """Say nothing more of the present answer. Returns the id of the response whose audio is cut."""
        if self._responses.active is not None:
            self._responses.active.mute()
        return self.last_response_id

    # --- what the user does -----------------------------------------------------------------------------------------------

    def speech_started(self, now: float) -> None:
        self.idle_at_s = None
        self._responses.drop_speculation()
        if self._due is not None:
            self._due, self._owed = None, True
        detection = self._core.config.input.turn_detection
        if detection is None or not detection.interrupt_response:
            return
        if self._responses.active is not None:
            self._core.emitter.do(Occurred(Occurrence.INTERRUPTION))
            self._responses.stop(self._responses.active, "turn_detected", now)
            self.idle_at_s = None
        if self._core.behaviour.heard_by_clock and self.spoken_item is not None:
            bound_by_clock(self.spoken_item, now)

    def words_settled(self, text: str) -> None:
        detection = self._core.config.input.turn_detection
        wanted = self._core.behaviour.early_generation and detection is not None and detection.create_response
        unknown = any(item.pending for item in self._core.conversation)
        if not wanted or not text or unknown or self.busy or self._core.config.kind != "realtime":
            return
        self._responses.speculate(plan(self._core, None), text)

    def speech_resumed(self) -> None:
        self._responses.drop_speculation()

    def turn_ended(self, item: StoredItem, now: float) -> None:
        detection = self._core.config.input.turn_detection
        if detection is not None and detection.create_response and self._core.config.kind == "realtime":
            self._timer = TurnTimer(self._core.emitter, now)
            self._due = item
        else:
            self._responses.drop_speculation()

    def words_known(self, item: StoredItem, now: float) -> None:
        if item is self._due:
            if self._timer is not None:
                self._timer.mark(Stage.RECOGNITION, now)
            if not _says_something(item) and not self._core.behaviour.model_hears:
                self._core.emitter.do(Occurred(Occurrence.TURN_WITHOUT_WORDS))
                self._responses.drop_speculation()
                if not self._owed:
                    self._due = None
        self.advance(now)

    def answer_silence(self, now: float) -> None:
        """The user has said nothing for too long."""
        self.idle_at_s = None
        self._timer = None
        self._begin(plan(self._core, None), now)

    def item_removed(self, item: StoredItem, now: float) -> None:
        if item is self._due:
            self._due = None
        if item is self.spoken_item:
            self.spoken_item = None
        self._responses.drop_speculation()
        self.advance(now)

    # --- what work comes to -----------------------------------------------------------------------------------------------

    def generated(self, result: GenerationResult, now: float) -> None:
        self._responses.generated(result, now)

    def spoken(self, result: SpeechResult, now: float) -> None:
        response = self._responses.spoken(result, now)
        if response is not None and response.plan.in_conversation and response.spoken_item is not None:
            self.spoken_item = response.spoken_item

    def advance(self, now: float) -> None:
        """Go on with what has waited for words, or for another response's end."""
        self._responses.start_ready(now)
        due = self._due
        if due is not None and self._responses.active is None and not due.pending:
            self._due, self._owed = None, False
            self._begin(plan(self._core, None), now)

    # --- details ----------------------------------------------------------------------------------------------------------

    def _begin(self, planned: ResponsePlan, now: float) -> None:
        timer, self._timer = self._timer, None
        self.idle_at_s = None
        response = self._responses.begin(planned, now, timer)
        self.last_response_id = response.id

    def _response_done(self, response: Response, now: float) -> None:
        if not response.plan.in_conversation:
            return
        detection = self._core.config.input.turn_detection
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
            self.idle_at_s = playback_end_s(response.spoken_item, now) + detection.idle_timeout_ms / 1000
        self.advance(now)


def _says_something(item: StoredItem) -> bool:
    """Whether there are words in it, or may be: a recognizer that broke has not said that there are none."""
    return any(part.text or part.transcript or part.recognized is Recognized.FAILED for part in item.parts)
