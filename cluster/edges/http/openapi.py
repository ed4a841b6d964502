"""The description of this edge (``/openapi.json``), made from the route table and the validators themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from cluster import __version__
from cluster.edges.bodies import UpdateStoredCompletion
from cluster.edges.http.admin import NewAdminKey, NewApiKey, NewOrganization, NewProject
from cluster.edges.http.routes import Access, Route
from cluster.edges.http.stored_completions import ExportStoredCompletions
from cluster.evals.requests import CreateEval, CreateEvalRun, UpdateEval
from cluster.inference.requests.chat import ChatFields
from cluster.inference.requests.completion import CompletionFields
from cluster.inference.requests.fields import Strict
from cluster.spoken.speech_request import SpeechFields
from cluster.tuning.request import CreateFineTuningJob

_BODIES: Mapping[str, type[Strict]] = {
    kind.__name__: kind
    for kind in (
        *(ChatFields, CompletionFields, SpeechFields, UpdateStoredCompletion, ExportStoredCompletions),
        *(CreateEval, UpdateEval, CreateEvalRun),
        CreateFineTuningJob,
        *(NewOrganization, NewProject, NewApiKey, NewAdminKey),
    )
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in _BODIES.values()], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path.replace(":path", ""), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ossature", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": {**schemas["$defs"], "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__ + "_" + re.sub(r"\W+", "_", route.path.replace(":path", "")).strip("_"),
        "summary": route.summary,
        "security": [] if route.access is Access.PUBLIC else [{"key": []}],
        "responses": {
            str(route.status): {"description": "The answer.", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {
                "description": "An error.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    names = re.findall(r"{(\w+)(?::path)?}", route.path)
    if names:
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{_BODIES[route.body].__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation
