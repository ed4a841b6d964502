"""Templates against a JSON schema, before anything runs: a path that no valid item can have is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cluster.errors import InvalidRequest
from cluster.evals.template import Path, TemplateError, paths_of
from cluster.inference.requests import problems

_BRANCHES: Final = ("anyOf", "oneOf", "allOf")


def check_templates(templates: Iterable[tuple[str, str]], schema: Mapping[str, Any]) -> None:
    """Check each ``(param, text)`` against ``schema``, whose properties are the namespaces (``item``, ``sample``).

    Raises:
        InvalidRequest: a template can't be read, or one of its paths can't exist; ``param`` is where it stands.
    """
    for param, text in templates:
        try:
            for path in paths_of(text):
                if (fault := impossible(path, schema)) is not None:
                    raise problems.invalid(param, f"the template names '{path}', but {fault}.")
        except TemplateError as error:
            raise problems.invalid(param, f"{error}.") from None


def impossible(path: Path, schema: Mapping[str, Any]) -> str | None:
    """Why no value that fits ``schema`` can hold ``path``; None: it may.

    A property that the schema does not list counts as impossible, unless the schema says ``additionalProperties`` in so many words
    or lists no properties at all: most such paths are misspelt.
    """
    if path.namespace not in schema.get("properties", {}):
        return f"this data source has no '{path.namespace}'"
    nodes: list[object] = [schema["properties"][path.namespace]]
    for depth, step in enumerate(path.steps):
        # By identity: alternatives that lead to the same schema are followed once, however many there are.
        possible = {id(below): below for node in nodes for below in _below(node, step, schema)}
        if not possible:
            return f"the schema has no '{path.upto(depth + 1)}'"
        nodes = list(possible.values())
    return None


def _below(node: object, step: str | int, root: Mapping[str, Any]) -> list[object]:
    """The schemas that a value may have one step below ``node``; none: there can be no such value."""
    found: list[object] = []
    for alternative in _alternatives(node, root, set()):
        if alternative is None:
            found.append(True)
        elif isinstance(step, int):
            found += _element(alternative, step)
        else:
            found += _member(alternative, step)
    return found


def _alternatives(node: object, root: Mapping[str, Any], seen: set[str]) -> list[Mapping[str, Any] | None]:
    """The plain schemas that ``node`` stands for; None: anything goes.

    ``seen``: references that were followed already. Each is followed once: schemas may refer to themselves.
    """
    if node is False:
        return []
    if not isinstance(node, Mapping):
        return [None]
    if isinstance(reference := node.get("$ref"), str):
        if reference in seen:
            return []
        seen.add(reference)
        return _alternatives(_resolve(reference, root), root, seen)
    plain = {name: value for name, value in node.items() if name not in _BRANCHES}
    described = {"type", "properties", "items", "prefixItems", "additionalProperties"} & set(plain)
    given = [branch for name in _BRANCHES if isinstance(node.get(name), list) for branch in node[name]]
    found: list[Mapping[str, Any] | None] = [plain] if described or not given else []
    for branch in given:
        found += _alternatives(branch, root, seen)
    return found


def _resolve(reference: str, root: Mapping[str, Any]) -> object:
    """What a reference inside the item's own schema names (``#/$defs/x``); anything for others."""
    item = root.get("properties", {}).get("item")
    if not reference.startswith("#") or not isinstance(item, Mapping):
        return True
    node: object = item
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part == "":
            continue
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or key not in node:
            return True
        node = node[key]
    return node


def _allows(schema: Mapping[str, Any], kind: str) -> bool:
    types = schema.get("type", kind)
    return kind in types if isinstance(types, list) else types == kind


def _element(schema: Mapping[str, Any], index: int) -> list[object]:
    if not _allows(schema, "array"):
        return []
    first = schema.get("prefixItems")
    if isinstance(first, list) and index < len(first):
        return [first[index]]
    rest = schema.get("items", True)
    return [] if rest is False else [rest]


def _member(schema: Mapping[str, Any], name: str) -> list[object]:
    if not _allows(schema, "object"):
        return []
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        below = properties[name]
        return [] if below is False else [below]
    extra = schema.get("additionalProperties", not isinstance(properties, Mapping) or "patternProperties" in schema)
    return [] if extra is False else [extra]


def require_object(schema: object, param: str) -> Mapping[str, Any]:
    """An item schema must describe an object. Raises :class:`InvalidRequest`."""
    if not isinstance(schema, Mapping):
        raise problems.wrong_type(param, "an object", schema)
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"Invalid '{param}': items are objects, so its type must be 'object'.", param=f"{param}.type", code="invalid_value"
        )
    return schema
