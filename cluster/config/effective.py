"""The effective configuration for people and scripts: every value, where it came from, and no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from cluster.config.fields import Kind, setting_at
from cluster.config.loading import Loaded
from cluster.config.problems import Location, dotted

MASK = "********"
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|(^|_)KEY($|_)", re.IGNORECASE)
_NUMBERS_NAMED_TOKENS = (int, float, bool)


def masked(loaded: Loaded) -> dict[str, Any]:
    """The configuration as plain data, with secrets replaced by :data:`MASK`."""
    data: dict[str, Any] = loaded.config.model_dump(mode="json")
    for location, value in list(leaves(data)):
        if value is not None and _is_secret(location, value):
            _replace(data, location, MASK)
    return data


def sources(loaded: Loaded) -> dict[str, str]:
    """Dotted path to where the value came from: ``default``, ``file demo.yaml:3``, ``environment OSSATURE_HTTP__PORT``."""
    return {dotted(location): str(loaded.source_of(location)) for location, _ in leaves(masked(loaded))}


def as_yaml(loaded: Loaded) -> str:
    """The configuration as YAML with the source of each value beside it."""
    lines: list[tuple[str, str]] = list(_lines(masked(loaded), (), 0, loaded))
    width = min(max(len(text) for text, _ in lines), 64)
    return "".join(f"{text:<{width}}  # {source}\n" if source else f"{text}\n" for text, source in lines)


def leaves(data: Any, location: Location = ()) -> Iterator[tuple[Location, Any]]:
    """Every value that is no mapping and no list, and every empty one of these, with its place."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(data, dict):
        inner = list(data.items())
    elif isinstance(data, list):
        inner = list(enumerate(data))
    if not inner:
        yield location, data
    for name, value in inner:
        yield from leaves(value, (*location, name))


def _is_secret(location: Location, value: object) -> bool:
    setting = setting_at(location)
    if setting is not None and setting.kind is Kind.SECRET:
        return True
    in_map = setting is not None and setting.kind in (Kind.TEXT_MAP, Kind.FREE_MAP)
    return in_map and not isinstance(value, _NUMBERS_NAMED_TOKENS) and bool(_SECRET_NAME.search(str(location[-1])))


def _replace(data: Any, location: Location, value: object) -> None:
    for part in location[:-1]:
        data = data[part]
    data[location[-1]] = value


def _lines(data: dict[str, Any], location: Location, depth: int, loaded: Loaded, bullet: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        inner = (*location, name)
        indent = "  " * depth if not bullet else "  " * (depth - 1) + bullet
        bullet = ""
        if isinstance(value, dict) and value:
            yield f"{indent}{_scalar(name)}:", ""
            yield from _lines(value, inner, depth + 1, loaded)
        elif isinstance(value, list) and value and all(isinstance(item, dict) and item for item in value):
            yield f"{indent}{_scalar(name)}:", ""
            for index, item in enumerate(value):
                yield from _lines(item, (*inner, index), depth + 2, loaded, bullet="- ")
        else:
            yield f"{indent}{_scalar(name)}: {_scalar(value)}", str(loaded.source_of(inner))


def _scalar(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")
