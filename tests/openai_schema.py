"""OpenAI's own description as an oracle for bodies. It lies beside the repository; a clone without it can't use the oracle."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DESCRIPTION = Path(__file__).resolve().parents[2] / "shared" / "openai" / "openapi.yaml"
ABSENT = "OpenAI's openapi.yaml is not beside this clone (../shared/openai/openapi.yaml): bodies are not held against it"


class SchemaOracle:
    """Says what in a body contradicts a component schema of the description.

    ``available`` is false without the description. Such an oracle finds no problem in anything, so that the tests which ask it
    still check all the rest; one test of its own is skipped to say so.
    """

    def __init__(self, document: Any | None) -> None:
        self.available = document is not None
        self._registry: Registry[Any] = Registry().with_resource(
            "urn:openai", Resource(contents=document or {}, specification=DRAFT202012)
        )

    @classmethod
    def load(cls) -> SchemaOracle:
        """The oracle of this clone. Warns, once, when it has none."""
        return _loaded(DESCRIPTION)

    def problems(self, component: str, body: object) -> list[str]:
        if not self.available:
            return []
        validator = Draft202012Validator({"$ref": f"urn:openai#/components/schemas/{component}"}, registry=self._registry)
        return [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator.iter_errors(body)]


@cache
def _loaded(description: Path) -> SchemaOracle:
    if not description.exists():
        warnings.warn(ABSENT, pytest.PytestWarning, stacklevel=3)
        return SchemaOracle(None)
    return SchemaOracle(_with_nulls(yaml.load(description.read_text(), Loader=yaml.CSafeLoader)))


def _with_nulls(node: Any) -> Any:
    """The description still says ``nullable: true`` in places, which JSON Schema 2020-12 does not know, and older bounds."""
    if isinstance(node, list):
        return [_with_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _with_nulls(value) for name, value in node.items()}
    if kept.get("exclusiveMinimum") is True:
        # The older drafts' way to say that the minimum itself is not allowed.
        kept["exclusiveMinimum"] = kept.pop("minimum")
    if kept.get("nullable") is not True:
        return kept
    del kept["nullable"]
    return {"anyOf": [kept, {"type": "null"}]}
