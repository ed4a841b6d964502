"""OpenAI's own API description as a judge. It is not part of this repository: tests that need it are skipped without it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

PATH = Path(__file__).parents[3].parent / "shared" / "openai" / "openapi.yaml"

needs_spec = pytest.mark.skipif(not PATH.exists(), reason="OpenAI's openapi.yaml is not at ../shared/openai/")


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = _nullable(yaml.load(PATH.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    return loaded


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0's ``nullable`` in terms of JSON Schema: the document says it in both ways."""
    if isinstance(node, list):
        return [_nullable(child) for child in node]
    if not isinstance(node, dict):
        return node
    rest = {key: _nullable(child) for key, child in node.items() if key != "nullable" or child is not True}
    return {"anyOf": [rest, {"type": "null"}]} if node.get("nullable") is True else rest


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"][name]
    return found


@cache
def _validator(name: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource("urn:oai", DRAFT202012.create_resource(document()))
    return Draft202012Validator({"$ref": f"urn:oai#/components/schemas/{name}"}, registry=registry)


def faults(name: str, value: object) -> list[str]:
    """What is wrong with ``value`` as a component of this name."""
    return [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(value)]
