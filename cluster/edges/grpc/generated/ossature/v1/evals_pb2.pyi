from cluster.edges.grpc.generated.ossature.v1 import eval_definition_pb2 as _eval_definition_pb2
from cluster.edges.grpc.generated.ossature.v1 import eval_run_pb2 as _eval_run_pb2
from cluster.edges.grpc.generated.ossature.v1 import jobs_pb2 as _jobs_pb2
from cluster.edges.grpc.generated.ossature.v1 import paging_pb2 as _paging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvalOrderBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVAL_ORDER_BY_UNSPECIFIED: _ClassVar[EvalOrderBy]
    EVAL_ORDER_BY_CREATED_AT: _ClassVar[EvalOrderBy]
    EVAL_ORDER_BY_UPDATED_AT: _ClassVar[EvalOrderBy]
EVAL_ORDER_BY_UNSPECIFIED: EvalOrderBy
EVAL_ORDER_BY_CREATED_AT: EvalOrderBy
EVAL_ORDER_BY_UPDATED_AT: EvalOrderBy

class CreateEvalRequest(_message.Message):
    __slots__ = ("name", "data_source_config", "testing_criteria", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TESTING_CRITERIA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    data_source_config: _eval_definition_pb2.EvalDataSourceConfig
    testing_criteria: _containers.RepeatedCompositeFieldContainer[_eval_definition_pb2.EvalGrader]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., data_source_config: _Optional[_Union[_eval_definition_pb2.EvalDataSourceConfig, _Mapping]] = ..., testing_criteria: _Optional[_Iterable[_Union[_eval_definition_pb2.EvalGrader, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateEvalResponse(_message.Message):
    __slots__ = ("eval",)
    EVAL_FIELD_NUMBER: _ClassVar[int]
    eval: _eval_definition_pb2.Eval
    def __init__(self, eval: _Optional[_Union[_eval_definition_pb2.Eval, _Mapping]] = ...) -> None: ...

class GetEvalRequest(_message.Message):
    __slots__ = ("eval_id",)
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    def __init__(self, eval_id: _Optional[str] = ...) -> None: ...

class GetEvalResponse(_message.Message):
    __slots__ = ("eval",)
    EVAL_FIELD_NUMBER: _ClassVar[int]
    eval: _eval_definition_pb2.Eval
    def __init__(self, eval: _Optional[_Union[_eval_definition_pb2.Eval, _Mapping]] = ...) -> None: ...

class ListEvalsRequest(_message.Message):
    __slots__ = ("after", "limit", "order", "order_by")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    order: _paging_pb2.SortOrder
    order_by: EvalOrderBy
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ..., order: _Optional[_Union[_paging_pb2.SortOrder, str]] = ..., order_by: _Optional[_Union[EvalOrderBy, str]] = ...) -> None: ...

class ListEvalsResponse(_message.Message):
    __slots__ = ("evals", "has_more")
    EVALS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    evals: _containers.RepeatedCompositeFieldContainer[_eval_definition_pb2.Eval]
    has_more: bool
    def __init__(self, evals: _Optional[_Iterable[_Union[_eval_definition_pb2.Eval, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class NewMetadata(_message.Message):
    __slots__ = ("pairs",)
    class PairsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.ScalarMap[str, str]
    def __init__(self, pairs: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UpdateEvalRequest(_message.Message):
    __slots__ = ("eval_id", "name", "metadata")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    name: str
    metadata: NewMetadata
    def __init__(self, eval_id: _Optional[str] = ..., name: _Optional[str] = ..., metadata: _Optional[_Union[NewMetadata, _Mapping]] = ...) -> None: ...

class UpdateEvalResponse(_message.Message):
    __slots__ = ("eval",)
    EVAL_FIELD_NUMBER: _ClassVar[int]
    eval: _eval_definition_pb2.Eval
    def __init__(self, eval: _Optional[_Union[_eval_definition_pb2.Eval, _Mapping]] = ...) -> None: ...

class DeleteEvalRequest(_message.Message):
    __slots__ = ("eval_id",)
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    def __init__(self, eval_id: _Optional[str] = ...) -> None: ...

class DeleteEvalResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateEvalRunRequest(_message.Message):
    __slots__ = ("eval_id", "name", "data_source", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    name: str
    data_source: _eval_run_pb2.EvalRunDataSource
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, eval_id: _Optional[str] = ..., name: _Optional[str] = ..., data_source: _Optional[_Union[_eval_run_pb2.EvalRunDataSource, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateEvalRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _eval_run_pb2.EvalRun
    def __init__(self, run: _Optional[_Union[_eval_run_pb2.EvalRun, _Mapping]] = ...) -> None: ...

class GetEvalRunRequest(_message.Message):
    __slots__ = ("eval_id", "run_id")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    run_id: str
    def __init__(self, eval_id: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class GetEvalRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _eval_run_pb2.EvalRun
    def __init__(self, run: _Optional[_Union[_eval_run_pb2.EvalRun, _Mapping]] = ...) -> None: ...

class ListEvalRunsRequest(_message.Message):
    __slots__ = ("eval_id", "after", "limit", "order", "status")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    after: str
    limit: int
    order: _paging_pb2.SortOrder
    status: _eval_run_pb2.EvalRunStatus
    def __init__(self, eval_id: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., order: _Optional[_Union[_paging_pb2.SortOrder, str]] = ..., status: _Optional[_Union[_eval_run_pb2.EvalRunStatus, str]] = ...) -> None: ...

class ListEvalRunsResponse(_message.Message):
    __slots__ = ("runs", "has_more")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_eval_run_pb2.EvalRun]
    has_more: bool
    def __init__(self, runs: _Optional[_Iterable[_Union[_eval_run_pb2.EvalRun, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class CancelEvalRunRequest(_message.Message):
    __slots__ = ("eval_id", "run_id")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    run_id: str
    def __init__(self, eval_id: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class CancelEvalRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _eval_run_pb2.EvalRun
    def __init__(self, run: _Optional[_Union[_eval_run_pb2.EvalRun, _Mapping]] = ...) -> None: ...

class DeleteEvalRunRequest(_message.Message):
    __slots__ = ("eval_id", "run_id")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    run_id: str
    def __init__(self, eval_id: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class DeleteEvalRunResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListEvalRunOutputItemsRequest(_message.Message):
    __slots__ = ("eval_id", "run_id", "after", "limit", "order", "status")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    run_id: str
    after: str
    limit: int
    order: _paging_pb2.SortOrder
    status: _eval_run_pb2.EvalItemStatus
    def __init__(self, eval_id: _Optional[str] = ..., run_id: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., order: _Optional[_Union[_paging_pb2.SortOrder, str]] = ..., status: _Optional[_Union[_eval_run_pb2.EvalItemStatus, str]] = ...) -> None: ...

class ListEvalRunOutputItemsResponse(_message.Message):
    __slots__ = ("output_items", "has_more")
    OUTPUT_ITEMS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    output_items: _containers.RepeatedCompositeFieldContainer[_eval_run_pb2.EvalRunOutputItem]
    has_more: bool
    def __init__(self, output_items: _Optional[_Iterable[_Union[_eval_run_pb2.EvalRunOutputItem, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class GetEvalRunOutputItemRequest(_message.Message):
    __slots__ = ("eval_id", "run_id", "output_item_id")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    run_id: str
    output_item_id: str
    def __init__(self, eval_id: _Optional[str] = ..., run_id: _Optional[str] = ..., output_item_id: _Optional[str] = ...) -> None: ...

class GetEvalRunOutputItemResponse(_message.Message):
    __slots__ = ("output_item",)
    OUTPUT_ITEM_FIELD_NUMBER: _ClassVar[int]
    output_item: _eval_run_pb2.EvalRunOutputItem
    def __init__(self, output_item: _Optional[_Union[_eval_run_pb2.EvalRunOutputItem, _Mapping]] = ...) -> None: ...

class WatchEvalRunRequest(_message.Message):
    __slots__ = ("eval_id", "run_id", "after_sequence")
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    eval_id: str
    run_id: str
    after_sequence: int
    def __init__(self, eval_id: _Optional[str] = ..., run_id: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class WatchEvalRunResponse(_message.Message):
    __slots__ = ("sequence", "event", "run")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    event: _jobs_pb2.JobEvent
    run: _eval_run_pb2.EvalRun
    def __init__(self, sequence: _Optional[int] = ..., event: _Optional[_Union[_jobs_pb2.JobEvent, _Mapping]] = ..., run: _Optional[_Union[_eval_run_pb2.EvalRun, _Mapping]] = ...) -> None: ...
