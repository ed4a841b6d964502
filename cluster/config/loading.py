"""The effective configuration: schema defaults, then one YAML file, then the environment, then the command line.

Later ones win, field by field. Relative paths in it (``data_dir``, a model's ``source``) are relative to the current folder, not to
the file, so that a ready-made file works from wherever the cluster is started.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cluster.config.environment import Override, environment_overrides
from cluster.config.explain import closest, problems_in
from cluster.config.problems import ConfigError, Location, Problem
from cluster.config.schema import ClusterConfig
from cluster.config.yaml_source import YamlDocument, parse_yaml, read_yaml

BUILT_IN = "built-in demo.yaml"


class SourceKind(StrEnum):
    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a setting's value comes from; ``detail`` is ``file:line``, a variable or an option."""

    kind: SourceKind
    detail: str = ""

    def __str__(self) -> str:
        if self.detail.startswith(BUILT_IN):
            return self.detail
        return f"{self.kind} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and, for every setting that is not a default, where it was given."""

    config: ClusterConfig
    sources: Mapping[Location, Source]

    def source_of(self, location: Location) -> Source:
        """Where the setting at ``location`` was given: itself, or a list or map that it is part of."""
        given = _nearest(self.sources, location) if _is_given(self.config, location) else None
        return given or Source(SourceKind.DEFAULT)


def load(
    path: Path | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    overrides: Mapping[str, object] | None = None,
    only_model: str | None = None,
) -> ClusterConfig:
    """Load and check a configuration; without a ``path`` the built-in demo.

    ``overrides`` maps dotted paths to values (``{"http.port": 8080}``), ``only_model`` keeps one of the models.
    Raises :class:`ConfigError` with all problems. Never imports an engine.
    """
    return load_with_sources(path, env, overrides=overrides, only_model=only_model).config


def load_with_sources(
    path: Path | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    overrides: Mapping[str, object] | None = None,
    only_model: str | None = None,
) -> Loaded:
    """:func:`load`, with the origin of every value."""
    name, document = _document(path)
    return _with_only(_merged(name, document, env, overrides or {}), only_model)


def load_text(text: str, env: Mapping[str, str] = os.environ, *, name: str = "configuration") -> ClusterConfig:
    """:func:`load` for the text of a file; ``name`` stands for the file in problems. Raises :class:`ConfigError`."""
    return _merged(name, parse_yaml(text, name=name), env, {}).config


def _merged(name: str, document: YamlDocument, env: Mapping[str, str], overrides: Mapping[str, object]) -> Loaded:
    from_env, problems = environment_overrides(env)
    from_caller = [Override(_parsed(dotted), value, f"--set {dotted}") for dotted, value in overrides.items()]
    data = deepcopy(document.data)
    sources = {location: Source(SourceKind.FILE, f"{name}:{line}") for location, line in document.lines.items()}
    for kind, group in ((SourceKind.ENVIRONMENT, from_env), (SourceKind.COMMAND_LINE, from_caller)):
        problems += _apply(data, sources, group, kind)
    try:
        # In JSON mode strictness means what an operator expects: a path is text, but `true` is no number and "8" no port.
        config = ClusterConfig.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        raise ConfigError(problems + problems_in(error, lambda location: _origin(sources, location, name))) from error
    if problems:
        raise ConfigError(problems)
    return Loaded(config, sources)


def built_in_recipe() -> str:
    """The YAML text of the demo configuration that an installed package carries."""
    return files("cluster.config").joinpath("recipes", "demo.yaml").read_text(encoding="utf-8")


def _document(path: Path | None) -> tuple[str, YamlDocument]:
    if path is None:
        return BUILT_IN, parse_yaml(built_in_recipe(), name=BUILT_IN)
    return str(path), read_yaml(path)


def _parsed(dotted: str) -> Location:
    return tuple(int(part) if part.isdecimal() else part for part in dotted.split("."))


def _apply(data: dict[str, Any], sources: dict[Location, Source], overrides: Iterable[Override], kind: SourceKind) -> list[Problem]:
    problems = []
    for override in overrides:
        problem = _set(data, override)
        if problem is not None:
            problems.append(problem)
            continue
        for inner in [location for location in sources if location[: len(override.location)] == override.location]:
            del sources[inner]
        sources[override.location] = Source(kind, override.origin)
    return problems


def _set(data: dict[str, Any], override: Override) -> Problem | None:
    """Put a value in its place, making what lies above it. A list takes the index after its last one as a new item."""
    holder: Any = data
    location = override.location
    for depth, part in enumerate(location):
        is_last = depth == len(location) - 1
        value: Any = override.value if is_last else [] if isinstance(location[depth + 1], int) else {}
        if isinstance(holder, list) and isinstance(part, int):
            if part > len(holder):
                return _no_item(override, location[: depth + 1], len(holder))
            if part == len(holder):
                holder.append(value)
        elif not isinstance(holder, dict):
            # The file has something else here, which validation reports with the file's line.
            return None
        elif is_last or holder.get(part) is None:
            holder[part] = value
        holder = holder[part]
    return None


def _no_item(override: Override, location: Location, length: int) -> Problem:
    return Problem(location, f"the list ends before: it has {length}", allowed=f"0 to {length}", origin=override.origin)


def _is_given(holder: object, location: Location) -> bool:
    for part in location:
        if isinstance(holder, BaseModel):
            if part not in holder.model_fields_set:
                return False
            holder = getattr(holder, str(part))
        elif isinstance(holder, list) and isinstance(part, int):
            holder = holder[part]
        else:
            return True
    return True


def _nearest(sources: Mapping[Location, Source], location: Location) -> Source | None:
    for end in range(len(location), 0, -1):
        if (source := sources.get(location[:end])) is not None:
            return source
    return None


def _origin(sources: Mapping[Location, Source], location: Location, name: str) -> str:
    source = _nearest(sources, location)
    return source.detail if source else name


def _with_only(loaded: Loaded, model: str | None) -> Loaded:
    if model is None:
        return loaded
    ids = [each.id for each in loaded.config.models]
    if model not in ids:
        problem = Problem(
            (), f"no model {model!r} is configured", allowed=", ".join(ids), suggestion=closest(model, ids), origin="--model"
        )
        raise ConfigError([problem])
    index = ids.index(model)
    sources: dict[Location, Source] = {}
    for location, source in loaded.sources.items():
        if location[0] != "models" or len(location) == 1:
            sources[location] = source
        elif location[1] == index:
            sources[("models", 0, *location[2:])] = source
    return Loaded(loaded.config.model_copy(update={"models": [loaded.config.models[index]]}), sources)


__all__ = ["ConfigError", "Loaded", "Source", "SourceKind", "built_in_recipe", "load", "load_text", "load_with_sources"]
