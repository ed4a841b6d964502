from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.errors import EngineFailed, InvalidRequest, ModelNotFound, OssatureError, Overloaded, RateLimited
from cluster.evals.asking import InferenceAsk, Question, Reply
from cluster.evals.case import Case, sample_of
from cluster.evals.definitions import parse_criteria, parse_grader
from cluster.evals.grade import Fault, Grade, ModelUsage, run_grader_response
from cluster.evals.graders.string_check import check
from cluster.evals.grading import Grading
from cluster.evals.judging import Judge
from cluster.identity.principal import Principal
from cluster.inference.service import ModelCard
from tests.openai_schema import SchemaOracle
from tests.unit.evals.fake_judge import USAGE, FakeJudge, says
from tests.unit.evals.test_definitions import LABEL, MESSAGES, MULTI, PYTHON, SCORE, SIMILARITY, STRING, alone, changed
from tests.unit.fake_inference import FakeInference, chat_body

CASE = Case(item={"label": "Paris", "picture": "data:image/png;base64,AA==", "sound": "AA=="}, sample=sample_of("Paris"))
TEXT_ONLY = [{"role": "user", "content": "Grade {{sample.output_text}} against {{item.label}}."}]


async def graded(
    grader: dict[str, Any], case: Case = CASE, *answers: Reply | OssatureError, attempts: int = 3
) -> tuple[Grade, FakeJudge]:
    judge = FakeJudge(list(answers))
    grading = Grading(Judge(judge, attempts=attempts, sleep=judge.sleep), sandbox=None, why="no sandbox here")
    [criterion] = parse_criteria([grader])
    return await grading.grade(criterion, case), judge


# --- string_check ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "text", "reference", "expected"),
    [
        ("eq", "a", "a", True),
        ("eq", "a", "A", False),
        ("eq", "a ", "a", False),
        ("eq", "", "", True),
        ("eq", "é", "e\u0301", False),
        ("ne", "a", "b", True),
        ("ne", "a", "a", False),
        ("like", "the cat", "cat", True),
        ("like", "the cat", "Cat", False),
        ("like", "cat", "the cat", False),
        ("like", "cat", "", True),
        ("like", "cat", "c%t", False),
        ("like", "c%t", "%", True),
        ("ilike", "the CAT", "cat", True),
        ("ilike", "the cat", "DOG", False),
        ("ilike", "STRASSE", "straße", True),
    ],
)
def test_string_operations(operation: str, text: str, reference: str, expected: bool) -> None:
    assert check(operation, text, reference) is expected


async def test_string_check_scores_one_or_zero() -> None:
    same, _ = await graded(STRING)
    other, _ = await graded(STRING, Case(CASE.item, sample_of("Rome")))
    assert (same.score, same.passed, same.error) == (1.0, True, None)
    assert (other.score, other.passed, other.error) == (0.0, False, None)


async def test_a_missing_field_is_an_error_of_that_item() -> None:
    grade, _ = await graded(STRING, Case({}, CASE.sample))
    assert (grade.score, grade.passed) == (0.0, False)
    assert grade.error is not None
    assert grade.error.code is Fault.INVALID_VARIABLE
    assert "item.label" in grade.error.message


# --- text_similarity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "passed"), [(0.5, True), (0.75, True), (0.76, False)])
async def test_similarity_passes_at_its_threshold(threshold: float, passed: bool) -> None:
    grader = {**SIMILARITY, "evaluation_metric": "fuzzy_match", "pass_threshold": threshold}
    grade, _ = await graded(grader, Case({"label": "abcd"}, sample_of("abxd")))
    assert (grade.score, grade.passed) == (0.75, passed)


async def test_a_text_that_is_too_long_is_an_error_of_that_item() -> None:
    grade, _ = await graded(SIMILARITY, Case({"label": "x" * 60_000}, sample_of("x")))
    assert grade.error is not None
    assert grade.error.code is Fault.TRUNCATED


# --- models ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "score"), [("good", 1.0), ("bad", 0.0)])
async def test_a_label_model_passes_by_its_labels(label: str, score: float) -> None:
    grade, judge = await graded(LABEL, CASE, says(label))
    assert (grade.score, grade.passed, grade.label) == (score, score == 1.0, label)
    assert grade.usage == (ModelUsage("judge", 1, 10, 2, 0),)
    [question] = judge.asked
    schema = question.options["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["verdict"]["enum"] == ["good", "bad"]
    assert grade.to_result()["label"] == label


async def test_messages_reach_the_model_filled_in() -> None:
    _, judge = await graded(LABEL, CASE, says("good"))
    system, user, assistant = judge.asked[0].messages
    assert system["content"].startswith("You grade.\n\nAnswer with a JSON object")
    assert user["content"] == [
        {"type": "text", "text": "text Paris"},
        {"type": "text", "text": "Paris"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    assert assistant["content"] == [{"type": "text", "text": "ok"}]


async def test_the_form_of_the_answer_comes_first_where_no_system_message_does() -> None:
    _, judge = await graded({**LABEL, "input": TEXT_ONLY}, CASE, says("good"))
    assert [message["role"] for message in judge.asked[0].messages] == ["system", "user"]
    assert judge.asked[0].messages[1]["content"] == "Grade Paris against Paris."


@pytest.mark.parametrize(("score", "passed"), [(6, True), (10.0, True), (5.99, False), (0, False)])
async def test_a_score_model_passes_at_its_threshold(score: float, passed: bool) -> None:
    grade, judge = await graded(SCORE, CASE, says(score))
    assert (grade.score, grade.passed) == (score, passed)
    options = {name: value for name, value in judge.asked[0].options.items() if name != "response_format"}
    assert options == {"seed": 7, "top_p": 0.9, "max_completion_tokens": 100, "reasoning_effort": "low"}


@pytest.mark.parametrize(("score", "passed"), [(0.5, True), (0.49, False)])
async def test_without_a_threshold_the_middle_of_the_range_passes(score: float, passed: bool) -> None:
    grade, _ = await graded({"type": "score_model", "name": "n", "model": "judge", "input": TEXT_ONLY}, CASE, says(score))
    assert (grade.score, grade.passed) == (score, passed)


UNREADABLE = [
    Reply("I would say 7.", USAGE),
    Reply('{"score": 7}', USAGE),
    Reply('["verdict"]', USAGE),
    Reply("[" * 5000, USAGE),
    Reply("", USAGE),
    Reply(None, USAGE),
    Reply('{"verdict": NaN}', USAGE),
    says("7"),
    says(True),
    says(None),
    says(10.5),
    says(-1),
    says([7]),
    Reply('{"verdict": 7', USAGE, finish_reason="length"),
]


@pytest.mark.parametrize("reply", UNREADABLE)
async def test_an_answer_that_can_not_be_read_is_asked_again(reply: Reply) -> None:
    grade, judge = await graded(SCORE, CASE, reply, says(7))
    assert (grade.score, grade.error) == (7.0, None)
    assert grade.usage == (ModelUsage("judge", 2, 20, 4, 0),)
    assert [question.options["seed"] for question in judge.asked] == [7, 8]


@pytest.mark.parametrize("reply", UNREADABLE)
async def test_answers_that_can_never_be_read_are_an_error_with_their_tokens(reply: Reply) -> None:
    grade, judge = await graded(SCORE, CASE, *[reply] * 3)
    assert grade.error is not None
    assert grade.error.code is Fault.MODEL_PARSE
    assert (grade.score, grade.passed, len(judge.asked)) == (0.0, False, 3)
    assert grade.usage == (ModelUsage("judge", 3, 30, 6, 0),)


async def test_a_label_that_was_not_asked_for_is_unreadable() -> None:
    grade, _ = await graded(LABEL, CASE, says("Good"), attempts=1)
    assert grade.error is not None
    assert grade.error.code is Fault.MODEL_PARSE
    assert "'Good' is not one of the labels" in grade.error.message


async def test_a_refusal_is_final() -> None:
    grade, judge = await graded(LABEL, CASE, Reply(None, USAGE, refusal="I can't."))
    assert grade.error is not None
    assert (grade.error.code, len(judge.asked)) == (Fault.MODEL_REFUSAL, 1)


async def test_a_busy_cluster_is_asked_again_when_it_said() -> None:
    busy: list[OssatureError] = [RateLimited("slow down", retry_after_s=2.5), Overloaded("full", retry_after_s=500.0)]
    grade, judge = await graded(LABEL, CASE, *busy, says("good"))
    assert grade.passed
    assert judge.slept == [2.5, 30.0]


async def test_a_cluster_that_stays_busy_is_an_error_of_that_item() -> None:
    grade, judge = await graded(LABEL, CASE, *[EngineFailed("it died")] * 3)
    assert grade.error is not None
    assert (grade.error.code, grade.error.kind) == (Fault.MODEL_SERVER, "engine_failed")
    assert judge.slept == [0.5, 1.0]


@pytest.mark.parametrize("error", [ModelNotFound("no such model"), InvalidRequest("no images")])
async def test_a_question_that_is_wrong_is_not_asked_again(error: OssatureError) -> None:
    grade, judge = await graded(LABEL, CASE, error)
    assert grade.error is not None
    assert grade.error.code is Fault.MODEL_SERVER
    assert error.message in grade.error.message
    assert len(judge.asked) == 1


async def test_questions_go_through_the_clusters_own_inference() -> None:
    principal = Principal(org_id="org_a", project_id="proj_a", key_id="key_a")
    inside = FakeInference({principal: [ModelCard("judge", 1, "o")]}, answer=chat_body('{"verdict": "good"}'))
    ask = InferenceAsk(inside, principal, "trace", timeout_s=9.0)
    [criterion] = parse_criteria([{**LABEL, "input": TEXT_ONLY}])
    grade = await Grading(Judge(ask), None).grade(criterion, CASE)
    assert (grade.label, grade.error) == ("good", None)
    [(asker, request, call)] = inside.asked
    assert (asker, request.model, call.edge, call.trace_id, call.timeout_s) == (principal, "judge", "jobs", "trace", 9.0)
    assert grade.usage[0].cached_tokens == 1920


async def test_a_model_of_another_organization_does_not_exist() -> None:
    stranger = Principal(org_id="org_b", project_id="proj_b", key_id="key_b")
    ask = InferenceAsk(FakeInference({}), stranger, "trace", timeout_s=9.0)
    with pytest.raises(ModelNotFound):
        await ask(Question("judge", TEXT_ONLY))


# --- python, multi --------------------------------------------------------------------------------------------------------


async def test_without_a_sandbox_python_graders_say_why() -> None:
    grade, _ = await graded(PYTHON)
    assert grade.error is not None
    assert (grade.error.code, grade.error.message) == (Fault.PYTHON_SERVER, "no sandbox here")


async def multi(grader: dict[str, Any], *answers: Reply | OssatureError) -> Grade:
    judge = FakeJudge(list(answers))
    return await Grading(Judge(judge, attempts=1), sandbox=None).grade(parse_grader(grader), CASE)


async def test_a_multi_grader_computes_with_its_graders_scores() -> None:
    grader = {**MULTI, "graders": {**MULTI["graders"], "judge": alone(SCORE)}, "calculate_output": "max(exact, close) - judge / 10"}
    grade = await multi(grader, says(4))
    assert grade.score == pytest.approx(0.6)
    assert grade.passed
    assert {name: part.score for name, part in grade.parts.items()} == {"exact": 1.0, "close": 1.0, "judge": 4.0}
    assert grade.usage == (ModelUsage("judge", 1, 10, 2, 0),)


async def test_a_part_that_fails_fails_the_whole() -> None:
    grade = await multi({**MULTI, "graders": {"a": alone(STRING), "b": alone(PYTHON)}, "calculate_output": "a"})
    assert grade.error is not None
    assert (grade.error.code, grade.score, grade.passed) == (Fault.PYTHON_SERVER, 0.0, False)
    assert grade.error.message.startswith("b: ")
    assert grade.parts["a"].passed


async def test_a_formula_without_a_value_is_an_error() -> None:
    grade = await multi({**MULTI, "calculate_output": "1 / (exact - close)"})
    assert grade.error is not None
    assert (grade.error.code, grade.error.message) == (Fault.FORMULA_PARSE, "calculate_output: division by zero")


# --- bodies ---------------------------------------------------------------------------------------------------------------


async def test_grades_are_told_in_the_contracts_bodies() -> None:
    grades = [
        (await graded(STRING))[0],
        (await graded(PYTHON))[0],
        (await graded(LABEL, CASE, Reply("?", USAGE), attempts=1))[0],
        (await graded({**LABEL, "input": MESSAGES}, CASE, ModelNotFound("gone")))[0],
        await multi(MULTI),
    ]
    oracle = SchemaOracle.load()
    for grade in grades:
        assert oracle.problems("RunGraderResponse", run_grader_response(grade)) == []
        assert oracle.problems("EvalRunOutputItemResult", grade.to_result()) == []
        errors: Any = run_grader_response(grade)["metadata"]
        flags = [name for name, value in errors["errors"].items() if value is True]
        assert flags == ([grade.error.code] if grade.error else [])


async def test_grades_survive_being_stored() -> None:
    grade = await multi(MULTI)
    assert msgspec.json.decode(msgspec.json.encode(grade), type=Grade) == grade


def test_changed_definitions_are_copies() -> None:
    assert changed(STRING, "name", "other")["name"] == "other"
    assert STRING["name"] == "exact"
