from cluster.edges.grpc.generated.ossature.v1 import chat_pb2 as _chat_pb2
from cluster.edges.grpc.generated.ossature.v1 import message_pb2 as _message_pb2
from cluster.edges.grpc.generated.ossature.v1 import paging_pb2 as _paging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoredCompletion(_message.Message):
    __slots__ = ("completion", "metadata", "request_id", "arguments")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    completion: _chat_pb2.CreateChatCompletionResponse
    metadata: _containers.ScalarMap[str, str]
    request_id: str
    arguments: _chat_pb2.CreateChatCompletionRequest
    def __init__(self, completion: _Optional[_Union[_chat_pb2.CreateChatCompletionResponse, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ..., arguments: _Optional[_Union[_chat_pb2.CreateChatCompletionRequest, _Mapping]] = ...) -> None: ...

class StoredCompletionMessage(_message.Message):
    __slots__ = ("id", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    message: _message_pb2.ChatMessage
    def __init__(self, id: _Optional[str] = ..., message: _Optional[_Union[_message_pb2.ChatMessage, _Mapping]] = ...) -> None: ...

class ListStoredCompletionsRequest(_message.Message):
    __slots__ = ("model", "metadata", "after", "limit", "order")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    model: str
    metadata: _containers.ScalarMap[str, str]
    after: str
    limit: int
    order: _paging_pb2.SortOrder
    def __init__(self, model: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., order: _Optional[_Union[_paging_pb2.SortOrder, str]] = ...) -> None: ...

class ListStoredCompletionsResponse(_message.Message):
    __slots__ = ("completions", "has_more")
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    completions: _containers.RepeatedCompositeFieldContainer[StoredCompletion]
    has_more: bool
    def __init__(self, completions: _Optional[_Iterable[_Union[StoredCompletion, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class GetStoredCompletionRequest(_message.Message):
    __slots__ = ("completion_id",)
    COMPLETION_ID_FIELD_NUMBER: _ClassVar[int]
    completion_id: str
    def __init__(self, completion_id: _Optional[str] = ...) -> None: ...

class GetStoredCompletionResponse(_message.Message):
    __slots__ = ("completion",)
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    completion: StoredCompletion
    def __init__(self, completion: _Optional[_Union[StoredCompletion, _Mapping]] = ...) -> None: ...

class UpdateStoredCompletionRequest(_message.Message):
    __slots__ = ("completion_id", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COMPLETION_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    completion_id: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, completion_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UpdateStoredCompletionResponse(_message.Message):
    __slots__ = ("completion",)
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    completion: StoredCompletion
    def __init__(self, completion: _Optional[_Union[StoredCompletion, _Mapping]] = ...) -> None: ...

class DeleteStoredCompletionRequest(_message.Message):
    __slots__ = ("completion_id",)
    COMPLETION_ID_FIELD_NUMBER: _ClassVar[int]
    completion_id: str
    def __init__(self, completion_id: _Optional[str] = ...) -> None: ...

class DeleteStoredCompletionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListStoredCompletionMessagesRequest(_message.Message):
    __slots__ = ("completion_id", "after", "limit", "order")
    COMPLETION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    completion_id: str
    after: str
    limit: int
    order: _paging_pb2.SortOrder
    def __init__(self, completion_id: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., order: _Optional[_Union[_paging_pb2.SortOrder, str]] = ...) -> None: ...

class ListStoredCompletionMessagesResponse(_message.Message):
    __slots__ = ("messages", "has_more")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[StoredCompletionMessage]
    has_more: bool
    def __init__(self, messages: _Optional[_Iterable[_Union[StoredCompletionMessage, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...
