from cluster.edges.grpc.generated.ossature.v1 import chat_pb2 as _chat_pb2
from cluster.edges.grpc.generated.ossature.v1 import message_pb2 as _message_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvalStringOperation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVAL_STRING_OPERATION_UNSPECIFIED: _ClassVar[EvalStringOperation]
    EVAL_STRING_OPERATION_EQ: _ClassVar[EvalStringOperation]
    EVAL_STRING_OPERATION_NE: _ClassVar[EvalStringOperation]
    EVAL_STRING_OPERATION_LIKE: _ClassVar[EvalStringOperation]
    EVAL_STRING_OPERATION_ILIKE: _ClassVar[EvalStringOperation]

class EvalSimilarityMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVAL_SIMILARITY_METRIC_UNSPECIFIED: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_COSINE: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_FUZZY_MATCH: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_BLEU: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_GLEU: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_METEOR: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_ROUGE_1: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_ROUGE_2: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_ROUGE_3: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_ROUGE_4: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_ROUGE_5: _ClassVar[EvalSimilarityMetric]
    EVAL_SIMILARITY_METRIC_ROUGE_L: _ClassVar[EvalSimilarityMetric]
EVAL_STRING_OPERATION_UNSPECIFIED: EvalStringOperation
EVAL_STRING_OPERATION_EQ: EvalStringOperation
EVAL_STRING_OPERATION_NE: EvalStringOperation
EVAL_STRING_OPERATION_LIKE: EvalStringOperation
EVAL_STRING_OPERATION_ILIKE: EvalStringOperation
EVAL_SIMILARITY_METRIC_UNSPECIFIED: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_COSINE: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_FUZZY_MATCH: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_BLEU: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_GLEU: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_METEOR: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_ROUGE_1: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_ROUGE_2: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_ROUGE_3: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_ROUGE_4: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_ROUGE_5: EvalSimilarityMetric
EVAL_SIMILARITY_METRIC_ROUGE_L: EvalSimilarityMetric

class Eval(_message.Message):
    __slots__ = ("id", "name", "data_source_config", "testing_criteria", "created_at", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TESTING_CRITERIA_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    data_source_config: EvalDataSourceConfig
    testing_criteria: _containers.RepeatedCompositeFieldContainer[EvalGrader]
    created_at: int
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., data_source_config: _Optional[_Union[EvalDataSourceConfig, _Mapping]] = ..., testing_criteria: _Optional[_Iterable[_Union[EvalGrader, _Mapping]]] = ..., created_at: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class EvalDataSourceConfig(_message.Message):
    __slots__ = ("custom", "logs", "stored_completions")
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    STORED_COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    custom: EvalCustomConfig
    logs: EvalLogsConfig
    stored_completions: EvalLogsConfig
    def __init__(self, custom: _Optional[_Union[EvalCustomConfig, _Mapping]] = ..., logs: _Optional[_Union[EvalLogsConfig, _Mapping]] = ..., stored_completions: _Optional[_Union[EvalLogsConfig, _Mapping]] = ...) -> None: ...

class EvalCustomConfig(_message.Message):
    __slots__ = ("item_schema", "include_sample_schema", "schema")
    ITEM_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SAMPLE_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    item_schema: str
    include_sample_schema: bool
    schema: str
    def __init__(self, item_schema: _Optional[str] = ..., include_sample_schema: _Optional[bool] = ..., schema: _Optional[str] = ...) -> None: ...

class EvalLogsConfig(_message.Message):
    __slots__ = ("metadata", "schema")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    metadata: _containers.ScalarMap[str, str]
    schema: str
    def __init__(self, metadata: _Optional[_Mapping[str, str]] = ..., schema: _Optional[str] = ...) -> None: ...

class EvalGrader(_message.Message):
    __slots__ = ("string_check", "text_similarity", "label_model", "score_model", "python")
    STRING_CHECK_FIELD_NUMBER: _ClassVar[int]
    TEXT_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    LABEL_MODEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_MODEL_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    string_check: EvalStringCheck
    text_similarity: EvalTextSimilarity
    label_model: EvalLabelModel
    score_model: EvalScoreModel
    python: EvalPython
    def __init__(self, string_check: _Optional[_Union[EvalStringCheck, _Mapping]] = ..., text_similarity: _Optional[_Union[EvalTextSimilarity, _Mapping]] = ..., label_model: _Optional[_Union[EvalLabelModel, _Mapping]] = ..., score_model: _Optional[_Union[EvalScoreModel, _Mapping]] = ..., python: _Optional[_Union[EvalPython, _Mapping]] = ...) -> None: ...

class EvalStringCheck(_message.Message):
    __slots__ = ("name", "input", "reference", "operation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    input: str
    reference: str
    operation: EvalStringOperation
    def __init__(self, name: _Optional[str] = ..., input: _Optional[str] = ..., reference: _Optional[str] = ..., operation: _Optional[_Union[EvalStringOperation, str]] = ...) -> None: ...

class EvalTextSimilarity(_message.Message):
    __slots__ = ("name", "input", "reference", "evaluation_metric", "pass_threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_METRIC_FIELD_NUMBER: _ClassVar[int]
    PASS_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    input: str
    reference: str
    evaluation_metric: EvalSimilarityMetric
    pass_threshold: float
    def __init__(self, name: _Optional[str] = ..., input: _Optional[str] = ..., reference: _Optional[str] = ..., evaluation_metric: _Optional[_Union[EvalSimilarityMetric, str]] = ..., pass_threshold: _Optional[float] = ...) -> None: ...

class EvalLabelModel(_message.Message):
    __slots__ = ("name", "model", "input", "labels", "passing_labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PASSING_LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    input: _containers.RepeatedCompositeFieldContainer[EvalMessage]
    labels: _containers.RepeatedScalarFieldContainer[str]
    passing_labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., input: _Optional[_Iterable[_Union[EvalMessage, _Mapping]]] = ..., labels: _Optional[_Iterable[str]] = ..., passing_labels: _Optional[_Iterable[str]] = ...) -> None: ...

class EvalScoreModel(_message.Message):
    __slots__ = ("name", "model", "sampling_params", "input", "range", "pass_threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_PARAMS_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    PASS_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    sampling_params: EvalJudgeSampling
    input: _containers.RepeatedCompositeFieldContainer[EvalMessage]
    range: _containers.RepeatedScalarFieldContainer[float]
    pass_threshold: float
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., sampling_params: _Optional[_Union[EvalJudgeSampling, _Mapping]] = ..., input: _Optional[_Iterable[_Union[EvalMessage, _Mapping]]] = ..., range: _Optional[_Iterable[float]] = ..., pass_threshold: _Optional[float] = ...) -> None: ...

class EvalJudgeSampling(_message.Message):
    __slots__ = ("seed", "top_p", "temperature", "max_completions_tokens", "reasoning_effort")
    SEED_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETIONS_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    seed: int
    top_p: float
    temperature: float
    max_completions_tokens: int
    reasoning_effort: _chat_pb2.ReasoningEffort
    def __init__(self, seed: _Optional[int] = ..., top_p: _Optional[float] = ..., temperature: _Optional[float] = ..., max_completions_tokens: _Optional[int] = ..., reasoning_effort: _Optional[_Union[_chat_pb2.ReasoningEffort, str]] = ...) -> None: ...

class EvalPython(_message.Message):
    __slots__ = ("name", "source", "image_tag", "pass_threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_TAG_FIELD_NUMBER: _ClassVar[int]
    PASS_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    image_tag: str
    pass_threshold: float
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., image_tag: _Optional[str] = ..., pass_threshold: _Optional[float] = ...) -> None: ...

class EvalMessage(_message.Message):
    __slots__ = ("role", "content")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    role: _message_pb2.Role
    content: EvalContent
    def __init__(self, role: _Optional[_Union[_message_pb2.Role, str]] = ..., content: _Optional[_Union[EvalContent, _Mapping]] = ...) -> None: ...

class EvalContent(_message.Message):
    __slots__ = ("text", "parts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    parts: EvalContentPartList
    def __init__(self, text: _Optional[str] = ..., parts: _Optional[_Union[EvalContentPartList, _Mapping]] = ...) -> None: ...

class EvalContentPartList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[EvalContentPart]
    def __init__(self, items: _Optional[_Iterable[_Union[EvalContentPart, _Mapping]]] = ...) -> None: ...

class EvalContentPart(_message.Message):
    __slots__ = ("text", "input_text", "output_text", "input_image", "input_audio")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    INPUT_IMAGE_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_FIELD_NUMBER: _ClassVar[int]
    text: str
    input_text: EvalText
    output_text: EvalText
    input_image: EvalImage
    input_audio: EvalAudio
    def __init__(self, text: _Optional[str] = ..., input_text: _Optional[_Union[EvalText, _Mapping]] = ..., output_text: _Optional[_Union[EvalText, _Mapping]] = ..., input_image: _Optional[_Union[EvalImage, _Mapping]] = ..., input_audio: _Optional[_Union[EvalAudio, _Mapping]] = ...) -> None: ...

class EvalText(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class EvalImage(_message.Message):
    __slots__ = ("image_url", "detail")
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    image_url: str
    detail: _message_pb2.ImageDetail
    def __init__(self, image_url: _Optional[str] = ..., detail: _Optional[_Union[_message_pb2.ImageDetail, str]] = ...) -> None: ...

class EvalAudio(_message.Message):
    __slots__ = ("input_audio",)
    INPUT_AUDIO_FIELD_NUMBER: _ClassVar[int]
    input_audio: EvalAudioData
    def __init__(self, input_audio: _Optional[_Union[EvalAudioData, _Mapping]] = ...) -> None: ...

class EvalAudioData(_message.Message):
    __slots__ = ("data", "format")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    data: str
    format: str
    def __init__(self, data: _Optional[str] = ..., format: _Optional[str] = ...) -> None: ...
