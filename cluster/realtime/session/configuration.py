"""What a session is set to, and how updates change it. Immutable: an update that is refused has changed nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from cluster.realtime.protocol import errors
from cluster.realtime.protocol.audio import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    NoiseReduction,
    Pcm,
    ServerVad,
    Transcription,
    TurnDetection,
    Voice,
)
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.session_objects import (
    Modality,
    Prompt,
    RealtimeSession,
    RealtimeSessionUpdate,
    Reasoning,
    SessionUpdateBody,
    ShownAudio,
    ShownAudioInput,
    ShownAudioOutput,
    Tracing,
    TranscriptionSession,
    TranscriptionSessionUpdate,
    Truncation,
)
from cluster.realtime.protocol.structs import UNSET, UnsetType
from cluster.realtime.protocol.tools import McpChoice, McpTool, Tool, ToolChoice
from cluster.realtime.session.limits import Abilities, Behaviour

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class InputConfig:
    format: AudioFormat = field(default_factory=Pcm)
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """``modality``: what answers are made of; audio comes with its transcript. ``kind``: a transcription session gives none."""

    kind: Literal["realtime", "transcription"]
    model: str
    instructions: str
    modality: Modality
    voice: str
    input: InputConfig = field(default_factory=InputConfig)
    output_format: AudioFormat = field(default_factory=Pcm)
    speed: float = 1.0
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: int | Literal["inf"] = "inf"
    truncation: Truncation = "auto"
    temperature: float | None = None
    tracing: Literal["auto"] | Tracing | None = None
    prompt: Prompt | None = None
    include: tuple[str, ...] | None = None

    @classmethod
    def initial(cls, model: str, abilities: Abilities, behaviour: Behaviour, *, transcription: bool = False) -> SessionConfig:
        """The defaults of a new session: voice where the cluster can speak, turn detection where it can listen."""
        listens = abilities.recognition or behaviour.model_hears
        return cls(
            kind="transcription" if transcription else "realtime",
            model=model,
            instructions=behaviour.instructions,
            modality="audio" if abilities.synthesis else "text",
            voice=abilities.voices[0] if abilities.voices else "alloy",
            input=InputConfig(
                turn_detection=ServerVad() if listens else None,
                transcription=Transcription() if transcription else None,
            ),
            reasoning=Reasoning(effort=behaviour.reasoning_effort) if behaviour.reasoning_effort is not None else None,
            temperature=behaviour.temperature,
        )

    def updated(self, change: SessionUpdateBody, abilities: Abilities, behaviour: Behaviour) -> SessionConfig:
        """With what ``change`` sets. Raises :class:`EventRefused`; that the kind may change is the caller's to know."""
        if isinstance(change, TranscriptionSessionUpdate):
            given = change.audio.input if change.audio is not UNSET else UNSET
            return replace(
                self,
                kind="transcription",
                input=_input(self.input, given, abilities, behaviour),
                include=_kept(self.include, change.include, lambda names: tuple(names) if names else None),
            )
        return self._realtime(change, abilities, behaviour)

    def _realtime(self, change: RealtimeSessionUpdate, abilities: Abilities, behaviour: Behaviour) -> SessionConfig:
        audio_in = change.audio.input if change.audio is not UNSET else UNSET
        audio_out = change.audio.output if change.audio is not UNSET else UNSET
        out = audio_out if audio_out is not UNSET else AudioOutput()
        _check_tools(change.tools, change.tool_choice, "session")
        return replace(
            self,
            kind="realtime",
            instructions=_kept(self.instructions, change.instructions, lambda text: text or ""),
            modality=modality(change.output_modalities, self.modality, abilities, "session.output_modalities"),
            voice=voice_name(out.voice, self.voice, abilities, "session.audio.output.voice"),
            input=_input(self.input, audio_in, abilities, behaviour),
            output_format=_kept(self.output_format, out.format),
            speed=_kept(self.speed, out.speed),
            tools=_kept(self.tools, change.tools, lambda tools: tuple(tools or ())),
            tool_choice=_kept(self.tool_choice, change.tool_choice),
            parallel_tool_calls=_kept(self.parallel_tool_calls, change.parallel_tool_calls),
            reasoning=_kept(self.reasoning, change.reasoning),
            max_output_tokens=_kept(self.max_output_tokens, change.max_output_tokens, lambda limit: limit or "inf"),
            truncation=_kept(self.truncation, change.truncation, lambda policy: policy or "auto"),
            temperature=_kept(self.temperature, change.temperature),
            tracing=_kept(self.tracing, change.tracing),
            prompt=_kept(self.prompt, change.prompt),
            include=_kept(self.include, change.include, lambda names: tuple(names) if names else None),
        )

    def shown(self, session_id: str, expires_at: int) -> RealtimeSession | TranscriptionSession:
        """As clients see it. ``expires_at``: Unix seconds."""
        shown_input = ShownAudioInput(
            format=self.input.format,
            transcription=_or_unset(self.input.transcription),
            noise_reduction=_or_unset(self.input.noise_reduction),
            turn_detection=self.input.turn_detection,
        )
        include = list(self.include) if self.include else UNSET
        if self.kind == "transcription":
            return TranscriptionSession(id=session_id, expires_at=expires_at, audio=ShownAudio(input=shown_input), include=include)
        output = ShownAudioOutput(format=self.output_format, voice=self.voice, speed=self.speed)
        return RealtimeSession(
            id=session_id,
            model=self.model,
            expires_at=expires_at,
            output_modalities=[self.modality],
            instructions=self.instructions,
            audio=ShownAudio(input=shown_input, output=output),
            tools=list(self.tools),
            tool_choice=self.tool_choice,
            max_output_tokens=self.max_output_tokens,
            truncation=self.truncation,
            tracing=self.tracing,
            prompt=self.prompt,
            include=include,
            reasoning=_or_unset(self.reasoning),
            parallel_tool_calls=_or_unset(self.parallel_tool_calls),
            temperature=_or_unset(self.temperature),
        )


def modality(asked: list[Modality] | UnsetType, otherwise: Modality, abilities: Abilities, param: str) -> Modality:
    """What answers are made of. Both names at once, as the beta dialect has them, mean audio. Raises :class:`EventRefused`."""
    if asked is UNSET:
        return otherwise
    if "audio" not in asked:
        return "text"
    if not abilities.synthesis:
        raise EventRefused(
            "audio_unavailable", f"Unsupported value for '{param}': this server has no speech; ask for ['text'].", param=param
        )
    return "audio"


def voice_name(asked: Voice | UnsetType, otherwise: str, abilities: Abilities, param: str) -> str:
    """The voice under the name that the client gave it. Raises :class:`EventRefused` for one that nobody knows."""
    if asked is UNSET:
        return otherwise
    name = asked.id if isinstance(asked, CustomVoice) else asked
    if abilities.synthesis and abilities.voice_for(name) is None:
        known = ", ".join(repr(voice) for voice in abilities.voices)
        raise EventRefused("invalid_value", f"Invalid value for '{param}': {name!r}. Supported values are: {known}.", param=param)
    return name


def check_response_tools(tools: object, choice: object) -> None:
    """The same check for the overrides of one response. Raises :class:`EventRefused`."""
    _check_tools(tools, choice, "response")


def _check_tools(tools: object, choice: object, where: str) -> None:
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, McpTool):
            raise errors.unsupported(f"{where}.tools.{index}.type", "this server calls no MCP servers; use 'function' tools.")
    if isinstance(choice, McpChoice):
        raise errors.unsupported(f"{where}.tool_choice.type", "this server calls no MCP servers.")


def _input(now: InputConfig, change: AudioInput | UnsetType, abilities: Abilities, behaviour: Behaviour) -> InputConfig:
    if change is UNSET:
        return now
    if isinstance(change.transcription, Transcription):
        _check_language(change.transcription, abilities)
    detection = _kept(now.turn_detection, change.turn_detection)
    if not (abilities.recognition or behaviour.model_hears):
        detection = None
    return InputConfig(
        format=_kept(now.format, change.format),
        transcription=_kept(now.transcription, change.transcription),
        noise_reduction=_kept(now.noise_reduction, change.noise_reduction),
        turn_detection=detection,
    )


def _check_language(transcription: Transcription, abilities: Abilities) -> None:
    language = language_of(transcription)
    if language is not None and abilities.languages and language not in abilities.languages:
        known = ", ".join(repr(name) for name in abilities.languages)
        param = "session.audio.input.transcription.language"
        raise EventRefused(
            "invalid_value", f"Invalid value for '{param}': {language!r}. Supported values are: {known}.", param=param
        )


def language_of(transcription: Transcription | None) -> str | None:
    """ISO 639-1, of ``en`` and ``en-US`` alike; ``None`` if none is named."""
    language = transcription.language if transcription is not None else UNSET
    return (language.partition("-")[0].lower() or None) if isinstance(language, str) else None


def _kept(now: Any, change: Any, convert: Callable[[Any], Any] = lambda value: value) -> Any:
    return now if change is UNSET else convert(change)


def _or_unset(value: _T | None) -> _T | UnsetType:
    return UNSET if value is None else value
