"""The oracle that end-to-end tests hold bodies against, with and without OpenAI's description."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests import openai_schema
from tests.openai_schema import SchemaOracle

MODEL = {"id": "m", "object": "model", "created": 1, "owned_by": "o"}


def test_bodies_are_held_against_openais_description() -> None:
    oracle = SchemaOracle.load()
    if not oracle.available:
        pytest.skip(openai_schema.ABSENT)
    assert oracle.problems("Model", MODEL) == []
    assert oracle.problems("Model", MODEL | {"created": "yesterday"})
    assert oracle.problems("CreateChatCompletionResponse", {})


def test_without_the_description_the_oracle_is_silent_and_warns_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_schema, "DESCRIPTION", tmp_path / "openapi.yaml")
    with pytest.warns(pytest.PytestWarning, match="not beside this clone"):
        oracle = SchemaOracle.load()
    assert not oracle.available
    assert oracle.problems("Model", {}) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SchemaOracle.load() is oracle
