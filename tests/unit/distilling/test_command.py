"""``ossature distill`` against a gateway's real HTTP edge, with workers beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.distilling.conftest import HELD_OUT, QUESTIONS, STUDENT, TEACHER, Cluster

NAMES = ("--teacher", TEACHER, "--student", STUDENT, "--suffix", "echo")
pytestmark = pytest.mark.slow


async def test_from_stored_completions_to_a_tuned_model_and_its_report(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.store(task="echo")
    await cluster.store(["something else"], task="other")
    eval_id, other_id = await cluster.eval(), await cluster.eval(["a", "b"])
    arguments = (*NAMES, "--from", "metadata.task=echo", "--eval", eval_id, "--also", other_id)
    prices = ("--price-teacher", "2/8", "--price-student", "0.2/0.8", "--report", str(tmp_path / "report"))
    async with cluster.working():
        done = await cluster.distil(*arguments, *prices)
    model = done.stdout.strip()
    assert model.startswith(f"ft:{STUDENT}:")
    assert model in [each.id async for each in cluster.client.models.list()]
    for step in ("[1/5] store", "[2/5] baseline", "[3/5] tune", "[4/5] eval", "[5/5] publish", "Step 3/3"):
        assert step in done.stderr

    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["training"]["examples"] == len(QUESTIONS)
    assert {role: run["pass_rate"]["estimate"] for role, run in report["runs"].items()} == {
        "before": 0.0,
        "after": 0.875,
        "teacher": 1.0,
    }
    assert (report["verdict"], report["gap_closed"], report["learned_items"]) == ("better", 0.875, 0)
    assert report["comparisons"]["before"]["pass_rate"]["difference"]["low"] > 0.3
    # 2,000 prompt tokens and 4 completion tokens each, as the replica counts them.
    assert report["runs"]["teacher"]["per_1000_requests"] == {"prompt_tokens": 2e6, "completion_tokens": 4e3, "cost": 4.032}
    assert report["runs"]["after"]["per_1000_requests"]["cost"] == pytest.approx(0.4032)
    assert [(each["eval_id"], each["verdict"]) for each in report["others"]] == [(other_id, "better")]
    assert report["regressions"] == []
    assert await cluster.runs(eval_id) == ["teacher", "before", "after"]
    assert await cluster.runs(other_id) == ["before", "after"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "10.0 % of its teacher" in page
    assert "10.0 % of its teacher" in (tmp_path / "report" / "report.md").read_text()


async def test_answers_that_a_file_lacks_are_asked_of_the_teacher_and_others_are_kept(cluster: Cluster, tmp_path: Path) -> None:
    lines = [{"messages": [{"role": "user", "content": question}]} for question in QUESTIONS]
    lines[3]["messages"].append({"role": "assistant", "content": "mine"})
    source = tmp_path / "questions.jsonl"
    source.write_text("\n".join(map(json.dumps, lines)))
    eval_id = await cluster.eval(QUESTIONS[:2] + HELD_OUT[1:3])
    async with cluster.working():
        done = await cluster.distil(*NAMES, "--from", str(source), "--eval", eval_id, "--json")
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert (report["training"]["examples"], report["training"]["asked"]) == (10, 9)
    assert report["learned_items"] == 2
    assert report["runs"]["teacher"]["per_1000_requests"]["cost"] is None
    content = (await cluster.client.files.content(report["training"]["file_id"])).text
    assert [json.loads(line)["messages"][-1]["content"] for line in content.splitlines()] == [
        "mine" if question == "3" else question for question in QUESTIONS
    ]


async def test_a_complete_file_of_the_cluster_is_used_as_it_is_with_items_of_ones_own(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.store()
    async with cluster.served.http_client() as http:
        exported = (await http.post("/v1/chat/completions/export", json={"filename": "mine.jsonl"})).json()["file"]["id"]
    items = tmp_path / "items.jsonl"
    items.write_text("\n".join(json.dumps({"item": {"question": each, "answer": each}}) for each in HELD_OUT))
    eval_id = await cluster.eval(["never asked again"])
    asked = ("--items", str(items), "--prompt", "{{item.question}}")
    async with cluster.working():
        done = await cluster.distil(*NAMES, "--from", exported, "--eval", eval_id, *asked, "--json")
    report = json.loads(done.stdout)
    assert report["training"]["file_id"] == exported
    assert await cluster.files() == ["mine.jsonl"]
    assert report["runs"]["before"]["result_counts"]["total"] == len(HELD_OUT)
    assert set(cluster.asked(TEACHER)) == {*QUESTIONS, *HELD_OUT}


async def test_a_tuned_student_that_got_worse_is_called_so(cluster: Cluster) -> None:
    await cluster.store()
    eval_id, other_id = await cluster.eval(), await cluster.eval(["no"] * 12, name="manners")
    cluster.wrong_after = frozenset(HELD_OUT)
    cluster.models.answer = lambda body: "wrong" if str(body["model"]).startswith("ft:") else cluster.answer(body)
    async with cluster.working():
        done = await cluster.distil(*NAMES, "--from", f"model={TEACHER}", "--eval", eval_id, "--also", other_id)
    assert "No difference was shown" in done.stderr
    assert "Worse on other evals: manners." in done.stderr
