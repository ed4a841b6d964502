"""What is another organization's, or another project's, does not exist: every method of the three services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cluster.edges.grpc.generated.ossature.v1 import (
    eval_run_pb2,
    evals_pb2,
    fine_tuning_pb2,
    stored_completions_pb2,
)
from tests.unit.kept.errors import refused
from tests.unit.kept.evals import an_eval, asking, inline
from tests.unit.kept.scene import Scene, auth
from tests.unit.kept.things import Things, seen, things
from tests.unit.storage.served import GLOBEX

SERVICES = (
    stored_completions_pb2.DESCRIPTOR.services_by_name["StoredCompletionService"],
    evals_pb2.DESCRIPTOR.services_by_name["EvalService"],
    fine_tuning_pb2.DESCRIPTOR.services_by_name["FineTuningService"],
)
METHODS = {method.name: method for service in SERVICES for method in service.methods}
OWN = {"ListStoredCompletions", "ListEvals", "ListFineTuningJobs", "CreateEval", "CreateFineTuningJob"}
"""Methods without an id that somebody else could have: what they tell or make is the caller's own."""

NAMED: dict[str, Callable[[Things], str]] = {
    "completion_id": lambda made: made.completion_id,
    "eval_id": lambda made: made.eval_id,
    "run_id": lambda made: made.run_id,
    "output_item_id": lambda made: made.output_item_id,
    "fine_tuning_job_id": lambda made: made.job_id,
}
STRANGERS = pytest.mark.parametrize("key", ["sk-globex", "sk-acme-other"])


def called(scene: Scene, name: str, request: Message, key: str) -> Any:
    """The call of a method, by its descriptor."""
    method: MethodDescriptor = METHODS[name]
    answer = GetMessageClass(method.output_type)
    path = f"/{method.containing_service.full_name}/{name}"
    make: Any = scene.channel.unary_stream if method.server_streaming else scene.channel.unary_unary
    call = make(path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString)
    return call(request, metadata=auth(key), timeout=60)


def aimed(name: str, made: Things) -> Message:
    """A request for Acme's things, valid in all other regards."""
    kind = METHODS[name].input_type
    request = GetMessageClass(kind)(**{field.name: NAMED[field.name](made) for field in kind.fields if field.name in NAMED})
    if isinstance(request, evals_pb2.CreateEvalRunRequest):
        request.data_source.CopyFrom(asking(inline(("a", "a"))))
    return request


async def told(call: Any) -> Any:
    """A unary answer, or a stream's first message."""
    return await call.read() if hasattr(call, "read") else await call


def test_every_other_method_names_whose_it_is() -> None:
    assert {
        name for name, method in METHODS.items() if not {field.name for field in method.input_type.fields} & NAMED.keys()
    } == OWN


@STRANGERS
async def test_what_is_somebody_elses_is_not_found_by_any_method(scene: Scene, key: str) -> None:
    made = await things(scene)
    before = await seen(scene, made)
    codes = {}
    for name in sorted(METHODS.keys() - OWN):
        refusal = await refused(told(called(scene, name, aimed(name, made), key)))
        codes[name] = refusal.code
        # The answer for what never existed is the same, but for the id itself.
        nothing = await refused(told(called(scene, name, aimed(name, _unknown(made)), key)))
        assert (refusal.reason, refusal.field) == (nothing.reason, nothing.field), name
    assert codes == dict.fromkeys(codes, grpc.StatusCode.NOT_FOUND)
    assert await seen(scene, made) == before


async def test_the_same_requests_are_answered_to_their_owner(scene: Scene) -> None:
    """So that the table above is not refused for another reason."""
    made = await things(scene)
    ends = {"CancelEvalRun", "CancelFineTuningJob", "PauseFineTuningJob", "ResumeFineTuningJob"}
    last = ["DeleteEvalRun", "DeleteEval", "DeleteStoredCompletion"]
    for name in [*sorted(METHODS.keys() - OWN - ends - set(last)), *last]:
        await told(called(scene, name, aimed(name, made), "sk-acme"))
    for name in ends - {"CancelEvalRun"}:
        over = await refused(told(called(scene, name, aimed(name, made), "sk-acme")))
        assert over.code is grpc.StatusCode.ALREADY_EXISTS, "it is over"


@STRANGERS
async def test_lists_have_nothing_of_somebody_else_and_can_not_begin_there(scene: Scene, key: str) -> None:
    made = await things(scene)
    for name, after in (
        ("ListStoredCompletions", made.completion_id),
        ("ListEvals", made.eval_id),
        ("ListFineTuningJobs", made.job_id),
    ):
        kind = GetMessageClass(METHODS[name].input_type)
        assert (await called(scene, name, kind(), key)).ByteSize() == 0
        refusal = await refused(called(scene, name, kind(after=after), key))
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "after")


@STRANGERS
async def test_nothing_is_made_of_somebody_elses_files_and_models(scene: Scene, key: str) -> None:
    made = await things(scene)
    own = await an_eval(scene, auth(key))
    file = eval_run_pb2.EvalItemSource(file_id=eval_run_pb2.EvalFileItems(id=made.evals_file))
    refusal = await refused(
        scene.evals.CreateEvalRun(evals_pb2.CreateEvalRunRequest(eval_id=own, data_source=asking(file)), metadata=auth(key))
    )
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "data_source.source.id")
    asked = fine_tuning_pb2.CreateFineTuningJobRequest(model="demo", training_file=made.training_file)
    refusal = await refused(scene.tuning.CreateFineTuningJob(asked, metadata=auth(key)))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "training_file")
    # Acme's run under an eval of one's own.
    for name in ("GetEvalRun", "ListEvalRunOutputItems", "CancelEvalRun", "DeleteEvalRun", "WatchEvalRun"):
        request = GetMessageClass(METHODS[name].input_type)(eval_id=own, run_id=made.run_id)
        assert (await refused(told(called(scene, name, request, key)))).code is grpc.StatusCode.NOT_FOUND
    # A tuned model is its organization's, whichever project made it.
    if key == "sk-globex":
        source = asking(inline(("a", "a")), model=made.model_id)
        refusal = await refused(
            scene.evals.CreateEvalRun(evals_pb2.CreateEvalRunRequest(eval_id=own, data_source=source), metadata=auth(key))
        )
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "data_source.model")
        file_id = await scene.training_file(GLOBEX)
        asked = fine_tuning_pb2.CreateFineTuningJobRequest(model=made.model_id, training_file=file_id)
        refusal = await refused(scene.tuning.CreateFineTuningJob(asked, metadata=auth(key)))
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "model")


async def test_headers_give_nobody_another_identity(scene: Scene) -> None:
    made = await things(scene)
    pretended = (*auth("sk-globex"), ("x-organization", "org_" + "a" * 32), ("openai-user", "acme"))
    asked = stored_completions_pb2.GetStoredCompletionRequest(completion_id=made.completion_id)
    refusal = await refused(scene.completions.GetStoredCompletion(asked, metadata=pretended))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


def _unknown(made: Things) -> Things:
    """Ids of the same form that nobody has."""
    return Things(
        **{name: value[: -len(value.rpartition("-")[2].rpartition("_")[2])] + "0" * 32 for name, value in vars(made).items()}
    )
