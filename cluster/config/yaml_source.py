"""A YAML file as plain data, with the line of every setting.

YAML's safe subset with three changes, each because of a mistake that it would otherwise swallow: a key that is given twice is
refused instead of overwritten, keys are always text (``ON: "1"`` under ``environment`` is the variable ``ON``, not ``True``), and
nothing is read as a date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.config.problems import ConfigError, Location, Problem

_MERGE_TAG = "tag:yaml.org,2002:merge"
_SCALAR_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """``data`` is the file's mapping; ``lines`` the line (from 1) of each key and list item in it."""

    data: dict[str, Any]
    lines: dict[Location, int]


def read_yaml(path: Path) -> YamlDocument:
    """Read a file. Raises :class:`ConfigError` when it can't be read or is not one mapping in plain YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([Problem((), f"the configuration file can't be read: {reason}", origin=str(path))]) from error
    return parse_yaml(text, name=str(path))


def parse_yaml(text: str, *, name: str) -> YamlDocument:
    """Parse a configuration; ``name`` stands for the file in problems. Raises :class:`ConfigError`."""
    data, lines = _parse(text, name)
    if data is None:
        return YamlDocument({}, {})
    if not isinstance(data, dict):
        raise ConfigError([Problem((), "must be a mapping of sections", origin=name)])
    return YamlDocument(data, lines)


def parse_value(text: str) -> Any:
    """One value as it would stand in the file: ``8``, ``true``, ``[1, 2]``. Raises ``ValueError`` when it is not valid YAML."""
    try:
        return _parse(text, "value")[0]
    except ConfigError as error:
        raise ValueError(error.problems[0].message) from error


def _parse(text: str, name: str) -> tuple[Any, dict[Location, int]]:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        builder = _Builder(loader, name)
        data = builder.value(node, ())
    except yaml.YAMLError as error:
        # The parser's own text quotes the line, which may hold a secret: only its place and its complaint are passed on.
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        origin = f"{name}:{mark.line + 1}" if mark else name
        complaint = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise ConfigError([Problem((), f"is not valid YAML: {complaint}", origin=origin)]) from error
    except RecursionError as error:
        raise ConfigError([Problem((), "is nested too deeply", origin=name)]) from error
    if builder.problems:
        raise ConfigError(builder.problems)
    return data, builder.lines


def _at(name: str, node: yaml.Node) -> str:
    return f"{name}:{node.start_mark.line + 1}"


@dataclass(slots=True)
class _Builder:
    """Turns nodes into data, noting lines, and collecting what is wrong instead of stopping at the first."""

    loader: _Loader
    name: str
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: list[int] = field(default_factory=list)

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                for source in self._merge_sources(value_node, location):
                    for key, value in (self.value(source, location) or {}).items():
                        merged.setdefault(key, value)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(location, "a name must be plain text", key_node)
                continue
            key = key_node.value
            inner = (*location, key)
            if key in own:
                self._refuse(inner, f"is given twice; first in line {self.lines[inner]}", key_node)
                continue
            self.lines[inner] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, inner)
        return merged | own

    def value(self, node: yaml.Node, location: Location) -> Any:
        if id(node) in self.open_nodes:
            self._refuse(location, "contains itself", node)
            return None
        self.open_nodes.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
                return self.mapping(node, location)
            if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
                return list(self._items(node, location))
            return self._scalar(node, location)
        finally:
            self.open_nodes.pop()

    def _items(self, node: yaml.SequenceNode, location: Location) -> Iterator[Any]:
        for index, item in enumerate(node.value):
            inner = (*location, index)
            self.lines[inner] = item.start_mark.line + 1
            yield self.value(item, inner)

    def _scalar(self, node: yaml.Node, location: Location) -> Any:
        if node.tag not in _SCALAR_TAGS:
            self._refuse(location, f"has the tag {node.tag.replace('tag:yaml.org,2002:', '!!')}, which is not supported", node)
            return None
        try:
            value = self.loader.construct_object(node, deep=True)
        except ValueError:
            self._refuse(location, f"is not a valid {node.tag.rpartition(':')[2]}", node)
            return None
        if isinstance(value, str) and not value.isprintable() and any("\ud800" <= char <= "\udfff" for char in value):
            self._refuse(location, "is not valid Unicode text", node)
            return None
        return value

    def _merge_sources(self, node: yaml.Node, location: Location) -> list[yaml.MappingNode]:
        candidates = node.value if isinstance(node, yaml.SequenceNode) else [node]
        sources = [candidate for candidate in candidates if isinstance(candidate, yaml.MappingNode)]
        if len(sources) != len(candidates):
            self._refuse(location, "`<<` takes a mapping or a list of mappings", node)
        return sources

    def _refuse(self, location: Location, message: str, node: yaml.Node) -> None:
        self.problems.append(Problem(location, message, origin=_at(self.name, node)))
