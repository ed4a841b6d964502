"""``EvalService`` over a real socket: evals, runs and what comes out of them."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, evals_pb2, message_pb2, paging_pb2, tool_pb2
from cluster.edges.grpc.generated.ossature.v1 import eval_definition_pb2 as definition
from cluster.edges.grpc.generated.ossature.v1 import eval_run_pb2 as runs
from cluster.files.model import Purpose
from tests.unit.eval_runs.bench import row
from tests.unit.kept.errors import refused
from tests.unit.kept.evals import a_run, an_eval, asking, create_eval, exact, inline, said
from tests.unit.kept.scene import AUTH, Scene


def every_grader() -> list[definition.EvalGrader]:
    asked = said(message_pb2.ROLE_USER, "Good? {{sample.output_text}}")
    audio = definition.EvalAudio(input_audio=definition.EvalAudioData(data="UklGRg==", format="wav"))
    parts = [
        definition.EvalContentPart(text="plain"),
        definition.EvalContentPart(input_text=definition.EvalText(text="in")),
        definition.EvalContentPart(output_text=definition.EvalText(text="out")),
        definition.EvalContentPart(
            input_image=definition.EvalImage(image_url="https://images.example/a.png", detail=message_pb2.IMAGE_DETAIL_LOW)
        ),
        definition.EvalContentPart(input_audio=audio),
    ]
    content = definition.EvalContent(parts=definition.EvalContentPartList(items=parts))
    similar = definition.EvalTextSimilarity(
        name="similar",
        input="{{sample.output_text}}",
        reference="{{item.answer}}",
        evaluation_metric=definition.EVAL_SIMILARITY_METRIC_ROUGE_L,
        pass_threshold=0.0,
    )
    label = definition.EvalLabelModel(
        name="label",
        model="demo",
        input=[asked, definition.EvalMessage(role=message_pb2.ROLE_DEVELOPER, content=content)],
        labels=["good", "bad"],
        passing_labels=["good"],
    )
    score = definition.EvalScoreModel(
        name="score",
        model="demo",
        input=[asked],
        sampling_params=definition.EvalJudgeSampling(
            seed=3, temperature=0.5, top_p=0.75, max_completions_tokens=5, reasoning_effort=chat_pb2.REASONING_EFFORT_LOW
        ),
        range=[0.0, 10.0],
        pass_threshold=5.0,
    )
    python = definition.EvalPython(name="code", source="def grade(sample, item):\n    return 1.0\n", pass_threshold=0.5)
    return [
        exact(),
        definition.EvalGrader(text_similarity=similar),
        definition.EvalGrader(label_model=label),
        definition.EvalGrader(score_model=score),
        definition.EvalGrader(python=python),
    ]


async def test_every_kind_of_grader_comes_back_as_it_was_sent(scene: Scene) -> None:
    graders = every_grader()
    made = (await scene.evals.CreateEval(create_eval(testing_criteria=graders, name="all"), metadata=AUTH)).eval
    assert list(made.testing_criteria) == graders
    assert made == (await scene.evals.GetEval(evals_pb2.GetEvalRequest(eval_id=made.id), metadata=AUTH)).eval
    assert made.name == "all"
    assert set(json.loads(made.data_source_config.custom.schema)["properties"]) == {"item", "sample"}


async def test_a_message_of_a_single_part_is_told_as_a_list_of_one(scene: Scene) -> None:
    """JSON knows the one without the other."""
    judge = {
        "type": "label_model",
        "name": "label",
        "model": "demo",
        "labels": ["a"],
        "passing_labels": ["a"],
        "input": [{"role": "user", "content": {"type": "input_text", "text": "x"}}],
    }
    async with scene.served.http_client() as http:
        body = {"data_source_config": {"type": "logs", "metadata": {"n": 1}}, "testing_criteria": [judge]}
        eval_id = (await http.post("/v1/evals", json=body)).json()["id"]
    got = (await scene.evals.GetEval(evals_pb2.GetEvalRequest(eval_id=eval_id), metadata=AUTH)).eval
    (part,) = got.testing_criteria[0].label_model.input[0].content.parts.items
    assert part.input_text.text == "x"
    assert dict(got.data_source_config.logs.metadata) == {"n": "1"}


async def test_evals_are_listed_changed_and_deleted(scene: Scene) -> None:
    made = [await an_eval(scene, name=str(number)) for number in range(3)]

    async def ids(**fields: Any) -> list[str]:
        answer = await scene.evals.ListEvals(evals_pb2.ListEvalsRequest(**fields), metadata=AUTH)
        return [each.id for each in answer.evals]

    assert await ids() == made
    assert await ids(order=paging_pb2.SORT_ORDER_DESC, limit=2) == made[:0:-1]
    assert await ids(after=made[0]) == made[1:]
    asked = evals_pb2.UpdateEvalRequest(eval_id=made[0], name="new", metadata=evals_pb2.NewMetadata(pairs={"k": "v"}))
    changed = (await scene.evals.UpdateEval(asked, metadata=AUTH)).eval
    assert (changed.name, dict(changed.metadata)) == ("new", {"k": "v"})
    assert await ids(order_by=evals_pb2.EVAL_ORDER_BY_UPDATED_AT) == [*made[1:], made[0]]
    kept = (await scene.evals.UpdateEval(evals_pb2.UpdateEvalRequest(eval_id=made[0]), metadata=AUTH)).eval
    assert (kept.name, dict(kept.metadata)) == ("new", {"k": "v"})
    none = evals_pb2.UpdateEvalRequest(eval_id=made[0], metadata=evals_pb2.NewMetadata())
    assert not (await scene.evals.UpdateEval(none, metadata=AUTH)).eval.metadata
    await scene.evals.DeleteEval(evals_pb2.DeleteEvalRequest(eval_id=made[0]), metadata=AUTH)
    assert await ids() == made[1:]


async def test_a_run_samples_grades_and_counts(scene: Scene) -> None:
    eval_id = await an_eval(scene)
    run_id = await a_run(scene, eval_id, ("a", "a"), ("b", "x"), ("c", "c"))
    one = evals_pb2.GetEvalRunRequest(eval_id=eval_id, run_id=run_id)
    queued = (await scene.evals.GetEvalRun(one, metadata=AUTH)).run
    assert (queued.status, queued.progress.done, queued.progress.total) == (runs.EVAL_RUN_STATUS_QUEUED, 0, 3)
    await scene.work()
    done = (await scene.evals.GetEvalRun(one, metadata=AUTH)).run
    assert (done.status, done.HasField("error")) == (runs.EVAL_RUN_STATUS_COMPLETED, False)
    assert done.result_counts == runs.EvalResultCounts(total=3, errored=0, failed=1, passed=2)
    assert done.data_source == asking(inline(("a", "a"), ("b", "x"), ("c", "c")))
    (usage,) = done.per_model_usage
    assert (usage.model_name, usage.invocation_count, usage.prompt_tokens) == ("demo", 3, 6000)
    (criterion,) = done.per_testing_criteria_results
    assert (criterion.testing_criteria, criterion.passed, criterion.failed) == ("exact", 2, 1)

    async def items(**fields: Any) -> list[runs.EvalRunOutputItem]:
        asked = evals_pb2.ListEvalRunOutputItemsRequest(eval_id=eval_id, run_id=run_id, **fields)
        return list((await scene.evals.ListEvalRunOutputItems(asked, metadata=AUTH)).output_items)

    all_items = await items()
    assert [each.status for each in all_items] == [
        runs.EVAL_ITEM_STATUS_PASS,
        runs.EVAL_ITEM_STATUS_FAIL,
        runs.EVAL_ITEM_STATUS_PASS,
    ]
    assert [json.loads(each.datasource_item)["question"] for each in all_items] == ["a", "b", "c"]
    assert all_items == await items(limit=2) + await items(after=all_items[1].id)
    assert await items(status=runs.EVAL_ITEM_STATUS_FAIL) == [all_items[1]]
    sample = all_items[1].sample
    assert [(each.role, each.content) for each in (*sample.input, *sample.output)] == [("user", "b"), ("assistant", "b")]
    assert (sample.temperature, sample.seed, sample.HasField("error")) == (1.0, 42, False)
    assert (all_items[1].results[0].name, all_items[1].results[0].passed) == ("exact", False)
    asked = evals_pb2.GetEvalRunOutputItemRequest(eval_id=eval_id, run_id=run_id, output_item_id=all_items[1].id)
    assert (await scene.evals.GetEvalRunOutputItem(asked, metadata=AUTH)).output_item == all_items[1]


async def test_every_form_of_a_source_comes_back_as_it_was_sent(scene: Scene) -> None:
    file_id = await scene.upload(json.dumps(row("a")).encode(), Purpose.EVALS)
    await scene.store(metadata={"task": "x"})
    function = tool_pb2.FunctionDefinition(name="f", parameters='{"type":"object","properties":{}}')
    shape = tool_pb2.ResponseFormat(json_schema=tool_pb2.JsonSchemaFormat(name="n", schema='{"type":"object","properties":{}}'))
    by_reference = runs.EvalInputMessages(item_reference=runs.EvalItemReference(item_reference="item.question"))
    file = runs.EvalItemSource(file_id=runs.EvalFileItems(id=file_id))
    chat_sampling = runs.EvalChatSampling(
        temperature=0.5, seed=1, response_format=shape, tools=[tool_pb2.Tool(function=function)], max_completion_tokens=7
    )
    flat_sampling = runs.EvalResponsesSampling(
        top_p=0.5, text=runs.EvalTextOptions(format=shape), tools=[runs.EvalResponseTool(function=function)]
    )
    rows = [runs.EvalInlineItem(item='{"question":"q","answer":"a"}', sample='{"output_text":"a"}')]
    sources = [
        asking(file, sampling_params=chat_sampling, input_messages=by_reference),
        runs.EvalRunDataSource(
            responses=runs.EvalResponsesRun(source=file, input_messages=by_reference, sampling_params=flat_sampling, model="demo")
        ),
        runs.EvalRunDataSource(
            jsonl=runs.EvalJsonlRun(source=runs.EvalItemSource(file_content=runs.EvalInlineItems(content=rows)))
        ),
    ]
    eval_id = await an_eval(scene)
    for source in sources:
        asked = evals_pb2.CreateEvalRunRequest(eval_id=eval_id, data_source=source, name="named", metadata={"k": "v"})
        run = (await scene.evals.CreateEvalRun(asked, metadata=AUTH)).run
        assert (run.data_source, run.name, dict(run.metadata)) == (source, "named", {"k": "v"})
    logs = definition.EvalDataSourceConfig(logs=definition.EvalLogsConfig(metadata={"task": "x"}))
    judged = [definition.EvalGrader(python=definition.EvalPython(name="p", source="def grade(sample, item):\n    return 1.0\n"))]
    stored = runs.EvalItemSource(
        stored_completions=runs.EvalStoredItems(metadata={"task": "x"}, model="demo", created_after=1, limit=5)
    )
    kept = runs.EvalRunDataSource(completions=runs.EvalCompletionsRun(source=stored))
    over_logs = await an_eval(scene, data_source_config=logs, testing_criteria=judged)
    run = (await scene.evals.CreateEvalRun(evals_pb2.CreateEvalRunRequest(eval_id=over_logs, data_source=kept), metadata=AUTH)).run
    assert run.data_source == kept


async def test_runs_are_listed_by_status_cancelled_and_deleted(scene: Scene) -> None:
    eval_id = await an_eval(scene)
    first = await a_run(scene, eval_id)
    await scene.work()
    second = await a_run(scene, eval_id)

    async def ids(**fields: Any) -> list[str]:
        answer = await scene.evals.ListEvalRuns(evals_pb2.ListEvalRunsRequest(eval_id=eval_id, **fields), metadata=AUTH)
        return [each.id for each in answer.runs]

    assert await ids() == [first, second]
    assert await ids(status=runs.EVAL_RUN_STATUS_QUEUED) == [second]
    assert await ids(after=first) == [second]
    cancel = evals_pb2.CancelEvalRunRequest(eval_id=eval_id, run_id=second)
    assert (await scene.evals.CancelEvalRun(cancel, metadata=AUTH)).run.status == runs.EVAL_RUN_STATUS_CANCELED
    over = await refused(scene.evals.CancelEvalRun(evals_pb2.CancelEvalRunRequest(eval_id=eval_id, run_id=first), metadata=AUTH))
    assert (over.code, over.reason, over.field) == (grpc.StatusCode.ALREADY_EXISTS, "RUN_FINISHED", "run_id")
    await scene.evals.DeleteEvalRun(evals_pb2.DeleteEvalRunRequest(eval_id=eval_id, run_id=first), metadata=AUTH)
    assert await ids() == [second]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"data_source_config": None}, "data_source_config"),
        ({"testing_criteria": []}, "testing_criteria"),
        ({"testing_criteria": [definition.EvalGrader()]}, "testing_criteria.0"),
        ({"testing_criteria": [definition.EvalGrader(string_check=definition.EvalStringCheck())]}, "testing_criteria.0.name"),
        ({"data_source_config": definition.EvalDataSourceConfig()}, "data_source_config"),
        (
            {
                "data_source_config": definition.EvalDataSourceConfig(
                    custom=definition.EvalCustomConfig(item_schema='{"a": 1, "a": 2}')
                )
            },
            "data_source_config.item_schema",
        ),
        ({"name": "x" * 257}, "name"),
    ],
)
async def test_what_is_wrong_with_an_eval_is_named(scene: Scene, fields: dict[str, Any], field: str) -> None:
    refusal = await refused(scene.evals.CreateEval(create_eval(**fields), metadata=AUTH))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_what_is_wrong_with_a_run_is_named(scene: Scene) -> None:
    eval_id = await an_eval(scene)
    unknown_model = asking(inline(("a", "a")), model="nothing")
    row_of_numbers = runs.EvalInlineItem(item='{"question": 1, "answer": "a"}')
    misfit = runs.EvalItemSource(file_content=runs.EvalInlineItems(content=[row_of_numbers]))
    for source, field in (
        (None, "data_source"),
        (runs.EvalRunDataSource(), "data_source"),
        (unknown_model, "data_source.model"),
        (asking(misfit), "data_source.source.content.0.item.question"),
        (asking(runs.EvalItemSource(file_id=runs.EvalFileItems(id="file-0"))), "data_source.source.id"),
    ):
        asked = evals_pb2.CreateEvalRunRequest(eval_id=eval_id, data_source=source)
        refusal = await refused(scene.evals.CreateEvalRun(asked, metadata=AUTH))
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
