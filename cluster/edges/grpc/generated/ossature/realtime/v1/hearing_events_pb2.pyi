from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TokenLogprob(_message.Message):
    __slots__ = ("token", "logprob", "bytes")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    token: str
    logprob: float
    bytes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, token: _Optional[str] = ..., logprob: _Optional[float] = ..., bytes: _Optional[_Iterable[int]] = ...) -> None: ...

class TranscriptionDelta(_message.Message):
    __slots__ = ("item_id", "content_index", "delta", "logprobs")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    delta: str
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., delta: _Optional[str] = ..., logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping]]] = ...) -> None: ...

class TranscriptionCompleted(_message.Message):
    __slots__ = ("item_id", "content_index", "transcript", "usage", "languages", "logprobs")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    transcript: str
    usage: TranscriptUsage
    languages: _containers.RepeatedCompositeFieldContainer[TranscriptLanguage]
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., transcript: _Optional[str] = ..., usage: _Optional[_Union[TranscriptUsage, _Mapping]] = ..., languages: _Optional[_Iterable[_Union[TranscriptLanguage, _Mapping]]] = ..., logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping]]] = ...) -> None: ...

class TranscriptUsage(_message.Message):
    __slots__ = ("tokens", "duration")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    tokens: TranscriptTokens
    duration: TranscriptDuration
    def __init__(self, tokens: _Optional[_Union[TranscriptTokens, _Mapping]] = ..., duration: _Optional[_Union[TranscriptDuration, _Mapping]] = ...) -> None: ...

class TranscriptTokens(_message.Message):
    __slots__ = ("total_tokens", "input_tokens", "output_tokens", "input_token_details")
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKEN_DETAILS_FIELD_NUMBER: _ClassVar[int]
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TranscriptTokenDetails
    def __init__(self, total_tokens: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., input_token_details: _Optional[_Union[TranscriptTokenDetails, _Mapping]] = ...) -> None: ...

class TranscriptTokenDetails(_message.Message):
    __slots__ = ("text_tokens", "audio_tokens")
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_TOKENS_FIELD_NUMBER: _ClassVar[int]
    text_tokens: int
    audio_tokens: int
    def __init__(self, text_tokens: _Optional[int] = ..., audio_tokens: _Optional[int] = ...) -> None: ...

class TranscriptDuration(_message.Message):
    __slots__ = ("seconds",)
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    seconds: float
    def __init__(self, seconds: _Optional[float] = ...) -> None: ...

class TranscriptLanguage(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class TranscriptionSegment(_message.Message):
    __slots__ = ("item_id", "content_index", "id", "text", "speaker", "start", "end")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    id: str
    text: str
    speaker: str
    start: float
    end: float
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., id: _Optional[str] = ..., text: _Optional[str] = ..., speaker: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ...) -> None: ...

class TranscriptionFailed(_message.Message):
    __slots__ = ("item_id", "content_index", "error")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    error: TranscriptionError
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., error: _Optional[_Union[TranscriptionError, _Mapping]] = ...) -> None: ...

class TranscriptionError(_message.Message):
    __slots__ = ("type", "code", "message")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    type: str
    code: str
    message: str
    def __init__(self, type: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class InputAudioCommitted(_message.Message):
    __slots__ = ("previous_item_id", "item_id")
    PREVIOUS_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    previous_item_id: str
    item_id: str
    def __init__(self, previous_item_id: _Optional[str] = ..., item_id: _Optional[str] = ...) -> None: ...

class InputAudioCleared(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("audio_start_ms", "item_id")
    AUDIO_START_MS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    audio_start_ms: int
    item_id: str
    def __init__(self, audio_start_ms: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class SpeechStopped(_message.Message):
    __slots__ = ("audio_end_ms", "item_id")
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    audio_end_ms: int
    item_id: str
    def __init__(self, audio_end_ms: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class TimeoutTriggered(_message.Message):
    __slots__ = ("audio_start_ms", "audio_end_ms", "item_id")
    AUDIO_START_MS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    audio_start_ms: int
    audio_end_ms: int
    item_id: str
    def __init__(self, audio_start_ms: _Optional[int] = ..., audio_end_ms: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class DtmfReceived(_message.Message):
    __slots__ = ("event", "received_at")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    event: str
    received_at: int
    def __init__(self, event: _Optional[str] = ..., received_at: _Optional[int] = ...) -> None: ...
