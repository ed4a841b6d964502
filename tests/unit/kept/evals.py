"""Evals and runs that tests ask for over gRPC."""

from __future__ import annotations

import json
from typing import Any

from cluster.edges.grpc.generated.ossature.v1 import eval_definition_pb2 as definition
from cluster.edges.grpc.generated.ossature.v1 import eval_run_pb2 as runs
from cluster.edges.grpc.generated.ossature.v1 import evals_pb2, message_pb2
from tests.unit.eval_runs.bench import EXACT, SCHEMA
from tests.unit.kept.scene import AUTH, Metadata, Scene


def custom() -> definition.EvalDataSourceConfig:
    config = definition.EvalCustomConfig(item_schema=json.dumps(SCHEMA), include_sample_schema=True)
    return definition.EvalDataSourceConfig(custom=config)


def exact() -> definition.EvalGrader:
    check = definition.EvalStringCheck(
        name="exact",
        input=EXACT["input"],
        reference=EXACT["reference"],
        operation=definition.EVAL_STRING_OPERATION_EQ,
    )
    return definition.EvalGrader(string_check=check)


def said(role: message_pb2.Role.ValueType, text: str) -> definition.EvalMessage:
    return definition.EvalMessage(role=role, content=definition.EvalContent(text=text))


def create_eval(**fields: Any) -> evals_pb2.CreateEvalRequest:
    given: dict[str, Any] = {"data_source_config": custom(), "testing_criteria": [exact()], **fields}
    return evals_pb2.CreateEvalRequest(**given)


def inline(*items: tuple[str, str]) -> runs.EvalItemSource:
    rows = [_compact({"question": question, "answer": answer}) for question, answer in items]
    content = [runs.EvalInlineItem(item=row) for row in rows]
    return runs.EvalItemSource(file_content=runs.EvalInlineItems(content=content))


def asking(source: runs.EvalItemSource, **fields: Any) -> runs.EvalRunDataSource:
    template = runs.EvalTemplate(template=[said(message_pb2.ROLE_USER, "{{item.question}}")])
    given: dict[str, Any] = {"model": "demo", "input_messages": runs.EvalInputMessages(template=template), **fields}
    return runs.EvalRunDataSource(completions=runs.EvalCompletionsRun(source=source, **given))


async def an_eval(scene: Scene, metadata: Metadata = AUTH, **fields: Any) -> str:
    return str((await scene.evals.CreateEval(create_eval(**fields), metadata=metadata)).eval.id)


async def a_run(scene: Scene, eval_id: str, *items: tuple[str, str]) -> str:
    asked = evals_pb2.CreateEvalRunRequest(eval_id=eval_id, data_source=asking(inline(*(items or (("a", "a"), ("b", "x"))))))
    return str((await scene.evals.CreateEvalRun(asked, metadata=AUTH)).run.id)


def _compact(value: dict[str, str]) -> str:
    """As JSON text comes back."""
    return json.dumps(value, separators=(",", ":"))
