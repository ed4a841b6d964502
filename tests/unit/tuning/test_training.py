"""Real training of tiny models in this process, and of one in a process that is killed."""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from pathlib import Path

import pytest

from cluster.tuning.training import checkpoints, events, parity, rows, stopping
from cluster.tuning.training.encoding import Renderer, encode_supervised
from cluster.tuning.training.events import Event
from cluster.tuning.training.job import train_job
from cluster.tuning.training.launcher import ending, news
from cluster.tuning.training.parity import Reason, Trained, judge
from cluster.tuning.training.subprocess_launcher import SubprocessLauncher
from tests.unit.tuning import tiny

pytestmark = [pytest.mark.slow, pytest.mark.tuning]

ROWS, VALIDATION_ROWS = 40, 8
STEPS_PER_EPOCH = 5
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("rows")
    return (
        tiny.write_rows(folder / "training.jsonl", tiny.task_rows(ROWS)),
        tiny.write_rows(folder / "validation.jsonl", tiny.task_rows(VALIDATION_ROWS, seed=4)),
    )


@pytest.fixture(scope="module")
def unbroken(base: Path, files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run of four epochs that nothing disturbed."""
    output_dir = tmp_path_factory.mktemp("runs") / "unbroken"
    last = train_job(
        tiny.spec(base, files[0], output_dir, validation_file=files[1], hyperparameters={"n_epochs": 4}, parity_rows=6)
    )
    assert last is not None
    assert last.kind == "finished", last
    return output_dir


def test_a_run_says_every_step_and_learns(unbroken: Path) -> None:
    said = events.read(unbroken)
    begun = said[0]
    assert begun.kind == "started"
    assert (begun.fields["recipe"], begun.fields["total_steps"], begun.fields["rows"]) == ("qwen3", 20, ROWS)
    losses = tiny.losses(said)
    assert list(losses) == list(range(1, 21))
    assert sum(losses[step] for step in range(16, 21)) < 0.8 * sum(losses[step] for step in range(1, 6))
    steps = [event for event in said if event.kind == "step"]
    assert steps[0].fields["train_mean_token_accuracy"] < 0.1
    assert steps[-1].fields["train_mean_token_accuracy"] > 0.6
    assert sum(event.fields["tokens"] for event in steps) == begun.fields["tokens"]


def test_each_epoch_is_validated_before_its_checkpoint_and_three_are_kept(unbroken: Path) -> None:
    said = events.read(unbroken)
    ends = [step * STEPS_PER_EPOCH for step in range(1, 5)]
    validations = [event for event in said if event.kind == "validation"]
    made = [event for event in said if event.kind == "checkpoint"]
    assert [event.fields["step"] for event in validations] == [event.fields["step"] for event in made] == ends
    assert all(one.seq < other.seq for one, other in zip(validations, made, strict=True))
    assert validations[-1].fields["valid_loss"] < validations[0].fields["valid_loss"]
    kept = checkpoints.whole(unbroken)
    assert [checkpoint.step for checkpoint in kept] == ends[1:]
    assert all((checkpoint.path / "adapter_model.safetensors").exists() for checkpoint in kept)


def test_the_adapter_has_what_engines_load(unbroken: Path, base: Path) -> None:
    config = json.loads((unbroken / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)
    assert (config["r"], config["modules_to_save"]) == (16, None)
    assert (unbroken / "adapter" / "adapter_model.safetensors").stat().st_size > 0


def test_what_serves_the_adapter_can_be_compared_with_it(unbroken: Path) -> None:
    last = events.read(unbroken)[-1]
    trained = Trained.model_validate_json(Path(last.fields["parity"]).read_text())
    assert len(trained.tuned.rows) == 6
    verdict = judge(trained.base, trained.tuned, trained.tuned)
    assert verdict.accepted
    assert verdict.effect > 1.0
    assert judge(trained.base, trained.tuned, trained.base).reason is Reason.EQUAL_TO_BASE
    per_token = [sum(row.log_probabilities) / len(row.log_probabilities) for row in trained.tuned.rows]
    validated = _validations(events.read(unbroken))[-1][1]
    # Six of the eight rows that were validated: the probe sees the model that the validation saw.
    assert -sum(per_token) / 6 == pytest.approx(validated, abs=0.5)


def test_without_a_validation_file_the_last_rows_are_scored_and_long_ones_shortened(base: Path, tmp_path: Path) -> None:
    file = tiny.write_rows(tmp_path / "rows.jsonl", tiny.task_rows(16))
    spec = tiny.spec(
        base, file, tmp_path / "run", hyperparameters={"n_epochs": 1}, parity_rows=2, parity_row_tokens=16, max_length_tokens=512
    )
    last = train_job(spec)
    assert last is not None
    assert last.kind == "finished", last
    scored = Trained.model_validate_json(Path(last.fields["parity"]).read_text()).tuned.rows
    from cluster.tuning.training.loop.model import load_tokenizer  # loads PyTorch

    words = load_tokenizer(base)
    renderer = Renderer(words, {})
    lines = file.read_text().splitlines()
    for row, number in zip(scored, (15, 16), strict=True):
        whole = encode_supervised(number, rows.supervised(number, lines[number - 1]), renderer, words)
        assert len(row.ids) == 16
        assert row.ids in [whole.ids[start : start + 16] for start in range(len(whole.ids))]
        assert 0 < row.prompt_tokens < 16


def test_a_finished_run_is_not_trained_again(unbroken: Path, base: Path, files: tuple[Path, Path]) -> None:
    before = events.read(unbroken)
    last = train_job(tiny.spec(base, files[0], unbroken, validation_file=files[1], hyperparameters={"n_epochs": 4}))
    assert last == before[-1]
    assert events.read(unbroken) == before


def test_a_run_that_is_killed_goes_on_with_the_same_losses(
    unbroken: Path, base: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    spec = tiny.spec(
        base,
        files[0],
        tmp_path / "killed",
        validation_file=files[1],
        hyperparameters={"n_epochs": 4},
        checkpoint_every_steps=3,
        parity_rows=6,
    )
    launcher = SubprocessLauncher(environment={"PYTHONPATH": _path()})
    run = launcher.start(spec)
    assert launcher.start(spec) == run, "a second start finds the first"
    deadline_s = time.monotonic() + 300
    while not any(event.kind == "step" and event.fields["step"] >= 7 for event in news(run)):
        assert run.is_running(), (spec.output_dir / "training.log").read_text()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    run.kill()
    assert ending(run) is None, "it has died without a word"
    said_before = events.read(spec.output_dir)
    latest = checkpoints.latest(spec.output_dir)
    assert latest is not None
    assert latest.step < 20
    # What a process that is killed while it saves leaves behind.
    broken = checkpoints.folder(spec.output_dir) / "checkpoint-19"
    broken.mkdir()

    new: list[Event] = []
    last = train_job(spec, new.append)

    said = events.read(spec.output_dir)
    assert last == said[-1]
    assert said[-1].kind == "finished"
    assert said == said_before + new
    assert new[0].fields["resumed_from_step"] == latest.step
    keys = [(event.kind, event.fields["step"]) for event in said if "step" in event.fields]
    assert len(keys) == len(set(keys)), "nothing is said twice"
    assert tiny.losses(said) == tiny.losses(events.read(unbroken))
    assert _validations(said) == _validations(events.read(unbroken))
    assert (spec.output_dir / parity.FILE).read_bytes() == (unbroken / parity.FILE).read_bytes()
    assert (spec.output_dir / "adapter" / "adapter_model.safetensors").read_bytes() == (
        unbroken / "adapter" / "adapter_model.safetensors"
    ).read_bytes()


def test_a_paused_run_goes_on_where_it_stopped(unbroken: Path, base: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    spec = tiny.spec(base, files[0], tmp_path / "paused", validation_file=files[1], hyperparameters={"n_epochs": 4})

    def pause(event: Event) -> None:
        if event.kind == "step" and event.fields["step"] == 6:
            stopping.request(spec.output_dir, stopping.Reason.PAUSE)

    stopped = train_job(spec, pause)
    assert stopped is not None
    assert (stopped.kind, stopped.fields["reason"]) == ("stopped", "pause")
    assert 6 <= stopped.fields["step"] <= 7
    stopping.withdraw(spec.output_dir)
    finished = train_job(spec)
    assert finished is not None
    assert finished.kind == "finished"
    assert tiny.losses(events.read(spec.output_dir)) == tiny.losses(events.read(unbroken))


def test_preferences_lower_their_loss(base: Path, tmp_path: Path) -> None:
    file = tiny.write_rows(tmp_path / "pairs.jsonl", tiny.preference_rows(32))
    spec = tiny.spec(
        base, file, tmp_path / "dpo", method="dpo", hyperparameters={"n_epochs": 4, "learning_rate_multiplier": 200.0, "beta": 0.5}
    )
    last = train_job(spec)
    assert last is not None
    assert last.kind == "finished", last
    losses = tiny.losses(events.read(spec.output_dir))
    assert losses[1] == pytest.approx(math.log(2), abs=1e-3), "adapter and base agree at first"
    assert sum(losses[step] for step in range(13, 17)) / 4 < 0.6


@pytest.mark.parametrize(
    ("family", "fields"), [("llama", {"adapter": "full"}), ("gpt_oss", {}), ("gpt_oss", {"lora_experts": True})]
)
def test_families_train(family: str, fields: dict[str, object], files: tuple[Path, Path], tmp_path: Path) -> None:
    model = tiny.write_model(tmp_path / "model", family)
    multiplier = 100.0 if fields.get("adapter") == "full" else 10.0
    spec = tiny.spec(
        model, files[0], tmp_path / "run", hyperparameters={"n_epochs": 1, "learning_rate_multiplier": multiplier}, **fields
    )
    last = train_job(spec)
    assert last is not None
    assert last.kind == "finished", last
    losses = tiny.losses(events.read(spec.output_dir))
    assert losses[5] < losses[1]
    if "adapter" in fields:
        assert (spec.output_dir / "adapter" / "model.safetensors").exists()
        return
    from safetensors import safe_open

    with safe_open(spec.output_dir / "adapter" / "adapter_model.safetensors", "pt") as weights:
        assert any("experts" in name for name in weights.keys()) == bool(fields)  # noqa: SIM118 (no mapping)


def test_a_row_that_cannot_be_trained_ends_the_run_with_its_line(base: Path, tmp_path: Path) -> None:
    file = tiny.write_rows(tmp_path / "rows.jsonl", [*tiny.task_rows(2), {"prompt": []}])
    last = train_job(tiny.spec(base, file, tmp_path / "run"))
    assert last is not None
    assert (last.kind, last.fields["code"], last.fields["may_retry"]) == ("failed", "invalid_training_row", False)
    assert last.fields["message"].startswith("line 3: ")


def test_rows_beyond_the_limit_are_left_out_and_counted(base: Path, tmp_path: Path) -> None:
    rows = tiny.task_rows(10)
    long = {**rows[0], "prompt": [{"role": "user", "content": "kettle " * 200}]}
    spec = tiny.spec(base, tiny.write_rows(tmp_path / "rows.jsonl", [*rows, long]), tmp_path / "run", max_length_tokens=128)
    last = train_job(spec)
    assert last is not None
    assert last.kind == "finished"
    assert {events.read(spec.output_dir)[0].fields[name] for name in ("rows", "rows_too_long")} == {10, 1}
    only_long = tiny.spec(base, tiny.write_rows(tmp_path / "long.jsonl", [long]), tmp_path / "none", max_length_tokens=128)
    last = train_job(only_long)
    assert last is not None
    assert last.fields["code"] == "no_trainable_rows"


def _validations(said: list[Event]) -> list[tuple[int, float]]:
    return [(event.fields["step"], event.fields["valid_loss"]) for event in said if event.kind == "validation"]


def _path() -> str:
    """For a process to import what this one imports."""
    return os.pathsep.join(itertools.chain([str(REPOSITORY)], filter(None, [os.environ.get("PYTHONPATH")])))
