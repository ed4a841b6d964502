"""The effective configuration as shown: complete, with sources, without secrets."""

from __future__ import annotations

import yaml

from cluster.config.effective import MASK, as_yaml, leaves, masked, sources
from cluster.config.loading import load_with_sources

SECRETS = {
    "OSSATURE_SECRET": "hunter2-hunter2-hunter2-hunter2-hunter2",
    "OSSATURE_DATABASE__URL": "postgresql+asyncpg://u:hunter2@h/d",
    "OSSATURE_MODELS__0__ENVIRONMENT__HF_TOKEN": "hunter2",
    "OSSATURE_MODELS__0__ENVIRONMENT__AWS_SECRET_ACCESS_KEY": "hunter2",
    "OSSATURE_MODELS__0__ENGINE__HF_TOKEN": "hunter2",
}


def test_secrets_are_masked_wherever_they_stand() -> None:
    loaded = load_with_sources(None, SECRETS)
    shown = as_yaml(loaded) + str(masked(loaded)) + str(sources(loaded))
    assert "hunter2" not in shown
    data = masked(loaded)
    assert data["secret"] == data["database"]["url"] == data["models"][0]["engine"]["hf_token"] == MASK


def test_what_is_no_secret_is_shown() -> None:
    loaded = load_with_sources(None, {"OSSATURE_MODELS__0__ENGINE__MAX_NUM_BATCHED_TOKENS": "4096"})
    assert masked(loaded)["models"][0]["engine"]["max_num_batched_tokens"] == 4096
    assert masked(loaded)["secret"] is None
    assert masked(loaded)["models"][0]["environment"]["OMP_NUM_THREADS"] == "1"


def test_the_yaml_form_holds_the_same_values() -> None:
    loaded = load_with_sources(None, {"OSSATURE_MODELS__0__ENGINE__HF_OVERRIDES": "{a: [{b: 'x # y'}, {c: []}], d: [1, 2]}"})
    assert yaml.safe_load(as_yaml(loaded)) == masked(loaded)


def test_every_value_has_a_source() -> None:
    loaded = load_with_sources(None, {"OSSATURE_HTTP__PORT": "8080"})
    told = sources(loaded)
    assert told["http.port"] == "environment OSSATURE_HTTP__PORT"
    assert told["http.host"] == "default"
    assert told["models.0.id"].startswith("built-in demo.yaml:")
    assert len(told) == len(list(leaves(masked(loaded))))
    for line in as_yaml(loaded).splitlines():
        assert "# " in line or line.endswith(":")
