from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.engine.contract import Operation
from cluster.errors import InvalidRequest
from cluster.inference.requests.completion import CompletionRequest
from tests.unit.requests.samples import completion


def engine(body: dict[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(CompletionRequest.parse(json.dumps(body).encode()).engine_body())
    return form


@pytest.mark.parametrize("prompt", ["Once", "", ["a", "b"], [""], [1, 2], [0], [[1], [2, 3]]])
def test_every_kind_of_prompt_reaches_the_engine(prompt: object) -> None:
    assert engine(completion(prompt)) == {"model": "demo", "stream": False, "prompt": prompt}
    assert CompletionRequest.parse(completion(prompt)).operation is Operation.COMPLETION


def test_arguments_reach_the_engine() -> None:
    arguments: dict[str, Any] = {"max_tokens": 0, "echo": True, "logprobs": 5, "n": 2, "stop": ["x"], "temperature": 0}
    assert engine(completion(**arguments, best_of=2, user="u", suffix=None)) == engine(completion()) | arguments


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": "demo"}, "prompt", "missing_required_parameter"),
        (completion(None), "prompt", "invalid_type"),
        (completion(3), "prompt", "invalid_type"),
        (completion({}), "prompt", "invalid_type"),
        (completion([]), "prompt", "empty_array"),
        (completion([[]]), "prompt.0", "empty_array"),
        (completion([[1], 2]), "prompt.1", "invalid_type"),
        (completion([1, "a"]), "prompt.1", "invalid_type"),
        (completion(["a", 1]), "prompt.1", "invalid_type"),
        (completion([True]), "prompt.0", "invalid_type"),
        (completion([1, -1]), "prompt.1", "invalid_value"),
        (completion([2**31]), "prompt.0", "invalid_value"),
        (completion([{}]), "prompt.0", "invalid_type"),
        (completion(["a"] * 129), "prompt", "array_above_max_length"),
        (completion([[1]] * 129), "prompt", "array_above_max_length"),
        (completion(max_tokens=-1), "max_tokens", "integer_below_min_value"),
        (completion(max_tokens=0), "max_tokens", "invalid_parameter_combination"),
        (completion(logprobs=6), "logprobs", "integer_above_max_value"),
        (completion(logprobs=True), "logprobs", "invalid_type"),
        (completion(best_of=3), "best_of", "unsupported_value"),
        (completion(n=2, best_of=1), "best_of", "unsupported_value"),
        (completion(suffix="end"), "suffix", "unsupported_parameter"),
        (completion(echo="yes"), "echo", "invalid_type"),
        (completion(messages=[]), "messages", "unrecognized_request_argument"),
        (completion(prompt_embeds="AAAA"), "prompt_embeds", "unrecognized_request_argument"),
    ],
)
def test_names_the_field_and_the_rule(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CompletionRequest.parse(json.dumps(body).encode())
    assert (caught.value.param, caught.value.code) == (param, code)
