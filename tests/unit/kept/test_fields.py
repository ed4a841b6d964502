"""The protos have every field and value that the validators know: what is added to one fails here until it is in the other."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from pydantic import BaseModel

from cluster.edges.grpc.generated.ossature.v1 import (
    eval_definition_pb2,
    eval_run_pb2,
    evals_pb2,
    fine_tuning_pb2,
    jobs_pb2,
    paging_pb2,
)
from cluster.edges.grpc.translate.enums import EnumNames
from cluster.evals import data_source as sources
from cluster.evals import definitions, requests
from cluster.evals import messages as eval_messages
from cluster.evals.eval_service import Order, OrderBy
from cluster.evals.runs import data_source as run_sources
from cluster.evals.runs.outcome import ItemStatus
from cluster.evals.runs.shown import STATUSES
from cluster.jobs.model import Level
from cluster.tuning import request as tuning
from cluster.tuning.objects import Status
from cluster.tuning.trainer import StepMetrics

LEFT_OUT = {"type", "prompt_cache_breakpoint"}
"""The tag, which is the name of a oneof's arm; marks that have no effect."""

PAIRS: list[tuple[type[Message], type[BaseModel], set[str]]] = [
    (eval_definition_pb2.EvalStringCheck, definitions.StringCheck, set()),
    (eval_definition_pb2.EvalTextSimilarity, definitions.TextSimilarity, set()),
    (eval_definition_pb2.EvalLabelModel, definitions.LabelModel, set()),
    (eval_definition_pb2.EvalScoreModel, definitions.ScoreModel, set()),
    (eval_definition_pb2.EvalPython, definitions.Python, set()),
    (eval_definition_pb2.EvalJudgeSampling, definitions.JudgeSampling, set()),
    (eval_definition_pb2.EvalMessage, eval_messages.EvalMessage, set()),
    (eval_definition_pb2.EvalText, eval_messages.InputText, set()),
    (eval_definition_pb2.EvalImage, eval_messages.InputImage, set()),
    (eval_definition_pb2.EvalAudio, eval_messages.InputAudio, set()),
    (eval_definition_pb2.EvalAudioData, eval_messages.AudioData, set()),
    (eval_definition_pb2.EvalCustomConfig, sources.CustomSource, {"schema"}),
    (eval_definition_pb2.EvalLogsConfig, sources.LogsSource, {"schema"}),
    (eval_run_pb2.EvalJsonlRun, run_sources.JsonlRun, set()),
    (eval_run_pb2.EvalCompletionsRun, run_sources.CompletionsRun, set()),
    (eval_run_pb2.EvalResponsesRun, run_sources.ResponsesRun, set()),
    (eval_run_pb2.EvalInlineItems, run_sources.FileContent, set()),
    (eval_run_pb2.EvalInlineItem, run_sources.InlineRow, set()),
    (eval_run_pb2.EvalFileItems, run_sources.FileId, set()),
    (eval_run_pb2.EvalStoredItems, run_sources.StoredCompletionsFilter, set()),
    (eval_run_pb2.EvalTemplate, run_sources.TemplateMessages, set()),
    (eval_run_pb2.EvalItemReference, run_sources.ItemReference, set()),
    (eval_run_pb2.EvalChatSampling, run_sources.ChatSampling, set()),
    (eval_run_pb2.EvalResponsesSampling, run_sources.ResponsesSampling, set()),
    (evals_pb2.CreateEvalRequest, requests.CreateEval, set()),
    (evals_pb2.UpdateEvalRequest, requests.UpdateEval, {"eval_id"}),
    (evals_pb2.CreateEvalRunRequest, requests.CreateEvalRun, {"eval_id"}),
    (fine_tuning_pb2.SupervisedHyperparameters, tuning.SupervisedHyperparameters, set()),
    (fine_tuning_pb2.DpoHyperparameters, tuning.DpoHyperparameters, set()),
]


@pytest.mark.parametrize(("message", "model", "more"), PAIRS, ids=lambda value: getattr(value, "__name__", None))
def test_a_message_has_the_fields_of_its_validator(message: type[Message], model: type[BaseModel], more: set[str]) -> None:
    assert set(message.DESCRIPTOR.fields_by_name) - more == model.model_fields.keys() - LEFT_OUT


def test_a_job_has_no_former_places_and_no_integrations() -> None:
    fields = set(fine_tuning_pb2.CreateFineTuningJobRequest.DESCRIPTOR.fields_by_name)
    assert fields == tuning.CreateFineTuningJob.model_fields.keys() - {"hyperparameters", "integrations"}


@pytest.mark.parametrize(
    ("enum", "names"),
    [
        (eval_definition_pb2.EvalStringOperation, get_args(definitions.StringCheck.model_fields["operation"].annotation)),
        (eval_definition_pb2.EvalSimilarityMetric, get_args(definitions.Metric)),
        (eval_run_pb2.EvalRunStatus, tuple(STATUSES)),
        (eval_run_pb2.EvalItemStatus, tuple(ItemStatus)),
        (fine_tuning_pb2.FineTuningJobStatus, tuple(Status)),
        (jobs_pb2.JobEventLevel, get_args(Level)),
        (paging_pb2.SortOrder, get_args(Order)),
        (evals_pb2.EvalOrderBy, get_args(OrderBy)),
    ],
    ids=lambda value: value.DESCRIPTOR.name if hasattr(value, "DESCRIPTOR") else None,
)
def test_an_enum_has_the_values_of_its_validator(enum: Any, names: tuple[str, ...]) -> None:
    descriptor: EnumDescriptor = enum.DESCRIPTOR
    assert set(EnumNames(descriptor).by_name) == {str(name) for name in names}


def test_figures_of_a_step_have_their_fields() -> None:
    assert set(jobs_pb2.TrainingMetrics.DESCRIPTOR.fields_by_name) == set(StepMetrics.__dataclass_fields__)
