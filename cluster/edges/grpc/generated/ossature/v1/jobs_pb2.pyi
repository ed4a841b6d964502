from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobEventLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_EVENT_LEVEL_UNSPECIFIED: _ClassVar[JobEventLevel]
    JOB_EVENT_LEVEL_INFO: _ClassVar[JobEventLevel]
    JOB_EVENT_LEVEL_WARN: _ClassVar[JobEventLevel]
    JOB_EVENT_LEVEL_ERROR: _ClassVar[JobEventLevel]
JOB_EVENT_LEVEL_UNSPECIFIED: JobEventLevel
JOB_EVENT_LEVEL_INFO: JobEventLevel
JOB_EVENT_LEVEL_WARN: JobEventLevel
JOB_EVENT_LEVEL_ERROR: JobEventLevel

class JobEvent(_message.Message):
    __slots__ = ("id", "created_at", "level", "message", "data", "metrics")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    id: str
    created_at: int
    level: JobEventLevel
    message: str
    data: str
    metrics: TrainingMetrics
    def __init__(self, id: _Optional[str] = ..., created_at: _Optional[int] = ..., level: _Optional[_Union[JobEventLevel, str]] = ..., message: _Optional[str] = ..., data: _Optional[str] = ..., metrics: _Optional[_Union[TrainingMetrics, _Mapping]] = ...) -> None: ...

class TrainingMetrics(_message.Message):
    __slots__ = ("step", "total_steps", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy", "full_valid_loss", "full_valid_mean_token_accuracy")
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    TRAIN_LOSS_FIELD_NUMBER: _ClassVar[int]
    TRAIN_MEAN_TOKEN_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    VALID_LOSS_FIELD_NUMBER: _ClassVar[int]
    VALID_MEAN_TOKEN_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    FULL_VALID_LOSS_FIELD_NUMBER: _ClassVar[int]
    FULL_VALID_MEAN_TOKEN_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    step: int
    total_steps: int
    train_loss: float
    train_mean_token_accuracy: float
    valid_loss: float
    valid_mean_token_accuracy: float
    full_valid_loss: float
    full_valid_mean_token_accuracy: float
    def __init__(self, step: _Optional[int] = ..., total_steps: _Optional[int] = ..., train_loss: _Optional[float] = ..., train_mean_token_accuracy: _Optional[float] = ..., valid_loss: _Optional[float] = ..., valid_mean_token_accuracy: _Optional[float] = ..., full_valid_loss: _Optional[float] = ..., full_valid_mean_token_accuracy: _Optional[float] = ...) -> None: ...
