from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.tuning.training import events, job
from cluster.tuning.training.errors import RunIsActive, UnsupportedModel
from cluster.tuning.training.events import EventLog
from cluster.tuning.training.launcher import Launcher, Run, ending, news
from cluster.tuning.training.ray_launcher import RayLauncher
from cluster.tuning.training.spec import TrainSpec
from cluster.tuning.training.subprocess_launcher import SubprocessLauncher, SubprocessRun

LAUNCHERS: tuple[Launcher, ...] = (SubprocessLauncher(), RayLauncher())


def spec(folder: Path, *, workers: int = 1) -> TrainSpec:
    return TrainSpec(job_id="job", base_model=folder, training_file=folder / "rows", output_dir=folder / "run", workers=workers)


def test_a_process_of_the_same_number_is_another_run(tmp_path: Path) -> None:
    assert not SubprocessRun(tmp_path, os.getpid(), started_ticks=1).is_running()
    assert not SubprocessRun(tmp_path, os.getpid(), started_ticks=None).is_running()


def test_a_run_that_another_process_trains_is_not_started_twice(tmp_path: Path) -> None:
    asked = spec(tmp_path)
    with EventLog(asked.output_dir), pytest.raises(RunIsActive):
        SubprocessLauncher().start(asked)
    assert not (asked.output_dir / "process.json").exists()


def test_a_plain_process_has_one_worker(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="one worker"):
        SubprocessLauncher().start(spec(tmp_path, workers=2))


def test_without_the_extra_a_run_fails_and_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_PACKAGES", ("no_such_package",))
    last = job.train_job(spec(tmp_path))
    assert last is not None
    assert (last.kind, last.fields["code"]) == ("failed", "tuning_not_installed")
    assert "scripts/setup.sh --tuning" in last.fields["message"]
    run: Run = SubprocessRun(tmp_path / "run", os.getpid(), None)
    assert ending(run) == last
    assert list(news(run, after_seq=last.seq)) == []


def test_a_run_that_died_without_a_word_has_no_ending(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.write("step", step=1, train_loss=1.0)
    assert ending(SubprocessRun(tmp_path, os.getpid(), None)) is None
    assert [event.kind for event in events.read(tmp_path)] == ["step"]
