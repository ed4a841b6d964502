from cluster.edges.grpc.generated.ossature.realtime.v1 import item_pb2 as _item_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import response_pb2 as _response_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import session_pb2 as _session_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SessionStart(_message.Message):
    __slots__ = ("model", "session")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    session: _session_pb2.Session
    def __init__(self, model: _Optional[str] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class SessionUpdate(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class InputAudioAppend(_message.Message):
    __slots__ = ("audio",)
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    def __init__(self, audio: _Optional[bytes] = ...) -> None: ...

class InputAudioCommit(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InputAudioClear(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OutputAudioClear(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ItemCreate(_message.Message):
    __slots__ = ("item", "previous_item_id")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item: _item_pb2.Item
    previous_item_id: str
    def __init__(self, item: _Optional[_Union[_item_pb2.Item, _Mapping]] = ..., previous_item_id: _Optional[str] = ...) -> None: ...

class ItemRetrieve(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class ItemTruncate(_message.Message):
    __slots__ = ("item_id", "content_index", "audio_end_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    audio_end_ms: int
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., audio_end_ms: _Optional[int] = ...) -> None: ...

class ItemDelete(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class ResponseCreate(_message.Message):
    __slots__ = ("response",)
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    response: _response_pb2.ResponseParams
    def __init__(self, response: _Optional[_Union[_response_pb2.ResponseParams, _Mapping]] = ...) -> None: ...

class ResponseCancel(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...
