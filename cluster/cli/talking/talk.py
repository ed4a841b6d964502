"""The client's side of a spoken conversation: what the server's events mean for the screen, the loudspeaker and the server.

Knows no connection and no clock but the one it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.cli.output import CommandError, ExitCode, printable
from cluster.cli.talking.playback import Playback

Event = dict[str, Any]
"""An event as JSON has it, its audio as ``bytes``."""

_HARMLESS = frozenset({"conversation_already_has_active_response", "response_cancel_not_active", "input_audio_buffer_commit_empty"})
"""Errors of events that crossed others on their way."""

_FATAL = frozenset({"audio_unavailable", "session_expired", "input_audio_buffer_full"})


class Screen(Protocol):
    """What the user reads."""

    def said(self, text: str) -> None:
        """What the user said, as it was recognized."""
        ...

    def answers(self, text: str) -> None:
        """The next words of the answer."""
        ...

    def answered(self, *, interrupted: bool) -> None:
        """The answer has ended."""
        ...

    def problem(self, text: str) -> None:
        """Something went wrong, and the conversation goes on."""
        ...


@dataclass(slots=True)
class Turn:
    """``role``: ``user`` or ``assistant``."""

    role: str
    text: str
    interrupted: bool = False


@dataclass(slots=True)
class Talk:
    """``playback``: what the loudspeaker plays. ``answer_s``: from each end of speech to the first audio, in seconds.

    ``heard``: whether the server has heard speech. ``answers``: how many it has begun.
    """

    playback: Playback
    screen: Screen
    clock: Callable[[], float]
    heard: bool = False
    answers: int = 0
    turns: list[Turn] = field(default_factory=list)
    answer_s: list[float] = field(default_factory=list)
    _speaking: bool = False
    _unanswered: set[str] = field(default_factory=set)
    _untranscribed: set[str] = field(default_factory=set)
    _active: set[str] = field(default_factory=set)
    _answers: dict[str, Turn] = field(default_factory=dict)
    _ended_speaking: float | None = None

    @property
    def settled(self) -> bool:
        """Nothing is being said, nothing is waited for, and everything has been played."""
        waiting = self._speaking or self._unanswered or self._untranscribed or self._active
        return not waiting and self.playback.idle

    def on(self, event: Event) -> list[Event]:
        """Take an event of the server. Returns what to send in answer.

        Raises :class:`CommandError` for an error that ends the conversation.
        """
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self.heard = self._speaking = True
                return self._silenced()
            case "input_audio_buffer.speech_stopped":
                self._speaking = False
                self._ended_speaking = self.clock()
            case "input_audio_buffer.committed":
                self._speaking = False
                self._unanswered.add(event["item_id"])
                self._untranscribed.add(event["item_id"])
            case "conversation.item.input_audio_transcription.completed":
                self._transcribed(event["item_id"], event["transcript"].strip())
            case "conversation.item.input_audio_transcription.failed":
                self._transcribed(event["item_id"], "")
                self.screen.problem(f"what you said could not be recognized: {event['error']['message']}")
            case "response.created":
                self._unanswered.clear()
                self._active.add(event["response"]["id"])
                self.answers += 1
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                self._answered(event["response_id"], event["delta"])
            case "response.output_audio.delta":
                self._play(event)
            case "response.output_audio.done":
                self.playback.finish(event["item_id"], event["content_index"])
            case "response.done":
                self._done(event["response"])
            case "error":
                self._failed(event["error"])
        return []

    def interrupt(self) -> list[Event]:
        """The user begins to speak by hand. Returns what to send."""
        cancel = [{"type": "response.cancel", "response_id": response_id} for response_id in sorted(self._active)]
        return [*cancel, *self._silenced()]

    def committed(self) -> list[Event]:
        """The user ends a turn by hand. Returns what to send."""
        self._ended_speaking = self.clock()
        return [{"type": "input_audio_buffer.commit"}, {"type": "response.create"}]

    def _silenced(self) -> list[Event]:
        cuts = self.playback.flush()
        if cuts and self.turns and self.turns[-1].role == "assistant":
            self.turns[-1].interrupted = True
        return [
            {
                "type": "conversation.item.truncate",
                "item_id": cut.item_id,
                "content_index": cut.content_index,
                "audio_end_ms": cut.audio_end_ms,
            }
            for cut in cuts
        ]

    def _transcribed(self, item_id: str, text: str) -> None:
        self._untranscribed.discard(item_id)
        if not text:
            # Nobody answers a cough.
            self._unanswered.discard(item_id)
            return
        self.turns.append(Turn("user", text))
        self.screen.said(text)

    def _answered(self, response_id: str, text: str) -> None:
        if response_id not in self._answers:
            self._answers[response_id] = Turn("assistant", "")
            self.turns.append(self._answers[response_id])
        self._answers[response_id].text += text
        self.screen.answers(text)

    def _play(self, event: Event) -> None:
        if self._ended_speaking is not None:
            self.answer_s.append(self.clock() - self._ended_speaking)
            self._ended_speaking = None
        self.playback.push(event["item_id"], event["content_index"], event["delta"])

    def _done(self, response: Event) -> None:
        self._active.discard(response["id"])
        self.screen.answered(interrupted=response["status"] == "cancelled")
        if response["status"] == "failed":
            error = (response.get("status_details") or {}).get("error") or {}
            self.screen.problem(f"the answer failed: {error.get('message') or 'unknown error'}")

    def _failed(self, error: Event) -> None:
        if error.get("code") in _HARMLESS:
            # What was committed empty will not be answered.
            self._unanswered.clear()
        elif error.get("code") in _FATAL:
            raise refusal(error)
        else:
            self.screen.problem(error["message"])


def refusal(error: Event) -> CommandError:
    """What to say of an error that ends the conversation."""
    if error.get("code") == "audio_unavailable":
        return CommandError(
            "this cluster has no speech",
            next_step="docs/speech.md tells how to give it one; `make voices` installs the default voices.",
        )
    if error.get("code") == "session_expired":
        return CommandError("the session is over: it reached its longest time", next_step="Start another one.")
    return CommandError(printable(error["message"]), exit_code=ExitCode.USAGE)
