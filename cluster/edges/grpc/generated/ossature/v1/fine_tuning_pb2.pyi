from cluster.edges.grpc.generated.ossature.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FineTuningJobStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINE_TUNING_JOB_STATUS_UNSPECIFIED: _ClassVar[FineTuningJobStatus]
    FINE_TUNING_JOB_STATUS_VALIDATING_FILES: _ClassVar[FineTuningJobStatus]
    FINE_TUNING_JOB_STATUS_QUEUED: _ClassVar[FineTuningJobStatus]
    FINE_TUNING_JOB_STATUS_RUNNING: _ClassVar[FineTuningJobStatus]
    FINE_TUNING_JOB_STATUS_SUCCEEDED: _ClassVar[FineTuningJobStatus]
    FINE_TUNING_JOB_STATUS_FAILED: _ClassVar[FineTuningJobStatus]
    FINE_TUNING_JOB_STATUS_CANCELLED: _ClassVar[FineTuningJobStatus]
FINE_TUNING_JOB_STATUS_UNSPECIFIED: FineTuningJobStatus
FINE_TUNING_JOB_STATUS_VALIDATING_FILES: FineTuningJobStatus
FINE_TUNING_JOB_STATUS_QUEUED: FineTuningJobStatus
FINE_TUNING_JOB_STATUS_RUNNING: FineTuningJobStatus
FINE_TUNING_JOB_STATUS_SUCCEEDED: FineTuningJobStatus
FINE_TUNING_JOB_STATUS_FAILED: FineTuningJobStatus
FINE_TUNING_JOB_STATUS_CANCELLED: FineTuningJobStatus

class FineTuningJob(_message.Message):
    __slots__ = ("id", "model", "created_at", "finished_at", "fine_tuned_model", "organization_id", "result_files", "status", "training_file", "validation_file", "method", "trained_tokens", "error", "seed", "estimated_finish", "metadata", "paused")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    FINE_TUNED_MODEL_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FILES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FILE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FILE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FINISH_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    created_at: int
    finished_at: int
    fine_tuned_model: str
    organization_id: str
    result_files: _containers.RepeatedScalarFieldContainer[str]
    status: FineTuningJobStatus
    training_file: str
    validation_file: str
    method: FineTuningMethod
    trained_tokens: int
    error: FineTuningJobError
    seed: int
    estimated_finish: int
    metadata: _containers.ScalarMap[str, str]
    paused: bool
    def __init__(self, id: _Optional[str] = ..., model: _Optional[str] = ..., created_at: _Optional[int] = ..., finished_at: _Optional[int] = ..., fine_tuned_model: _Optional[str] = ..., organization_id: _Optional[str] = ..., result_files: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[FineTuningJobStatus, str]] = ..., training_file: _Optional[str] = ..., validation_file: _Optional[str] = ..., method: _Optional[_Union[FineTuningMethod, _Mapping]] = ..., trained_tokens: _Optional[int] = ..., error: _Optional[_Union[FineTuningJobError, _Mapping]] = ..., seed: _Optional[int] = ..., estimated_finish: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., paused: _Optional[bool] = ...) -> None: ...

class FineTuningJobError(_message.Message):
    __slots__ = ("code", "message", "param")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PARAM_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    param: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., param: _Optional[str] = ...) -> None: ...

class FineTuningMethod(_message.Message):
    __slots__ = ("supervised", "dpo")
    SUPERVISED_FIELD_NUMBER: _ClassVar[int]
    DPO_FIELD_NUMBER: _ClassVar[int]
    supervised: SupervisedMethod
    dpo: DpoMethod
    def __init__(self, supervised: _Optional[_Union[SupervisedMethod, _Mapping]] = ..., dpo: _Optional[_Union[DpoMethod, _Mapping]] = ...) -> None: ...

class SupervisedMethod(_message.Message):
    __slots__ = ("hyperparameters",)
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    hyperparameters: SupervisedHyperparameters
    def __init__(self, hyperparameters: _Optional[_Union[SupervisedHyperparameters, _Mapping]] = ...) -> None: ...

class SupervisedHyperparameters(_message.Message):
    __slots__ = ("n_epochs", "batch_size", "learning_rate_multiplier")
    N_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    def __init__(self, n_epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate_multiplier: _Optional[float] = ...) -> None: ...

class DpoMethod(_message.Message):
    __slots__ = ("hyperparameters",)
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    hyperparameters: DpoHyperparameters
    def __init__(self, hyperparameters: _Optional[_Union[DpoHyperparameters, _Mapping]] = ...) -> None: ...

class DpoHyperparameters(_message.Message):
    __slots__ = ("n_epochs", "batch_size", "learning_rate_multiplier", "beta")
    N_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float
    def __init__(self, n_epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate_multiplier: _Optional[float] = ..., beta: _Optional[float] = ...) -> None: ...

class FineTuningCheckpoint(_message.Message):
    __slots__ = ("id", "created_at", "fine_tuned_model_checkpoint", "fine_tuning_job_id", "metrics", "step_number")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FINE_TUNED_MODEL_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    STEP_NUMBER_FIELD_NUMBER: _ClassVar[int]
    id: str
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: _jobs_pb2.TrainingMetrics
    step_number: int
    def __init__(self, id: _Optional[str] = ..., created_at: _Optional[int] = ..., fine_tuned_model_checkpoint: _Optional[str] = ..., fine_tuning_job_id: _Optional[str] = ..., metrics: _Optional[_Union[_jobs_pb2.TrainingMetrics, _Mapping]] = ..., step_number: _Optional[int] = ...) -> None: ...

class CreateFineTuningJobRequest(_message.Message):
    __slots__ = ("model", "training_file", "validation_file", "suffix", "seed", "method", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FILE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FILE_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    model: str
    training_file: str
    validation_file: str
    suffix: str
    seed: int
    method: FineTuningMethod
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, model: _Optional[str] = ..., training_file: _Optional[str] = ..., validation_file: _Optional[str] = ..., suffix: _Optional[str] = ..., seed: _Optional[int] = ..., method: _Optional[_Union[FineTuningMethod, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateFineTuningJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: FineTuningJob
    def __init__(self, job: _Optional[_Union[FineTuningJob, _Mapping]] = ...) -> None: ...

class GetFineTuningJobRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id",)
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    def __init__(self, fine_tuning_job_id: _Optional[str] = ...) -> None: ...

class GetFineTuningJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: FineTuningJob
    def __init__(self, job: _Optional[_Union[FineTuningJob, _Mapping]] = ...) -> None: ...

class ListFineTuningJobsRequest(_message.Message):
    __slots__ = ("after", "limit", "metadata", "without_metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_METADATA_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    metadata: _containers.ScalarMap[str, str]
    without_metadata: bool
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., without_metadata: _Optional[bool] = ...) -> None: ...

class ListFineTuningJobsResponse(_message.Message):
    __slots__ = ("jobs", "has_more")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[FineTuningJob]
    has_more: bool
    def __init__(self, jobs: _Optional[_Iterable[_Union[FineTuningJob, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class CancelFineTuningJobRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id",)
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    def __init__(self, fine_tuning_job_id: _Optional[str] = ...) -> None: ...

class CancelFineTuningJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: FineTuningJob
    def __init__(self, job: _Optional[_Union[FineTuningJob, _Mapping]] = ...) -> None: ...

class PauseFineTuningJobRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id",)
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    def __init__(self, fine_tuning_job_id: _Optional[str] = ...) -> None: ...

class PauseFineTuningJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: FineTuningJob
    def __init__(self, job: _Optional[_Union[FineTuningJob, _Mapping]] = ...) -> None: ...

class ResumeFineTuningJobRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id",)
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    def __init__(self, fine_tuning_job_id: _Optional[str] = ...) -> None: ...

class ResumeFineTuningJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: FineTuningJob
    def __init__(self, job: _Optional[_Union[FineTuningJob, _Mapping]] = ...) -> None: ...

class ListFineTuningJobEventsRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id", "after", "limit")
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    after: str
    limit: int
    def __init__(self, fine_tuning_job_id: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListFineTuningJobEventsResponse(_message.Message):
    __slots__ = ("events", "has_more")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.JobEvent]
    has_more: bool
    def __init__(self, events: _Optional[_Iterable[_Union[_jobs_pb2.JobEvent, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class ListFineTuningJobCheckpointsRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id", "after", "limit")
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    after: str
    limit: int
    def __init__(self, fine_tuning_job_id: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListFineTuningJobCheckpointsResponse(_message.Message):
    __slots__ = ("checkpoints", "has_more")
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[FineTuningCheckpoint]
    has_more: bool
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[FineTuningCheckpoint, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class WatchFineTuningJobRequest(_message.Message):
    __slots__ = ("fine_tuning_job_id", "after_sequence")
    FINE_TUNING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    fine_tuning_job_id: str
    after_sequence: int
    def __init__(self, fine_tuning_job_id: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class WatchFineTuningJobResponse(_message.Message):
    __slots__ = ("sequence", "event", "job")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    event: _jobs_pb2.JobEvent
    job: FineTuningJob
    def __init__(self, sequence: _Optional[int] = ..., event: _Optional[_Union[_jobs_pb2.JobEvent, _Mapping]] = ..., job: _Optional[_Union[FineTuningJob, _Mapping]] = ...) -> None: ...
