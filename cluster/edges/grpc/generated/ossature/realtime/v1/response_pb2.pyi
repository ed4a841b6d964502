from google.protobuf import struct_pb2 as _struct_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import item_pb2 as _item_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResponseConversation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESPONSE_CONVERSATION_UNSPECIFIED: _ClassVar[ResponseConversation]
    RESPONSE_CONVERSATION_AUTO: _ClassVar[ResponseConversation]
    RESPONSE_CONVERSATION_NONE: _ClassVar[ResponseConversation]

class ResponseStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESPONSE_STATUS_UNSPECIFIED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_COMPLETED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_CANCELLED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_FAILED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_INCOMPLETE: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_IN_PROGRESS: _ClassVar[ResponseStatus]

class ResponseReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESPONSE_REASON_UNSPECIFIED: _ClassVar[ResponseReason]
    RESPONSE_REASON_TURN_DETECTED: _ClassVar[ResponseReason]
    RESPONSE_REASON_CLIENT_CANCELLED: _ClassVar[ResponseReason]
    RESPONSE_REASON_MAX_OUTPUT_TOKENS: _ClassVar[ResponseReason]
    RESPONSE_REASON_CONTENT_FILTER: _ClassVar[ResponseReason]
RESPONSE_CONVERSATION_UNSPECIFIED: ResponseConversation
RESPONSE_CONVERSATION_AUTO: ResponseConversation
RESPONSE_CONVERSATION_NONE: ResponseConversation
RESPONSE_STATUS_UNSPECIFIED: ResponseStatus
RESPONSE_STATUS_COMPLETED: ResponseStatus
RESPONSE_STATUS_CANCELLED: ResponseStatus
RESPONSE_STATUS_FAILED: ResponseStatus
RESPONSE_STATUS_INCOMPLETE: ResponseStatus
RESPONSE_STATUS_IN_PROGRESS: ResponseStatus
RESPONSE_REASON_UNSPECIFIED: ResponseReason
RESPONSE_REASON_TURN_DETECTED: ResponseReason
RESPONSE_REASON_CLIENT_CANCELLED: ResponseReason
RESPONSE_REASON_MAX_OUTPUT_TOKENS: ResponseReason
RESPONSE_REASON_CONTENT_FILTER: ResponseReason

class ResponseParams(_message.Message):
    __slots__ = ("output_modalities", "instructions", "audio", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "max_output_tokens", "no_max_output_tokens", "conversation", "metadata", "input")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    OUTPUT_MODALITIES_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NO_MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    output_modalities: _containers.RepeatedScalarFieldContainer[_session_pb2.Modality]
    instructions: str
    audio: ResponseAudio
    tools: _session_pb2.ToolList
    tool_choice: _session_pb2.ToolChoice
    parallel_tool_calls: bool
    reasoning: _session_pb2.Reasoning
    max_output_tokens: int
    no_max_output_tokens: _struct_pb2.NullValue
    conversation: ResponseConversation
    metadata: _containers.ScalarMap[str, str]
    input: ItemList
    def __init__(self, output_modalities: _Optional[_Iterable[_Union[_session_pb2.Modality, str]]] = ..., instructions: _Optional[str] = ..., audio: _Optional[_Union[ResponseAudio, _Mapping]] = ..., tools: _Optional[_Union[_session_pb2.ToolList, _Mapping]] = ..., tool_choice: _Optional[_Union[_session_pb2.ToolChoice, _Mapping]] = ..., parallel_tool_calls: _Optional[bool] = ..., reasoning: _Optional[_Union[_session_pb2.Reasoning, _Mapping]] = ..., max_output_tokens: _Optional[int] = ..., no_max_output_tokens: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., conversation: _Optional[_Union[ResponseConversation, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., input: _Optional[_Union[ItemList, _Mapping]] = ...) -> None: ...

class ItemList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_item_pb2.Item]
    def __init__(self, items: _Optional[_Iterable[_Union[_item_pb2.Item, _Mapping]]] = ...) -> None: ...

class ResponseAudio(_message.Message):
    __slots__ = ("output",)
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    output: ResponseAudioOutput
    def __init__(self, output: _Optional[_Union[ResponseAudioOutput, _Mapping]] = ...) -> None: ...

class ResponseAudioOutput(_message.Message):
    __slots__ = ("format", "voice")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    format: _session_pb2.AudioFormat
    voice: str
    def __init__(self, format: _Optional[_Union[_session_pb2.AudioFormat, str]] = ..., voice: _Optional[str] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("id", "status", "status_details", "output", "conversation_id", "output_modalities", "max_output_tokens", "no_max_output_tokens", "audio", "usage", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MODALITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NO_MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: ResponseStatus
    status_details: StatusDetails
    output: _containers.RepeatedCompositeFieldContainer[_item_pb2.Item]
    conversation_id: str
    output_modalities: _containers.RepeatedScalarFieldContainer[_session_pb2.Modality]
    max_output_tokens: int
    no_max_output_tokens: _struct_pb2.NullValue
    audio: ResponseAudio
    usage: ResponseUsage
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[ResponseStatus, str]] = ..., status_details: _Optional[_Union[StatusDetails, _Mapping]] = ..., output: _Optional[_Iterable[_Union[_item_pb2.Item, _Mapping]]] = ..., conversation_id: _Optional[str] = ..., output_modalities: _Optional[_Iterable[_Union[_session_pb2.Modality, str]]] = ..., max_output_tokens: _Optional[int] = ..., no_max_output_tokens: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., audio: _Optional[_Union[ResponseAudio, _Mapping]] = ..., usage: _Optional[_Union[ResponseUsage, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StatusDetails(_message.Message):
    __slots__ = ("type", "reason", "error")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    type: ResponseStatus
    reason: ResponseReason
    error: StatusError
    def __init__(self, type: _Optional[_Union[ResponseStatus, str]] = ..., reason: _Optional[_Union[ResponseReason, str]] = ..., error: _Optional[_Union[StatusError, _Mapping]] = ...) -> None: ...

class StatusError(_message.Message):
    __slots__ = ("type", "code", "message")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    type: str
    code: str
    message: str
    def __init__(self, type: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ResponseUsage(_message.Message):
    __slots__ = ("total_tokens", "input_tokens", "output_tokens", "input_token_details", "output_token_details")
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKEN_DETAILS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_DETAILS_FIELD_NUMBER: _ClassVar[int]
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokenDetails
    output_token_details: OutputTokenDetails
    def __init__(self, total_tokens: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., input_token_details: _Optional[_Union[InputTokenDetails, _Mapping]] = ..., output_token_details: _Optional[_Union[OutputTokenDetails, _Mapping]] = ...) -> None: ...

class InputTokenDetails(_message.Message):
    __slots__ = ("text_tokens", "audio_tokens", "cached_tokens", "cached_tokens_details", "image_tokens")
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    text_tokens: int
    audio_tokens: int
    cached_tokens: int
    cached_tokens_details: CachedTokensDetails
    image_tokens: int
    def __init__(self, text_tokens: _Optional[int] = ..., audio_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cached_tokens_details: _Optional[_Union[CachedTokensDetails, _Mapping]] = ..., image_tokens: _Optional[int] = ...) -> None: ...

class CachedTokensDetails(_message.Message):
    __slots__ = ("text_tokens", "audio_tokens", "image_tokens")
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_TOKENS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    text_tokens: int
    audio_tokens: int
    image_tokens: int
    def __init__(self, text_tokens: _Optional[int] = ..., audio_tokens: _Optional[int] = ..., image_tokens: _Optional[int] = ...) -> None: ...

class OutputTokenDetails(_message.Message):
    __slots__ = ("text_tokens", "audio_tokens")
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_TOKENS_FIELD_NUMBER: _ClassVar[int]
    text_tokens: int
    audio_tokens: int
    def __init__(self, text_tokens: _Optional[int] = ..., audio_tokens: _Optional[int] = ...) -> None: ...
