"""The compact form of the demo model and its expansion."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.demo import compact
from models.demo.architecture import network_config
from models.demo.expand import expand, stamp_of
from models.demo.vocabulary import RETURN, VOCABULARY_SIZE

pytestmark = pytest.mark.slow

USED = [0, 5, RETURN]


def _tiny_model() -> compact.CompactModel:
    rng = np.random.default_rng(1)
    return compact.CompactModel(
        tensors={"model.norm.weight": compact.to_bits(rng.normal(size=4).astype(np.float32))},
        rows=compact.to_bits(rng.normal(size=(1 + len(USED), 4)).astype(np.float32)),
        token_ids=np.array(USED, dtype=np.int32),
        output_scale=3.0,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "compact"
    compact.save(folder, _tiny_model(), {"network": network_config(), "versions": {"transformers": "5.0.0"}})
    return folder


@pytest.mark.slow
def test_bits_are_bfloat16_rounded_to_nearest_even() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    values[:3] = (0.0, -0.0, 1.00390625)
    expected = torch.from_numpy(values).to(torch.bfloat16)
    assert np.array_equal(compact.to_bits(values), expected.view(torch.uint16).numpy())
    assert np.array_equal(compact.from_bits(compact.to_bits(values)), expected.float().numpy())


def test_saved_model_is_read_back_unchanged(source: Path) -> None:
    model, read = _tiny_model(), compact.load(source)
    assert np.array_equal(read.rows, model.rows)
    assert read.token_ids.tolist() == USED
    assert read.output_scale == model.output_scale
    assert np.array_equal(read.tensors["model.norm.weight"], model.tensors["model.norm.weight"])


def test_changed_weights_are_refused(source: Path) -> None:
    weights = source / compact.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(compact.WeightsMismatch, match="SHA-256"):
        compact.load(source)


def test_expansion_places_used_rows_and_shares_one_row_among_the_rest(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "expanded"
    assert expand(out, source)
    model = _tiny_model()
    tensors = compact.read_tensors((out / "model.safetensors").read_bytes())
    embedding, head = tensors["model.embed_tokens.weight"], tensors["lm_head.weight"]
    assert embedding.shape == head.shape == (VOCABULARY_SIZE, 4)
    assert np.array_equal(embedding[USED], model.rows[1:])
    unused = np.delete(np.arange(VOCABULARY_SIZE), USED)
    assert (embedding[unused] == model.rows[0]).all()
    assert np.array_equal(compact.from_bits(head[USED]), compact.from_bits(compact.to_bits(compact.from_bits(model.rows[1:]) * 3)))
    config = json.loads((out / "config.json").read_text())
    assert config["vocab_size"] == VOCABULARY_SIZE
    assert RETURN in config["eos_token_id"]


def test_expansion_is_skipped_while_nothing_changed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "expanded"
    assert expand(out, source)
    assert not expand(out, source)
    assert expand(out, source, force=True)


def test_stamp_follows_the_weights(source: Path) -> None:
    before = stamp_of(source)
    compact.save(source, _tiny_model(), {"network": network_config(), "note": "another run"})
    assert stamp_of(source) != before


@pytest.mark.slow
def test_training_goes_on_where_compact_weights_left_off() -> None:
    from models.demo.network import DemoNetwork

    trained = DemoNetwork([5, 7, 11], seed=1).compact()
    network = DemoNetwork([5, 7, 11], seed=2)
    network.restore(trained)
    again = network.compact()
    assert again.output_scale == trained.output_scale
    assert np.array_equal(again.rows, trained.rows)
    assert all(np.array_equal(again.tensors[name], bits) for name, bits in trained.tensors.items())
    with pytest.raises(ValueError, match="other tokens"):
        DemoNetwork([5, 7, 13], seed=2).restore(trained)


def test_tokens_that_come_later_get_fresh_rows_and_the_others_keep_theirs() -> None:
    from models.demo.network import DemoNetwork

    trained = DemoNetwork([5, 11], seed=1).compact()
    network = DemoNetwork([2, 5, 7, 11], seed=2)
    fresh = network.compact().rows
    network.restore(trained)
    rows = network.compact().rows
    assert np.array_equal(rows[[0, 2, 4]], trained.rows)
    assert np.array_equal(rows[[1, 3]], fresh[[1, 3]])
    assert compact.from_bits(fresh[[1, 3]]).any()
