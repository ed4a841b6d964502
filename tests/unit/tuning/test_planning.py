from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.tuning.training.errors import InvalidRow, NothingToTrain
from cluster.tuning.training.planning import plan
from cluster.tuning.training.spec import TrainSpec
from models.tuning_demo import shop

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 512,
}


def spec(folder: Path, rows: list[dict[str, object]]) -> TrainSpec:
    (folder / "config.json").write_text(json.dumps(CONFIG))
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TrainSpec(job_id="job", base_model=folder, training_file=file, output_dir=folder / "run")


def test_a_run_is_told_before_it_starts(tmp_path: Path) -> None:
    rows = [shop.task_row(made) for made in shop.customers(1, 100)]
    asked = spec(tmp_path, rows)
    found = plan(asked)
    assert (found.run.n_epochs, found.run.batch_size, found.run.total_steps) == (3, 4, 75)
    assert found.estimate.tokens == pytest.approx(3 * asked.training_file.stat().st_size / 4, rel=0.02)
    assert "Recipe qwen3" in found.estimate.describe()
    assert not asked.output_dir.exists()


def test_a_file_that_cannot_be_trained_on_is_refused_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(NothingToTrain, match=r"rows\.jsonl has no rows"):
        plan(spec(tmp_path, []))
    with pytest.raises(InvalidRow, match="line 1"):
        plan(spec(tmp_path, [{"prompt": "hi"}]))
