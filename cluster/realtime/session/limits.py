"""How large and how long a session may get, and what its cluster can do for it."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.realtime.protocol.session_objects import ReasoningEffort

OPENAI_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar", "fable", "onyx", "nova")
"""Names that clients send without asking; all are accepted, whatever voices there are."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """``max_duration_s``: longest life of a session. ``max_input_bytes``: audio that waits to be committed; a turn that reaches it
    ends there. ``max_kept_audio_bytes``: audio of all items, for ``conversation.item.retrieve``; the oldest goes first.
    ``max_text_chars``: text of all items. ``max_responses``: in progress at once, one place always the conversation's own.
    Audio is 48,000 bytes a second.
    """

    max_duration_s: float = 3600.0
    max_items: int = 1000
    max_input_bytes: int = 15 << 20
    max_kept_audio_bytes: int = 32 << 20
    max_text_chars: int = 4 << 20
    max_responses: int = 4


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``early_recognition``: recognize in the silence that may end a turn. ``early_generation``: answer there, too, for nobody to
    hear unless the turn does end. ``heard_by_clock``: an interrupted answer was heard at most for as long as its audio was out.
    ``model_hears``: the model takes audio itself, no recognizer is needed to answer. ``instructions``, ``reasoning_effort``,
    ``temperature``: of sessions that set none.
    """

    early_recognition: bool = True
    early_generation: bool = False
    heard_by_clock: bool = True
    model_hears: bool = False
    instructions: str = "You are a helpful assistant in a spoken conversation. Answer briefly, in plain sentences."
    reasoning_effort: ReasoningEffort | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """``recognition``, ``synthesis``: whether there is a recognizer, a synthesizer. ``voices``: of the synthesizer, the default
    one first. ``languages``: of the recognizer (ISO 639-1), empty if it takes any. ``context_tokens``: the model's context window.
    """

    recognition: bool = False
    synthesis: bool = False
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    context_tokens: int | None = None

    def voice_for(self, name: str) -> str | None:
        """The synthesizer's voice for a name that a client may use; ``None`` for a name that nobody knows."""
        if name in self.voices:
            return name
        if name in OPENAI_VOICES and self.voices:
            return self.voices[OPENAI_VOICES.index(name) % len(self.voices)]
        return None
