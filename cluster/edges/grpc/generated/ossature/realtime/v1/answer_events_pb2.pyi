from cluster.edges.grpc.generated.ossature.realtime.v1 import item_pb2 as _item_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import response_pb2 as _response_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutputAudioStarted(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...

class OutputAudioStopped(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...

class OutputAudioCleared(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...

class ResponseCreated(_message.Message):
    __slots__ = ("response",)
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    response: _response_pb2.Response
    def __init__(self, response: _Optional[_Union[_response_pb2.Response, _Mapping]] = ...) -> None: ...

class ResponseDone(_message.Message):
    __slots__ = ("response",)
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    response: _response_pb2.Response
    def __init__(self, response: _Optional[_Union[_response_pb2.Response, _Mapping]] = ...) -> None: ...

class OutputItemAdded(_message.Message):
    __slots__ = ("response_id", "output_index", "item")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item: _item_pb2.Item
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item: _Optional[_Union[_item_pb2.Item, _Mapping]] = ...) -> None: ...

class OutputItemDone(_message.Message):
    __slots__ = ("response_id", "output_index", "item")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item: _item_pb2.Item
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item: _Optional[_Union[_item_pb2.Item, _Mapping]] = ...) -> None: ...

class ShownPart(_message.Message):
    __slots__ = ("text", "audio")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    text: TextPart
    audio: AudioPart
    def __init__(self, text: _Optional[_Union[TextPart, _Mapping]] = ..., audio: _Optional[_Union[AudioPart, _Mapping]] = ...) -> None: ...

class TextPart(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class AudioPart(_message.Message):
    __slots__ = ("transcript",)
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    transcript: str
    def __init__(self, transcript: _Optional[str] = ...) -> None: ...

class ContentPartAdded(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "part")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    part: ShownPart
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., part: _Optional[_Union[ShownPart, _Mapping]] = ...) -> None: ...

class ContentPartDone(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "part")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    part: ShownPart
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., part: _Optional[_Union[ShownPart, _Mapping]] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "delta")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    delta: str
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., delta: _Optional[str] = ...) -> None: ...

class TextDone(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "text")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    text: str
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class AudioTranscriptDelta(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "delta")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    delta: str
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., delta: _Optional[str] = ...) -> None: ...

class AudioTranscriptDone(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "transcript")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    transcript: str
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., transcript: _Optional[str] = ...) -> None: ...

class AudioDelta(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index", "delta")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    delta: bytes
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., delta: _Optional[bytes] = ...) -> None: ...

class AudioDone(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "content_index")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    content_index: int
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., content_index: _Optional[int] = ...) -> None: ...

class FunctionArgumentsDelta(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "call_id", "delta")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    call_id: str
    delta: str
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., call_id: _Optional[str] = ..., delta: _Optional[str] = ...) -> None: ...

class FunctionArgumentsDone(_message.Message):
    __slots__ = ("response_id", "output_index", "item_id", "call_id", "name", "arguments")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item_id: str
    call_id: str
    name: str
    arguments: str
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., call_id: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...

class McpListInProgress(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class McpListCompleted(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class McpListFailed(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class McpCallInProgress(_message.Message):
    __slots__ = ("output_index", "item_id")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    item_id: str
    def __init__(self, output_index: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class McpCallCompleted(_message.Message):
    __slots__ = ("output_index", "item_id")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    item_id: str
    def __init__(self, output_index: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class McpCallFailed(_message.Message):
    __slots__ = ("output_index", "item_id")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    item_id: str
    def __init__(self, output_index: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class McpArgumentsDelta(_message.Message):
    __slots__ = ("output_index", "item_id", "response_id", "delta", "obfuscation")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    OBFUSCATION_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    item_id: str
    response_id: str
    delta: str
    obfuscation: str
    def __init__(self, output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., response_id: _Optional[str] = ..., delta: _Optional[str] = ..., obfuscation: _Optional[str] = ...) -> None: ...

class McpArgumentsDone(_message.Message):
    __slots__ = ("output_index", "item_id", "response_id", "arguments")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    item_id: str
    response_id: str
    arguments: str
    def __init__(self, output_index: _Optional[int] = ..., item_id: _Optional[str] = ..., response_id: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...
