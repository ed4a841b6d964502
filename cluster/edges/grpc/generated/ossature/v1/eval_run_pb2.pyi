from cluster.edges.grpc.generated.ossature.v1 import chat_pb2 as _chat_pb2
from cluster.edges.grpc.generated.ossature.v1 import eval_definition_pb2 as _eval_definition_pb2
from cluster.edges.grpc.generated.ossature.v1 import tool_pb2 as _tool_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvalRunStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVAL_RUN_STATUS_UNSPECIFIED: _ClassVar[EvalRunStatus]
    EVAL_RUN_STATUS_QUEUED: _ClassVar[EvalRunStatus]
    EVAL_RUN_STATUS_IN_PROGRESS: _ClassVar[EvalRunStatus]
    EVAL_RUN_STATUS_COMPLETED: _ClassVar[EvalRunStatus]
    EVAL_RUN_STATUS_CANCELED: _ClassVar[EvalRunStatus]
    EVAL_RUN_STATUS_FAILED: _ClassVar[EvalRunStatus]

class EvalItemStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVAL_ITEM_STATUS_UNSPECIFIED: _ClassVar[EvalItemStatus]
    EVAL_ITEM_STATUS_PASS: _ClassVar[EvalItemStatus]
    EVAL_ITEM_STATUS_FAIL: _ClassVar[EvalItemStatus]
    EVAL_ITEM_STATUS_ERROR: _ClassVar[EvalItemStatus]
EVAL_RUN_STATUS_UNSPECIFIED: EvalRunStatus
EVAL_RUN_STATUS_QUEUED: EvalRunStatus
EVAL_RUN_STATUS_IN_PROGRESS: EvalRunStatus
EVAL_RUN_STATUS_COMPLETED: EvalRunStatus
EVAL_RUN_STATUS_CANCELED: EvalRunStatus
EVAL_RUN_STATUS_FAILED: EvalRunStatus
EVAL_ITEM_STATUS_UNSPECIFIED: EvalItemStatus
EVAL_ITEM_STATUS_PASS: EvalItemStatus
EVAL_ITEM_STATUS_FAIL: EvalItemStatus
EVAL_ITEM_STATUS_ERROR: EvalItemStatus

class EvalRun(_message.Message):
    __slots__ = ("id", "eval_id", "status", "model", "name", "created_at", "result_counts", "per_model_usage", "per_testing_criteria_results", "data_source", "metadata", "error", "progress")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNTS_FIELD_NUMBER: _ClassVar[int]
    PER_MODEL_USAGE_FIELD_NUMBER: _ClassVar[int]
    PER_TESTING_CRITERIA_RESULTS_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    eval_id: str
    status: EvalRunStatus
    model: str
    name: str
    created_at: int
    result_counts: EvalResultCounts
    per_model_usage: _containers.RepeatedCompositeFieldContainer[EvalModelUsage]
    per_testing_criteria_results: _containers.RepeatedCompositeFieldContainer[EvalCriterionResult]
    data_source: EvalRunDataSource
    metadata: _containers.ScalarMap[str, str]
    error: EvalError
    progress: EvalProgress
    def __init__(self, id: _Optional[str] = ..., eval_id: _Optional[str] = ..., status: _Optional[_Union[EvalRunStatus, str]] = ..., model: _Optional[str] = ..., name: _Optional[str] = ..., created_at: _Optional[int] = ..., result_counts: _Optional[_Union[EvalResultCounts, _Mapping]] = ..., per_model_usage: _Optional[_Iterable[_Union[EvalModelUsage, _Mapping]]] = ..., per_testing_criteria_results: _Optional[_Iterable[_Union[EvalCriterionResult, _Mapping]]] = ..., data_source: _Optional[_Union[EvalRunDataSource, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., error: _Optional[_Union[EvalError, _Mapping]] = ..., progress: _Optional[_Union[EvalProgress, _Mapping]] = ...) -> None: ...

class EvalResultCounts(_message.Message):
    __slots__ = ("total", "errored", "failed", "passed")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ERRORED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    total: int
    errored: int
    failed: int
    passed: int
    def __init__(self, total: _Optional[int] = ..., errored: _Optional[int] = ..., failed: _Optional[int] = ..., passed: _Optional[int] = ...) -> None: ...

class EvalModelUsage(_message.Message):
    __slots__ = ("model_name", "invocation_count", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    model_name: str
    invocation_count: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int
    def __init__(self, model_name: _Optional[str] = ..., invocation_count: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., total_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ...) -> None: ...

class EvalCriterionResult(_message.Message):
    __slots__ = ("testing_criteria", "passed", "failed")
    TESTING_CRITERIA_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    testing_criteria: str
    passed: int
    failed: int
    def __init__(self, testing_criteria: _Optional[str] = ..., passed: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class EvalError(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class EvalProgress(_message.Message):
    __slots__ = ("done", "total")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class EvalRunDataSource(_message.Message):
    __slots__ = ("jsonl", "completions", "responses")
    JSONL_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    jsonl: EvalJsonlRun
    completions: EvalCompletionsRun
    responses: EvalResponsesRun
    def __init__(self, jsonl: _Optional[_Union[EvalJsonlRun, _Mapping]] = ..., completions: _Optional[_Union[EvalCompletionsRun, _Mapping]] = ..., responses: _Optional[_Union[EvalResponsesRun, _Mapping]] = ...) -> None: ...

class EvalJsonlRun(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: EvalItemSource
    def __init__(self, source: _Optional[_Union[EvalItemSource, _Mapping]] = ...) -> None: ...

class EvalCompletionsRun(_message.Message):
    __slots__ = ("source", "input_messages", "sampling_params", "model")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INPUT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_PARAMS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    source: EvalItemSource
    input_messages: EvalInputMessages
    sampling_params: EvalChatSampling
    model: str
    def __init__(self, source: _Optional[_Union[EvalItemSource, _Mapping]] = ..., input_messages: _Optional[_Union[EvalInputMessages, _Mapping]] = ..., sampling_params: _Optional[_Union[EvalChatSampling, _Mapping]] = ..., model: _Optional[str] = ...) -> None: ...

class EvalResponsesRun(_message.Message):
    __slots__ = ("source", "input_messages", "sampling_params", "model")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INPUT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_PARAMS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    source: EvalItemSource
    input_messages: EvalInputMessages
    sampling_params: EvalResponsesSampling
    model: str
    def __init__(self, source: _Optional[_Union[EvalItemSource, _Mapping]] = ..., input_messages: _Optional[_Union[EvalInputMessages, _Mapping]] = ..., sampling_params: _Optional[_Union[EvalResponsesSampling, _Mapping]] = ..., model: _Optional[str] = ...) -> None: ...

class EvalItemSource(_message.Message):
    __slots__ = ("file_content", "file_id", "stored_completions")
    FILE_CONTENT_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    STORED_COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    file_content: EvalInlineItems
    file_id: EvalFileItems
    stored_completions: EvalStoredItems
    def __init__(self, file_content: _Optional[_Union[EvalInlineItems, _Mapping]] = ..., file_id: _Optional[_Union[EvalFileItems, _Mapping]] = ..., stored_completions: _Optional[_Union[EvalStoredItems, _Mapping]] = ...) -> None: ...

class EvalInlineItems(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: _containers.RepeatedCompositeFieldContainer[EvalInlineItem]
    def __init__(self, content: _Optional[_Iterable[_Union[EvalInlineItem, _Mapping]]] = ...) -> None: ...

class EvalInlineItem(_message.Message):
    __slots__ = ("item", "sample")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    item: str
    sample: str
    def __init__(self, item: _Optional[str] = ..., sample: _Optional[str] = ...) -> None: ...

class EvalFileItems(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class EvalStoredItems(_message.Message):
    __slots__ = ("metadata", "model", "created_after", "created_before", "limit")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    metadata: _containers.ScalarMap[str, str]
    model: str
    created_after: int
    created_before: int
    limit: int
    def __init__(self, metadata: _Optional[_Mapping[str, str]] = ..., model: _Optional[str] = ..., created_after: _Optional[int] = ..., created_before: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class EvalInputMessages(_message.Message):
    __slots__ = ("template", "item_reference")
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    ITEM_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    template: EvalTemplate
    item_reference: EvalItemReference
    def __init__(self, template: _Optional[_Union[EvalTemplate, _Mapping]] = ..., item_reference: _Optional[_Union[EvalItemReference, _Mapping]] = ...) -> None: ...

class EvalTemplate(_message.Message):
    __slots__ = ("template",)
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    template: _containers.RepeatedCompositeFieldContainer[_eval_definition_pb2.EvalMessage]
    def __init__(self, template: _Optional[_Iterable[_Union[_eval_definition_pb2.EvalMessage, _Mapping]]] = ...) -> None: ...

class EvalItemReference(_message.Message):
    __slots__ = ("item_reference",)
    ITEM_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    item_reference: str
    def __init__(self, item_reference: _Optional[str] = ...) -> None: ...

class EvalChatSampling(_message.Message):
    __slots__ = ("reasoning_effort", "temperature", "max_completion_tokens", "top_p", "seed", "response_format", "tools")
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    reasoning_effort: _chat_pb2.ReasoningEffort
    temperature: float
    max_completion_tokens: int
    top_p: float
    seed: int
    response_format: _tool_pb2.ResponseFormat
    tools: _containers.RepeatedCompositeFieldContainer[_tool_pb2.Tool]
    def __init__(self, reasoning_effort: _Optional[_Union[_chat_pb2.ReasoningEffort, str]] = ..., temperature: _Optional[float] = ..., max_completion_tokens: _Optional[int] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ..., response_format: _Optional[_Union[_tool_pb2.ResponseFormat, _Mapping]] = ..., tools: _Optional[_Iterable[_Union[_tool_pb2.Tool, _Mapping]]] = ...) -> None: ...

class EvalResponsesSampling(_message.Message):
    __slots__ = ("reasoning_effort", "temperature", "max_completion_tokens", "top_p", "seed", "text", "tools")
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    reasoning_effort: _chat_pb2.ReasoningEffort
    temperature: float
    max_completion_tokens: int
    top_p: float
    seed: int
    text: EvalTextOptions
    tools: _containers.RepeatedCompositeFieldContainer[EvalResponseTool]
    def __init__(self, reasoning_effort: _Optional[_Union[_chat_pb2.ReasoningEffort, str]] = ..., temperature: _Optional[float] = ..., max_completion_tokens: _Optional[int] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ..., text: _Optional[_Union[EvalTextOptions, _Mapping]] = ..., tools: _Optional[_Iterable[_Union[EvalResponseTool, _Mapping]]] = ...) -> None: ...

class EvalTextOptions(_message.Message):
    __slots__ = ("format",)
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    format: _tool_pb2.ResponseFormat
    def __init__(self, format: _Optional[_Union[_tool_pb2.ResponseFormat, _Mapping]] = ...) -> None: ...

class EvalResponseTool(_message.Message):
    __slots__ = ("function",)
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    function: _tool_pb2.FunctionDefinition
    def __init__(self, function: _Optional[_Union[_tool_pb2.FunctionDefinition, _Mapping]] = ...) -> None: ...

class EvalRunOutputItem(_message.Message):
    __slots__ = ("id", "run_id", "eval_id", "created_at", "status", "datasource_item_id", "datasource_item", "results", "sample")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EVAL_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DATASOURCE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    DATASOURCE_ITEM_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    run_id: str
    eval_id: str
    created_at: int
    status: EvalItemStatus
    datasource_item_id: int
    datasource_item: str
    results: _containers.RepeatedCompositeFieldContainer[EvalGrade]
    sample: EvalSample
    def __init__(self, id: _Optional[str] = ..., run_id: _Optional[str] = ..., eval_id: _Optional[str] = ..., created_at: _Optional[int] = ..., status: _Optional[_Union[EvalItemStatus, str]] = ..., datasource_item_id: _Optional[int] = ..., datasource_item: _Optional[str] = ..., results: _Optional[_Iterable[_Union[EvalGrade, _Mapping]]] = ..., sample: _Optional[_Union[EvalSample, _Mapping]] = ...) -> None: ...

class EvalGrade(_message.Message):
    __slots__ = ("name", "type", "score", "passed", "label", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    score: float
    passed: bool
    label: str
    error: EvalGradeError
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., score: _Optional[float] = ..., passed: _Optional[bool] = ..., label: _Optional[str] = ..., error: _Optional[_Union[EvalGradeError, _Mapping]] = ...) -> None: ...

class EvalGradeError(_message.Message):
    __slots__ = ("code", "message", "kind")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    kind: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class EvalSample(_message.Message):
    __slots__ = ("input", "output", "finish_reason", "model", "usage", "error", "temperature", "max_completion_tokens", "top_p", "seed")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    input: _containers.RepeatedCompositeFieldContainer[EvalSampleMessage]
    output: _containers.RepeatedCompositeFieldContainer[EvalSampleMessage]
    finish_reason: str
    model: str
    usage: EvalSampleUsage
    error: EvalError
    temperature: float
    max_completion_tokens: int
    top_p: float
    seed: int
    def __init__(self, input: _Optional[_Iterable[_Union[EvalSampleMessage, _Mapping]]] = ..., output: _Optional[_Iterable[_Union[EvalSampleMessage, _Mapping]]] = ..., finish_reason: _Optional[str] = ..., model: _Optional[str] = ..., usage: _Optional[_Union[EvalSampleUsage, _Mapping]] = ..., error: _Optional[_Union[EvalError, _Mapping]] = ..., temperature: _Optional[float] = ..., max_completion_tokens: _Optional[int] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class EvalSampleMessage(_message.Message):
    __slots__ = ("role", "content", "refusal", "tool_calls")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    refusal: str
    tool_calls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ..., refusal: _Optional[str] = ..., tool_calls: _Optional[_Iterable[str]] = ...) -> None: ...

class EvalSampleUsage(_message.Message):
    __slots__ = ("total_tokens", "completion_tokens", "prompt_tokens", "cached_tokens")
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    total_tokens: int
    completion_tokens: int
    prompt_tokens: int
    cached_tokens: int
    def __init__(self, total_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ...) -> None: ...
