"""The settings as a flat list, read from the schema: for the reference, for error messages and for environment variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from cluster.config.problems import Location
from cluster.config.schema import ClusterConfig

ENVIRONMENT_PREFIX = "OSSATURE_"
ENVIRONMENT_SEPARATOR = "__"

ITEM = "[]"
"""Stands for any index of a list in a :attr:`Setting.location`."""

_UNITS = {"_s": "seconds", "_bytes": "bytes", "_tokens": "tokens", "cpus": "logical CPUs", "cpus_per_worker": "logical CPUs"}


class Kind(StrEnum):
    SECTION = "section"
    SECTIONS = "list of sections"
    TEXT = "text"
    SECRET = "secret text"  # noqa: S105 - a kind of setting, not a password
    PATH = "path"
    WHOLE = "whole number"
    NUMBER = "number"
    SWITCH = "true or false"
    CHOICE = "choice"
    TEXT_MAP = "map of text"
    NUMBER_MAP = "map of numbers"
    FREE_MAP = "map"


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the schema. ``default`` is JSON (``None`` with ``required`` or ``optional``); ``limits`` is for readers."""

    location: tuple[str, ...]
    kind: Kind
    description: str
    default: Any
    required: bool
    optional: bool
    limits: str

    @property
    def path(self) -> str:
        """``models[].engine``."""
        return ".".join(self.location).replace(f".{ITEM}", ITEM)

    @property
    def environment_name(self) -> str:
        parts = ["<N>" if part == ITEM else part.upper() for part in self.location]
        if self.kind in (Kind.TEXT_MAP, Kind.NUMBER_MAP, Kind.FREE_MAP):
            parts.append("<NAME>")
        return ENVIRONMENT_PREFIX + ENVIRONMENT_SEPARATOR.join(parts)

    @property
    def unit(self) -> str:
        return next((unit for suffix, unit in _UNITS.items() if self.location[-1].endswith(suffix)), "")

    @property
    def allowed(self) -> str:
        """What the setting takes, for an error message: ``whole number, 1 to 65535``."""
        parts = [self.limits] if self.kind is Kind.CHOICE else [str(self.kind), self.limits]
        if self.optional:
            parts.append("or unset")
        return ", ".join(part for part in parts if part)


@lru_cache(maxsize=1)
def settings() -> tuple[Setting, ...]:
    """Every setting and section, in the schema's order, a section before its settings."""
    schema = ClusterConfig.model_json_schema()
    return tuple(_walk(schema, schema["$defs"], ()))


@lru_cache(maxsize=1)
def _by_location() -> dict[tuple[str, ...], Setting]:
    return {setting.location: setting for setting in settings()}


def generic(location: Location) -> tuple[str, ...]:
    """``("models", 0, "id")`` to ``("models", "[]", "id")``."""
    return tuple(ITEM if isinstance(part, int) else part for part in location)


def setting_at(location: Location) -> Setting | None:
    """The setting at a place, or the map that holds it (``models.0.engine.seed`` is in ``models[].engine``); else ``None``."""
    place = generic(location)
    for end in range(len(place), 0, -1):
        setting = _by_location().get(place[:end])
        if setting is not None:
            is_map = setting.kind in (Kind.TEXT_MAP, Kind.NUMBER_MAP, Kind.FREE_MAP)
            return setting if end == len(place) or is_map else None
    return None


def names_in(section: Location) -> tuple[str, ...]:
    """Names that a section takes: ``()`` for the top level, ``("models", 0)`` for a model."""
    place = generic(section)
    return tuple(s.location[-1] for s in settings() if s.location[:-1] == place and s.location[-1] != ITEM)


def _walk(node: dict[str, Any], definitions: dict[str, Any], location: tuple[str, ...]) -> Iterator[Setting]:
    required = node.get("required", [])
    for name, described in node["properties"].items():
        inner = (*location, name)
        value, optional = _without_null(described)
        value = _resolved(value, definitions)
        kind = _kind(value)
        yield Setting(
            location=inner,
            kind=kind,
            description=described.get("description", ""),
            default=described.get("default"),
            required=name in required,
            optional=optional,
            limits=_limits(value),
        )
        if kind is Kind.SECTION:
            yield from _walk(value, definitions, inner)
        elif kind is Kind.SECTIONS:
            yield from _walk(_resolved(value["items"], definitions), definitions, (*inner, ITEM))


def _without_null(node: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    return (choices[0], True) if choices else (node, False)


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else node


def _kind(node: dict[str, Any]) -> Kind:
    if "enum" in node or "const" in node:
        return Kind.CHOICE
    match node.get("type"), node.get("format"):
        case "string", "password":
            return Kind.SECRET
        case "string", "path":
            return Kind.PATH
        case "string", _:
            return Kind.TEXT
        case "integer", _:
            return Kind.WHOLE
        case "number", _:
            return Kind.NUMBER
        case "boolean", _:
            return Kind.SWITCH
        case "array", _:
            return Kind.SECTIONS
    if "properties" in node:
        return Kind.SECTION
    values = node["additionalProperties"]
    by_type = {"string": Kind.TEXT_MAP, "number": Kind.NUMBER_MAP}
    return by_type.get(values.get("type", ""), Kind.FREE_MAP) if isinstance(values, dict) else Kind.FREE_MAP


def _limits(node: dict[str, Any]) -> str:
    if "enum" in node or "const" in node:
        return ", ".join(str(choice) for choice in node.get("enum", [node.get("const")]))
    low, high = node.get("minimum"), node.get("maximum")
    parts = []
    if low is not None and high is not None:
        parts.append(f"{low:g} to {high:g}" if high < 1_000_000 else f"{low} to {high}")
    else:
        parts += [f"at least {low}"] if low is not None else []
        parts += [f"at most {high}"] if high is not None else []
    if (above := node.get("exclusiveMinimum")) is not None:
        parts.insert(0, f"more than {above}")
    if (length := node.get("minLength")) is not None:
        parts.append(f"at least {length} character{'s' if length > 1 else ''}")
    if (items := node.get("minItems")) is not None:
        parts.append(f"at least {items}")
    if (pattern := node.get("pattern")) is not None:
        parts.append(f"matching `{pattern}`")
    return ", ".join(parts)
