from __future__ import annotations

import copy
from typing import Any

import pytest

from cluster.errors import InvalidRequest
from cluster.evals.data_source import described, namespaces_schema, parse_source
from cluster.evals.definitions import Multi, parse_criteria, parse_grader
from cluster.evals.template_check import check_templates
from tests.openai_schema import SchemaOracle

STRING = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
    "operation": "eq",
}
SIMILARITY = {
    "type": "text_similarity",
    "name": "close",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
    "evaluation_metric": "rouge_l",
    "pass_threshold": 0.8,
}
MESSAGES = [
    {"role": "system", "content": "You grade."},
    {
        "type": "message",
        "role": "user",
        "content": [
            "text {{item.label}}",
            {"type": "input_text", "text": "{{sample.output_text}}"},
            {"type": "input_image", "image_url": "{{item.picture}}", "detail": "low"},
            {"type": "input_audio", "input_audio": {"data": "{{item.sound}}", "format": "wav"}},
        ],
    },
    {"role": "assistant", "content": {"type": "output_text", "text": "ok"}},
]
LABEL = {
    "type": "label_model",
    "name": "tone",
    "model": "judge",
    "input": MESSAGES,
    "labels": ["good", "bad"],
    "passing_labels": ["good"],
}
SCORE = {
    "type": "score_model",
    "name": "quality",
    "model": "judge",
    "sampling_params": {
        "seed": 7,
        "top_p": 0.9,
        "temperature": None,
        "max_completions_tokens": 100,
        "reasoning_effort": "low",
    },
    "input": MESSAGES,
    "range": [0.0, 10.0],
    "pass_threshold": 6.0,
}
PYTHON = {
    "type": "python",
    "name": "code",
    "source": "def grade(sample, item): return 1.0",
    "image_tag": "x",
    "pass_threshold": 0.5,
}
CRITERIA = {
    "EvalGraderStringCheck": STRING,
    "EvalGraderTextSimilarity": SIMILARITY,
    "EvalGraderLabelModel": LABEL,
    "EvalGraderScoreModel": SCORE,
    "EvalGraderPython": PYTHON,
}


def alone(grader: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in grader.items() if name != "pass_threshold"}


MULTI = {
    "type": "multi",
    "name": "both",
    "graders": {"exact": alone(STRING), "close": alone(SIMILARITY)},
    "calculate_output": "0.5 * exact + 0.5 * close",
}


@pytest.mark.parametrize("component", CRITERIA)
def test_a_criterion_with_every_field_reads_back_as_it_was_written(component: str) -> None:
    [criterion] = parse_criteria([CRITERIA[component]])
    assert criterion.to_json() == CRITERIA[component]
    assert SchemaOracle.load().problems(component, criterion.to_json()) == []


@pytest.mark.parametrize(
    ("component", "grader"),
    [
        ("GraderStringCheck", alone(STRING)),
        ("GraderTextSimilarity", alone(SIMILARITY)),
        ("GraderLabelModel", LABEL),
        ("GraderScoreModel", alone(SCORE)),
        ("GraderPython", alone(PYTHON)),
        ("GraderMulti", {**MULTI, "graders": alone(STRING), "calculate_output": "exact"}),
    ],
)
def test_a_grader_alone_reads_back_as_it_was_written(component: str, grader: dict[str, Any]) -> None:
    assert parse_grader(grader).to_json() == grader
    assert SchemaOracle.load().problems(component, parse_grader(grader).to_json()) == []


def test_a_multi_grader_takes_a_map_by_variable_name() -> None:
    grader = parse_grader(MULTI)
    assert isinstance(grader, Multi)
    assert list(grader.parts) == ["exact", "close"]
    assert grader.to_json() == MULTI


def test_fields_that_were_not_given_are_not_invented() -> None:
    written = {"type": "python", "name": "n", "source": "x"}
    assert parse_criteria([written])[0].to_json() == written


def changed(grader: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with one field set; ``...`` removes it."""
    copied: Any = copy.deepcopy(grader)
    *parents, last = path.split(".")
    node = copied
    for step in parents:
        node = node[int(step)] if isinstance(node, list) else node[step]
    key: Any = int(last) if isinstance(node, list) else last
    if value is ...:
        del node[key]
    else:
        node[key] = value
    return copied


@pytest.mark.parametrize("component", CRITERIA)
def test_every_required_field_is_missed_by_its_path(component: str) -> None:
    required = {"EvalGraderTextSimilarity": ["pass_threshold", "evaluation_metric"], "EvalGraderPython": ["source"]}
    for field in ["name", "type", *required.get(component, ["input"])]:
        with pytest.raises(InvalidRequest) as caught:
            parse_criteria([STRING, changed(CRITERIA[component], field, ...)])
        assert caught.value.param == f"testing_criteria.1.{field}"
        assert caught.value.code == "missing_required_parameter"


@pytest.mark.parametrize(
    ("grader", "path", "value"),
    [
        (STRING, "operation", "contains"),
        (STRING, "operation", None),
        (STRING, "input", 5),
        (STRING, "input", "{{item."),
        (STRING, "reference", "{{label}}"),
        (STRING, "name", ""),
        (STRING, "type", "string"),
        (STRING, "pass_threshold", 0.5),
        (STRING, "extra", 1),
        (SIMILARITY, "evaluation_metric", "rouge_6"),
        (SIMILARITY, "pass_threshold", "0.8"),
        (SIMILARITY, "pass_threshold", None),
        (SIMILARITY, "pass_threshold", float("nan")),
        (LABEL, "labels", []),
        (LABEL, "labels", ["good", "good"]),
        (LABEL, "passing_labels", ["great"]),
        (LABEL, "input", []),
        (LABEL, "input.0.role", "tool"),
        (LABEL, "input.0.content", 1),
        (LABEL, "input.1.content.1.text", "{{oops}}"),
        (LABEL, "input.1.content.1.type", "text"),
        (LABEL, "input.1.content.2.detail", "huge"),
        (LABEL, "input.1.content.2.detail", None),
        (LABEL, "input.1.type", None),
        (LABEL, "input.1.content.3.input_audio.format", "ogg"),
        (LABEL, "input.1.content.0", "{{"),
        (LABEL, "input.2.content.text", "{{"),
        (LABEL, "sampling_params", {}),
        (SCORE, "range", [1.0, 0.0]),
        (SCORE, "range", [0.0]),
        (SCORE, "range", None),
        (SCORE, "sampling_params.temperature", 3.0),
        (SCORE, "sampling_params.max_completions_tokens", 0),
        (SCORE, "sampling_params.max_completion_tokens", 5),
        (SCORE, "sampling_params.reasoning_effort", "huge"),
        (SCORE, "model", ""),
        (PYTHON, "source", ""),
        (PYTHON, "image_tag", 5),
        (PYTHON, "image_tag", None),
    ],
)
def test_a_bad_field_is_refused_with_its_path(grader: dict[str, Any], path: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_criteria([changed(grader, path, value)])
    assert (caught.value.param or "").startswith(f"testing_criteria.0.{path}")


@pytest.mark.parametrize(
    ("path", "value", "param"),
    [
        ("calculate_output", "exact + other", "grader.calculate_output"),
        ("calculate_output", "exact +", "grader.calculate_output"),
        ("calculate_output", "__import__('os')", "grader.calculate_output"),
        ("graders", {}, "grader.graders"),
        ("graders", [], "grader.graders"),
        ("graders.exact.operation", "x", "grader.graders.exact.operation"),
        ("graders.exact.pass_threshold", 0.5, "grader.graders.exact.pass_threshold"),
        ("graders.close.pass_threshold", 0.5, "grader.graders.close.pass_threshold"),
        ("graders.close.input", "{{", "grader.graders.close.input"),
        ("graders.min", alone(STRING), "grader.graders"),
        ("graders.two words", alone(STRING), "grader.graders.two words"),
        ("graders.exact", MULTI, "grader.graders.exact.type"),
        ("graders", {**alone(STRING), "name": "two words"}, "grader.graders"),
    ],
)
def test_a_bad_multi_grader_is_refused_with_its_path(path: str, value: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_grader(changed(MULTI, path, value))
    assert caught.value.param == param


def test_a_grader_alone_has_no_threshold() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_grader(SIMILARITY)
    assert caught.value.param == "grader.pass_threshold"


def test_multi_is_no_criterion_of_an_eval() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_criteria([MULTI])
    assert caught.value.param == "testing_criteria.0.type"


def test_templates_of_messages_are_found_where_they_stand() -> None:
    [criterion] = parse_criteria([LABEL])
    places = [where for where, _ in criterion.templates("testing_criteria.0")]
    assert places == [
        "testing_criteria.0.input.0.content",
        "testing_criteria.0.input.1.content.0",
        "testing_criteria.0.input.1.content.1.text",
        "testing_criteria.0.input.1.content.2.image_url",
        "testing_criteria.0.input.1.content.3.input_audio.data",
        "testing_criteria.0.input.2.content.text",
    ]


# --- data sources ---------------------------------------------------------------------------------------------------------

CUSTOM = {"type": "custom", "item_schema": {"type": "object", "properties": {"label": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("component", "raw"),
    [
        ("EvalCustomDataSourceConfig", CUSTOM),
        ("EvalCustomDataSourceConfig", {**CUSTOM, "include_sample_schema": True}),
        ("EvalLogsDataSourceConfig", {"type": "logs", "metadata": {"use": "chat"}}),
        ("EvalStoredCompletionsDataSourceConfig", {"type": "stored_completions"}),
    ],
)
def test_a_data_source_is_read_back_with_its_schema(component: str, raw: dict[str, Any]) -> None:
    body = described(parse_source(raw))
    assert SchemaOracle.load().problems(component, body) == []
    assert "item" in body["schema"]["properties"]


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ({"type": "custom"}, "data_source_config.item_schema"),
        ({"type": "csv"}, "data_source_config.type"),
        ({**CUSTOM, "item_schema": {"type": "array"}}, "data_source_config.item_schema.type"),
        ({**CUSTOM, "item_schema": {"properties": {"x": {"type": "text"}}}}, "data_source_config.item_schema.properties.x.type"),
        ({**CUSTOM, "metadata": {}}, "data_source_config.metadata"),
    ],
)
def test_a_bad_data_source_is_refused_with_its_path(raw: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_source(raw)
    assert caught.value.param == param


def test_graders_of_answers_need_a_source_with_answers() -> None:
    templates = list(parse_criteria([STRING])[0].templates("testing_criteria.0"))
    check_templates(templates, namespaces_schema(parse_source({**CUSTOM, "include_sample_schema": True})))
    with pytest.raises(InvalidRequest, match="no 'sample'"):
        check_templates(templates, namespaces_schema(parse_source(CUSTOM)))
