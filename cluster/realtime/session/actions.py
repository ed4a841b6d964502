"""What a session wants done. Drivers carry actions out in the order in which they were given, and never wait for one to end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.realtime.protocol.audio import AudioFormat, TurnDetection
from cluster.realtime.protocol.server_events import ServerEvent


@dataclass(frozen=True, slots=True)
class Send:
    """``format``: what its audio is to be written in, for events that hold any (which is PCM at 24 kHz until then)."""

    event: ServerEvent
    format: AudioFormat | None = None


@dataclass(frozen=True, slots=True)
class DropUnsentAudio:
    """Audio of this response that still waits for a slow client is not to be sent any more."""

    response_id: str


@dataclass(frozen=True, slots=True)
class StartGeneration:
    generation_id: str
    request: ChatCompletionRequest


@dataclass(frozen=True, slots=True)
class CancelGeneration:
    generation_id: str


@dataclass(frozen=True, slots=True)
class StartSpeech:
    synthesis_id: str
    text: str
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class CancelSpeech:
    synthesis_id: str


@dataclass(frozen=True, slots=True)
class StartRecognition:
    """``language``: ISO 639-1."""

    recognition_id: str
    language: str | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class FeedRecognition:
    recognition_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class SettleRecognition:
    """Answer with what has been recognized so far; more audio may follow."""

    recognition_id: str


@dataclass(frozen=True, slots=True)
class FinishRecognition:
    recognition_id: str


@dataclass(frozen=True, slots=True)
class DropRecognition:
    recognition_id: str


@dataclass(frozen=True, slots=True)
class ConfigureTurns:
    """Listen for turns this way from now; ``None``: don't. ``noise_reduction``: ``near_field``, ``far_field`` or none."""

    detection: TurnDetection | None
    noise_reduction: str | None


@dataclass(frozen=True, slots=True)
class RestartTurns:
    """Forget a turn in progress: its audio is gone."""


@dataclass(frozen=True, slots=True)
class JudgeTurn:
    """How finished the speech before the present pause sounds, in [0, 1]."""

    finished: float


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: a WebSocket close code and its reason."""

    code: int
    reason: str


class Stage(StrEnum):
    """Parts of the time from the end of the user's speech to the answer's first audio."""

    RECOGNITION = "recognition"
    FIRST_TOKEN = "first_token"  # noqa: S105
    FIRST_CLAUSE = "first_clause"
    FIRST_AUDIO = "first_audio"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class StageTimed:
    """One part of a turn's latency, in seconds, counted from the end of the part before (``TOTAL``: from the end of speech)."""

    stage: Stage
    seconds: float


class Occurrence(StrEnum):
    TURN = "turn"
    INTERRUPTION = "interruption"
    TURN_WITHOUT_WORDS = "turn_without_words"
    EARLY_ANSWER_KEPT = "early_answer_kept"
    EARLY_ANSWER_DROPPED = "early_answer_dropped"


@dataclass(frozen=True, slots=True)
class Occurred:
    what: Occurrence


Action = (
    Send
    | DropUnsentAudio
    | StartGeneration
    | CancelGeneration
    | StartSpeech
    | CancelSpeech
    | StartRecognition
    | FeedRecognition
    | SettleRecognition
    | FinishRecognition
    | DropRecognition
    | ConfigureTurns
    | RestartTurns
    | JudgeTurn
    | Close
    | StageTimed
    | Occurred
)
