from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.tuning.training import events, results
from cluster.tuning.training.errors import RunIsActive
from cluster.tuning.training.events import EventLog


def say_steps(log: EventLog, first: int, last: int) -> None:
    for step in range(first, last + 1):
        log.write("step", step=step, train_loss=1 / step, train_mean_token_accuracy=0.5)


def test_a_step_trained_again_is_not_said_again(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        say_steps(log, 1, 7)
    with EventLog(tmp_path) as log:
        say_steps(log, 5, 9)
    said = events.read(tmp_path)
    assert [event.fields["step"] for event in said] == list(range(1, 10))
    assert [event.seq for event in said] == list(range(1, 10))


def test_the_end_of_a_line_that_a_killed_process_began_is_dropped(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        say_steps(log, 1, 2)
    with (tmp_path / events.FILE).open("a") as file:
        file.write('{"seq": 3, "at": 1.0, "kind": "st')
    assert len(events.read(tmp_path)) == 2
    with EventLog(tmp_path) as log:
        say_steps(log, 3, 3)
    assert [event.fields["step"] for event in events.read(tmp_path)] == [1, 2, 3]


def test_a_reader_goes_on_behind_what_it_has_seen(tmp_path: Path) -> None:
    assert events.read(tmp_path) == []
    with EventLog(tmp_path) as log:
        say_steps(log, 1, 3)
        seen = events.read(tmp_path)
        say_steps(log, 4, 5)
        assert [event.fields["step"] for event in events.read(tmp_path, after_seq=seen[-1].seq)] == [4, 5]


@pytest.mark.slow
def test_two_processes_never_write_one_log(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from cluster.tuning.training.events import EventLog; EventLog(Path(sys.argv[1]))"
    with EventLog(tmp_path):
        assert events.is_active(tmp_path)
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "RunIsActive" in other.stderr
    assert not events.is_active(tmp_path)
    with EventLog(tmp_path), pytest.raises(RunIsActive):
        EventLog(tmp_path)


def test_a_loss_that_is_no_number_is_no_json(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log, pytest.raises(ValueError, match="Out of range"):
        log.write("step", step=1, train_loss=float("nan"))


def test_the_result_file_has_a_line_for_each_step(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        say_steps(log, 1, 2)
        log.write("validation", step=2, epoch=1.0, valid_loss=0.25, valid_mean_token_accuracy=None)
    assert results.write(tmp_path).read_text() == (
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,1.0,0.5,,\n2,0.5,0.5,0.25,\n"
    )
