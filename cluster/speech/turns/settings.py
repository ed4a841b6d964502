"""How turns are told apart: OpenAI's ``server_vad`` and ``semantic_vad``, with its ranges and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from cluster.errors import InvalidRequest

#: Silence after which recognition may begin: longer than nearly all pauses inside words, far shorter than those between turns.
DEFAULT_EARLY_SILENCE_MS: Final = 200
_MAX_PADDING_MS: Final = 5_000
_MAX_SILENCE_MS: Final = 10_000


class Eagerness(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Patience:
    """Silence that ends a turn, in ms: of what sounds finished, before anything is known of it, and of what sounds unfinished."""

    finished_ms: int
    unknown_ms: int
    unfinished_ms: int


#: The longest waits are OpenAI's; ``auto`` is ``medium`` there too.
PATIENCE: Final = {
    Eagerness.LOW: Patience(1_000, 2_000, 8_000),
    Eagerness.MEDIUM: Patience(600, 1_200, 4_000),
    Eagerness.HIGH: Patience(300, 600, 2_000),
    Eagerness.AUTO: Patience(600, 1_200, 4_000),
}


@dataclass(frozen=True, slots=True)
class ServerVad:
    """A turn ends after a fixed silence. ``threshold``: least probability of speech, in [0, 1].

    Raises:
        InvalidRequest: a value is out of range; ``param`` is its name.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    early_silence_ms: int = DEFAULT_EARLY_SILENCE_MS

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise InvalidRequest("threshold must lie between 0 and 1", param="threshold")
        _check_ms("prefix_padding_ms", self.prefix_padding_ms, _MAX_PADDING_MS)
        _check_ms("silence_duration_ms", self.silence_duration_ms, _MAX_SILENCE_MS)
        _check_ms("early_silence_ms", self.early_silence_ms, _MAX_SILENCE_MS)

    @property
    def patience(self) -> Patience:
        return Patience(self.silence_duration_ms, self.silence_duration_ms, self.silence_duration_ms)


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """A turn ends sooner after what sounds finished than after what doesn't (:meth:`TurnDetector.judge`).

    Raises:
        InvalidRequest: a value is out of range; ``param`` is its name.
    """

    eagerness: Eagerness = Eagerness.AUTO
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    early_silence_ms: int = DEFAULT_EARLY_SILENCE_MS

    def __post_init__(self) -> None:
        if self.eagerness not in PATIENCE:
            raise InvalidRequest(f"eagerness must be one of {', '.join(Eagerness)}", param="eagerness")
        if not 0.0 <= self.threshold <= 1.0:
            raise InvalidRequest("threshold must lie between 0 and 1", param="threshold")
        _check_ms("prefix_padding_ms", self.prefix_padding_ms, _MAX_PADDING_MS)
        _check_ms("early_silence_ms", self.early_silence_ms, _MAX_SILENCE_MS)

    @property
    def patience(self) -> Patience:
        return PATIENCE[self.eagerness]


TurnSettings: TypeAlias = ServerVad | SemanticVad


def _check_ms(name: str, value: int, maximum: int) -> None:
    if not 0 <= value <= maximum:
        raise InvalidRequest(f"{name} must lie between 0 and {maximum}", param=name)
