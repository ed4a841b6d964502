from __future__ import annotations

from pathlib import Path

from cluster.tuning.training import checkpoints, stopping


def begin(output_dir: Path, step: int) -> Path:
    path = checkpoints.folder(output_dir) / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "adapter_model.safetensors").write_bytes(b"weights")
    return path


def make(output_dir: Path, step: int, *, epoch_end: bool) -> None:
    begin(output_dir, step)
    checkpoints.complete(output_dir, step, epoch=step / 10, epoch_end=epoch_end)


def steps(output_dir: Path) -> list[int]:
    return [checkpoint.step for checkpoint in checkpoints.whole(output_dir)]


def test_a_checkpoint_that_was_broken_off_counts_for_nothing(tmp_path: Path) -> None:
    assert checkpoints.latest(tmp_path) is None
    make(tmp_path, 10, epoch_end=True)
    begin(tmp_path, 20)
    latest = checkpoints.latest(tmp_path)
    assert latest is not None
    assert latest.step == 10


def test_the_last_three_epochs_and_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20, 25, 30, 35, 40, 45):
        make(tmp_path, step, epoch_end=step % 10 == 0)
        checkpoints.prune(tmp_path)
    assert steps(tmp_path) == [20, 30, 40, 45]
    assert {path.name for path in checkpoints.folder(tmp_path).iterdir()} == {f"checkpoint-{step}" for step in (20, 30, 40, 45)}


def test_steps_are_numbers_not_names(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        make(tmp_path, step, epoch_end=False)
    assert steps(tmp_path) == [9, 10, 100]


def test_a_run_is_asked_to_stop_until_that_is_withdrawn(tmp_path: Path) -> None:
    output_dir = tmp_path / "not yet there"
    assert stopping.requested(output_dir) is None
    stopping.request(output_dir, stopping.Reason.PAUSE)
    assert stopping.requested(output_dir) is stopping.Reason.PAUSE
    stopping.withdraw(output_dir)
    stopping.withdraw(output_dir)
    assert stopping.requested(output_dir) is None
