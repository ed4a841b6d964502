"""Runs whose result is a whole model: every weight trained, or an adapter computed into its base's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.tuned.contents import merged
from cluster.tuning.training.job import train_job
from cluster.tuning.training.parity import Reason, Trained, judge
from tests.unit.tuning import tiny

pytestmark = [pytest.mark.slow, pytest.mark.tuning]

RUNS = [
    pytest.param("qwen3", {}, id="adapter"),
    pytest.param("qwen3", {"adapter": "full", "hyperparameters": {"learning_rate_multiplier": 100.0}}, id="every-weight"),
    pytest.param("gpt_oss", {"lora_experts": True}, id="adapter-on-experts"),
]


@pytest.mark.parametrize(("family", "fields"), RUNS)
def test_the_files_that_are_left_compute_what_was_trained(family: str, fields: dict[str, object], tmp_path: Path) -> None:
    base = tiny.write_model(tmp_path / "base", family)
    rows = tiny.write_rows(tmp_path / "training.jsonl", tiny.task_rows(40))
    last = train_job(tiny.spec(base, rows, tmp_path / "run", merge=True, parity_rows=6, **fields))
    assert last is not None
    assert last.kind == "finished", last
    left = Path(last.fields["adapter"])
    trained = Trained.read(Path(last.fields["parity"]))
    assert trained.saved is not None
    verdict = judge(trained.base, trained.tuned, trained.saved)
    assert verdict.reason is Reason.SAME_AS_TUNED
    assert verdict.off < 0.001

    of_base, of_left = (json.loads((folder / "config.json").read_text()) for folder in (base, left))
    assert (of_left["architectures"], of_left["dtype"]) == (of_base["architectures"], of_base["dtype"])
    same = [path.name for path in base.iterdir() if path.name != "config.json" and path.suffix != ".safetensors"]
    assert "tokenizer.json" in same
    assert [name for name in same if (left / name).read_bytes() != (base / name).read_bytes()] == []
    # As the registry takes it.
    assert merged(left, 1 << 30).sizes[1] == sum(path.stat().st_size for path in left.iterdir())


def test_a_merged_model_has_the_precision_of_its_base(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = tiny.write_model(tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(base)
    rows = tiny.write_rows(tmp_path / "training.jsonl", tiny.task_rows(16))
    last = train_job(tiny.spec(base, rows, tmp_path / "run", merge=True))
    assert last is not None
    assert last.fields["parity"] is None
    whole = AutoModelForCausalLM.from_pretrained(last.fields["adapter"], dtype="auto")
    assert {parameter.dtype for parameter in whole.parameters()} == {torch.bfloat16}
