from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Modality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODALITY_UNSPECIFIED: _ClassVar[Modality]
    MODALITY_TEXT: _ClassVar[Modality]
    MODALITY_AUDIO: _ClassVar[Modality]

class AudioFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_FORMAT_UNSPECIFIED: _ClassVar[AudioFormat]
    AUDIO_FORMAT_PCM: _ClassVar[AudioFormat]
    AUDIO_FORMAT_PCMU: _ClassVar[AudioFormat]
    AUDIO_FORMAT_PCMA: _ClassVar[AudioFormat]

class NoiseReduction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOISE_REDUCTION_UNSPECIFIED: _ClassVar[NoiseReduction]
    NOISE_REDUCTION_NEAR_FIELD: _ClassVar[NoiseReduction]
    NOISE_REDUCTION_FAR_FIELD: _ClassVar[NoiseReduction]

class Eagerness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EAGERNESS_UNSPECIFIED: _ClassVar[Eagerness]
    EAGERNESS_LOW: _ClassVar[Eagerness]
    EAGERNESS_MEDIUM: _ClassVar[Eagerness]
    EAGERNESS_HIGH: _ClassVar[Eagerness]
    EAGERNESS_AUTO: _ClassVar[Eagerness]

class ToolChoiceMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOOL_CHOICE_MODE_UNSPECIFIED: _ClassVar[ToolChoiceMode]
    TOOL_CHOICE_MODE_NONE: _ClassVar[ToolChoiceMode]
    TOOL_CHOICE_MODE_AUTO: _ClassVar[ToolChoiceMode]
    TOOL_CHOICE_MODE_REQUIRED: _ClassVar[ToolChoiceMode]

class ReasoningEffort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASONING_EFFORT_UNSPECIFIED: _ClassVar[ReasoningEffort]
    REASONING_EFFORT_MINIMAL: _ClassVar[ReasoningEffort]
    REASONING_EFFORT_LOW: _ClassVar[ReasoningEffort]
    REASONING_EFFORT_MEDIUM: _ClassVar[ReasoningEffort]
    REASONING_EFFORT_HIGH: _ClassVar[ReasoningEffort]
    REASONING_EFFORT_XHIGH: _ClassVar[ReasoningEffort]

class TruncationMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRUNCATION_MODE_UNSPECIFIED: _ClassVar[TruncationMode]
    TRUNCATION_MODE_AUTO: _ClassVar[TruncationMode]
    TRUNCATION_MODE_DISABLED: _ClassVar[TruncationMode]
MODALITY_UNSPECIFIED: Modality
MODALITY_TEXT: Modality
MODALITY_AUDIO: Modality
AUDIO_FORMAT_UNSPECIFIED: AudioFormat
AUDIO_FORMAT_PCM: AudioFormat
AUDIO_FORMAT_PCMU: AudioFormat
AUDIO_FORMAT_PCMA: AudioFormat
NOISE_REDUCTION_UNSPECIFIED: NoiseReduction
NOISE_REDUCTION_NEAR_FIELD: NoiseReduction
NOISE_REDUCTION_FAR_FIELD: NoiseReduction
EAGERNESS_UNSPECIFIED: Eagerness
EAGERNESS_LOW: Eagerness
EAGERNESS_MEDIUM: Eagerness
EAGERNESS_HIGH: Eagerness
EAGERNESS_AUTO: Eagerness
TOOL_CHOICE_MODE_UNSPECIFIED: ToolChoiceMode
TOOL_CHOICE_MODE_NONE: ToolChoiceMode
TOOL_CHOICE_MODE_AUTO: ToolChoiceMode
TOOL_CHOICE_MODE_REQUIRED: ToolChoiceMode
REASONING_EFFORT_UNSPECIFIED: ReasoningEffort
REASONING_EFFORT_MINIMAL: ReasoningEffort
REASONING_EFFORT_LOW: ReasoningEffort
REASONING_EFFORT_MEDIUM: ReasoningEffort
REASONING_EFFORT_HIGH: ReasoningEffort
REASONING_EFFORT_XHIGH: ReasoningEffort
TRUNCATION_MODE_UNSPECIFIED: TruncationMode
TRUNCATION_MODE_AUTO: TruncationMode
TRUNCATION_MODE_DISABLED: TruncationMode

class Session(_message.Message):
    __slots__ = ("realtime", "transcription")
    REALTIME_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    realtime: RealtimeSession
    transcription: TranscriptionSession
    def __init__(self, realtime: _Optional[_Union[RealtimeSession, _Mapping]] = ..., transcription: _Optional[_Union[TranscriptionSession, _Mapping]] = ...) -> None: ...

class RealtimeSession(_message.Message):
    __slots__ = ("id", "model", "expires_at", "output_modalities", "instructions", "audio", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "max_output_tokens", "no_max_output_tokens", "truncation")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MODALITIES_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NO_MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    expires_at: int
    output_modalities: _containers.RepeatedScalarFieldContainer[Modality]
    instructions: str
    audio: Audio
    tools: ToolList
    tool_choice: ToolChoice
    parallel_tool_calls: bool
    reasoning: Reasoning
    max_output_tokens: int
    no_max_output_tokens: _struct_pb2.NullValue
    truncation: Truncation
    def __init__(self, id: _Optional[str] = ..., model: _Optional[str] = ..., expires_at: _Optional[int] = ..., output_modalities: _Optional[_Iterable[_Union[Modality, str]]] = ..., instructions: _Optional[str] = ..., audio: _Optional[_Union[Audio, _Mapping]] = ..., tools: _Optional[_Union[ToolList, _Mapping]] = ..., tool_choice: _Optional[_Union[ToolChoice, _Mapping]] = ..., parallel_tool_calls: _Optional[bool] = ..., reasoning: _Optional[_Union[Reasoning, _Mapping]] = ..., max_output_tokens: _Optional[int] = ..., no_max_output_tokens: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., truncation: _Optional[_Union[Truncation, _Mapping]] = ...) -> None: ...

class TranscriptionSession(_message.Message):
    __slots__ = ("id", "expires_at", "audio")
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    id: str
    expires_at: int
    audio: Audio
    def __init__(self, id: _Optional[str] = ..., expires_at: _Optional[int] = ..., audio: _Optional[_Union[Audio, _Mapping]] = ...) -> None: ...

class Audio(_message.Message):
    __slots__ = ("input", "output")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    input: AudioInput
    output: AudioOutput
    def __init__(self, input: _Optional[_Union[AudioInput, _Mapping]] = ..., output: _Optional[_Union[AudioOutput, _Mapping]] = ...) -> None: ...

class AudioInput(_message.Message):
    __slots__ = ("format", "transcription", "no_transcription", "noise_reduction", "no_noise_reduction", "turn_detection", "no_turn_detection")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    NO_TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    NOISE_REDUCTION_FIELD_NUMBER: _ClassVar[int]
    NO_NOISE_REDUCTION_FIELD_NUMBER: _ClassVar[int]
    TURN_DETECTION_FIELD_NUMBER: _ClassVar[int]
    NO_TURN_DETECTION_FIELD_NUMBER: _ClassVar[int]
    format: AudioFormat
    transcription: Transcription
    no_transcription: _struct_pb2.NullValue
    noise_reduction: NoiseReduction
    no_noise_reduction: _struct_pb2.NullValue
    turn_detection: TurnDetection
    no_turn_detection: _struct_pb2.NullValue
    def __init__(self, format: _Optional[_Union[AudioFormat, str]] = ..., transcription: _Optional[_Union[Transcription, _Mapping]] = ..., no_transcription: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., noise_reduction: _Optional[_Union[NoiseReduction, str]] = ..., no_noise_reduction: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., turn_detection: _Optional[_Union[TurnDetection, _Mapping]] = ..., no_turn_detection: _Optional[_Union[_struct_pb2.NullValue, str]] = ...) -> None: ...

class Transcription(_message.Message):
    __slots__ = ("model", "language", "prompt")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    model: str
    language: str
    prompt: str
    def __init__(self, model: _Optional[str] = ..., language: _Optional[str] = ..., prompt: _Optional[str] = ...) -> None: ...

class TurnDetection(_message.Message):
    __slots__ = ("server_vad", "semantic_vad")
    SERVER_VAD_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_VAD_FIELD_NUMBER: _ClassVar[int]
    server_vad: ServerVad
    semantic_vad: SemanticVad
    def __init__(self, server_vad: _Optional[_Union[ServerVad, _Mapping]] = ..., semantic_vad: _Optional[_Union[SemanticVad, _Mapping]] = ...) -> None: ...

class ServerVad(_message.Message):
    __slots__ = ("threshold", "prefix_padding_ms", "silence_duration_ms", "create_response", "interrupt_response", "idle_timeout_ms")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PREFIX_PADDING_MS_FIELD_NUMBER: _ClassVar[int]
    SILENCE_DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    CREATE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool
    interrupt_response: bool
    idle_timeout_ms: int
    def __init__(self, threshold: _Optional[float] = ..., prefix_padding_ms: _Optional[int] = ..., silence_duration_ms: _Optional[int] = ..., create_response: _Optional[bool] = ..., interrupt_response: _Optional[bool] = ..., idle_timeout_ms: _Optional[int] = ...) -> None: ...

class SemanticVad(_message.Message):
    __slots__ = ("eagerness", "create_response", "interrupt_response")
    EAGERNESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    eagerness: Eagerness
    create_response: bool
    interrupt_response: bool
    def __init__(self, eagerness: _Optional[_Union[Eagerness, str]] = ..., create_response: _Optional[bool] = ..., interrupt_response: _Optional[bool] = ...) -> None: ...

class AudioOutput(_message.Message):
    __slots__ = ("format", "voice", "speed")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    format: AudioFormat
    voice: str
    speed: float
    def __init__(self, format: _Optional[_Union[AudioFormat, str]] = ..., voice: _Optional[str] = ..., speed: _Optional[float] = ...) -> None: ...

class ToolList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Tool]
    def __init__(self, items: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("function",)
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    function: FunctionTool
    def __init__(self, function: _Optional[_Union[FunctionTool, _Mapping]] = ...) -> None: ...

class FunctionTool(_message.Message):
    __slots__ = ("name", "description", "parameters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[str] = ...) -> None: ...

class ToolChoice(_message.Message):
    __slots__ = ("mode", "function")
    MODE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    mode: ToolChoiceMode
    function: FunctionChoice
    def __init__(self, mode: _Optional[_Union[ToolChoiceMode, str]] = ..., function: _Optional[_Union[FunctionChoice, _Mapping]] = ...) -> None: ...

class FunctionChoice(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Reasoning(_message.Message):
    __slots__ = ("effort",)
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    effort: ReasoningEffort
    def __init__(self, effort: _Optional[_Union[ReasoningEffort, str]] = ...) -> None: ...

class Truncation(_message.Message):
    __slots__ = ("mode", "retention_ratio")
    MODE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_RATIO_FIELD_NUMBER: _ClassVar[int]
    mode: TruncationMode
    retention_ratio: RetentionRatio
    def __init__(self, mode: _Optional[_Union[TruncationMode, str]] = ..., retention_ratio: _Optional[_Union[RetentionRatio, _Mapping]] = ...) -> None: ...

class RetentionRatio(_message.Message):
    __slots__ = ("retention_ratio", "token_limits")
    RETENTION_RATIO_FIELD_NUMBER: _ClassVar[int]
    TOKEN_LIMITS_FIELD_NUMBER: _ClassVar[int]
    retention_ratio: float
    token_limits: TokenLimits
    def __init__(self, retention_ratio: _Optional[float] = ..., token_limits: _Optional[_Union[TokenLimits, _Mapping]] = ...) -> None: ...

class TokenLimits(_message.Message):
    __slots__ = ("post_instructions",)
    POST_INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    post_instructions: int
    def __init__(self, post_instructions: _Optional[int] = ...) -> None: ...
